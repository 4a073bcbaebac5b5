"""Characters to numbers and back, and windows of a sequence."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


@dataclass(frozen=True)
class Vocabulary:
    """Number the characters of a text.

    Attributes:
        characters: every known character once; its position is its id.
    """

    characters: str

    @classmethod
    def of(cls, *texts):
        """Return the vocabulary of all characters in `texts`, sorted, so that equal texts give equal ids."""
        return cls("".join(sorted(set().union(*texts))))

    def __len__(self):
        return len(self.characters)

    def encode(self, text):
        """Return the ids of a text.

        Args:
            text: string of known characters, length T.

        Returns:
            (T,) int32 in [0, len(vocabulary)).

        Raises:
            ValueError: a character is not in the vocabulary; the message names it and its position.
        """
        ids = {character: number for number, character in enumerate(self.characters)}
        try:
            return np.array([ids[character] for character in text], np.int32)
        except KeyError as error:
            character = error.args[0]
            raise ValueError(
                f"Unknown character {character!r} at position {text.index(character)}; the vocabulary has "
                f"{self.characters!r}. Remove it, or build the vocabulary from this text too."
            ) from None

    def decode(self, ids):
        """Return the text of some ids.

        Args:
            ids: (T,) integers in [0, len(vocabulary)).

        Returns:
            String of T characters.

        Raises:
            ValueError: an id is out of range.
        """
        ids = np.asarray(ids)
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise ValueError(f"ids must lie in [0, {len(self)}), got {ids.min()} to {ids.max()}.")
        return "".join(self.characters[number] for number in ids)


def windows(ids, length, stride=None):
    """Cut a sequence into windows for the prediction of the next token.

    Args:
        ids: (N,) integers.
        length: tokens in a window, at least 1 and below N.
        stride: tokens from the start of one window to that of the next; None: `length`, so that no two overlap.

    Returns:
        `{"x": (M, length), "y": (M, length)}` with M = (N - 1 - length) // stride + 1, read-only views of `ids`; `y` is
        `x` one token later.

    Raises:
        ValueError: `length` does not fit the sequence, or `stride` is below 1.
    """
    ids = np.asarray(ids)
    if not 1 <= length < len(ids):
        raise ValueError(f"length must lie between 1 and {len(ids) - 1} for {len(ids)} ids, got {length}.")
    stride = length if stride is None else stride
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}.")
    rows = sliding_window_view(ids, length + 1)[::stride]
    return {"x": rows[:, :-1], "y": rows[:, 1:]}  # (M, length)


def scoring_windows(ids, length, stride):
    """Cut a sequence into overlapping windows that ask for every token but the first exactly once.

    After the first window a token is asked for with at least `length - stride` tokens before it, so that a model with
    a bounded context is not judged on the first tokens of a window.

    Args:
        ids: (N,) integers.
        length: tokens in a window, the context of the model, at least 1 and below N.
        stride: new tokens in a window, from 1 to `length`.

    Returns:
        `{"x": (M, length), "y": (M, length), "mask": (M, length) bool}`; the mask holds N - 1 times True.

    Raises:
        ValueError: `length` does not fit the sequence, or `stride` is out of range.
    """
    ids = np.asarray(ids)
    if not 1 <= stride <= length:
        raise ValueError(f"stride must lie between 1 and {length}, the length, got {stride}.")
    every = windows(ids, length, 1)
    starts = np.unique(np.append(np.arange(0, len(ids) - length, stride), len(ids) - 1 - length))
    fresh = np.diff(starts, prepend=starts[0] - length)  # the first window is new as a whole
    return {name: rows[starts] for name, rows in every.items()} | {
        "mask": np.arange(length) >= length - fresh[:, None]  # (M, length)
    }
