"""A task for memory: name the colour and the shape that were seen long ago."""

import numpy as np

COLOURS = ("merah", "kuning", "hijau", "biru")  # tokens 1 to 4
SHAPES = ("lingkaran", "persegi", "segitiga", "bintang")  # tokens 5 to 8
FILLERS = tuple("abcdefgh")  # tokens 9 to 16, which mean nothing
RECALL_SYMBOLS = ("bantalan", *COLOURS, *SHAPES, *FILLERS)  # name of every token; 0, padding, does not occur
LAST_SHAPE_PLACE = 10


def recall_task(count, *, length=60, seed=0):
    """Generate sequences whose first tokens must be remembered to their end.

    A sequence begins with one of 4 colours; one of 4 shapes follows at a random place from 1 to 10; all other tokens
    are drawn from 8 fillers. To be told after the last token: which colour and which shape.

    Args:
        count: number of sequences, N, at least 1.
        length: tokens in a sequence, T, at least 12, so that a filler ends it.
        seed: integer; other seeds give other sequences.

    Returns:
        `{"x": (N, T) int32 in [1, 17), "y": (N,) int32 in [0, 16)}`; x numbers `RECALL_SYMBOLS`, y is
        4 * colour + shape, each in [0, 4).

    Raises:
        ValueError: count or length is too small.

    References:
        After the "latching" tasks of Bengio, Simard and Frasconi (1994) and Hochreiter and Schmidhuber (1997).
    """
    shortest = LAST_SHAPE_PLACE + 2
    if count < 1 or length < shortest:
        raise ValueError(f"expected count >= 1 and length >= {shortest}, got count {count} and length {length}.")
    rng = np.random.default_rng(seed)
    colours, shapes = rng.integers(len(COLOURS), size=count), rng.integers(len(SHAPES), size=count)
    first_filler = 1 + len(COLOURS) + len(SHAPES)
    x = rng.integers(first_filler, len(RECALL_SYMBOLS), size=(count, length))
    x[:, 0] = 1 + colours
    x[np.arange(count), rng.integers(1, LAST_SHAPE_PLACE + 1, size=count)] = 1 + len(COLOURS) + shapes
    return {"x": x.astype(np.int32), "y": (len(SHAPES) * colours + shapes).astype(np.int32)}
