"""Characters to numbers and back."""

from dataclasses import dataclass

import numpy as np


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


def windows(ids, length):
    """Cut a sequence into consecutive windows for next-character prediction.

    Args:
        ids: (N,) integers.
        length: characters in a window, at least 1 and below N.

    Returns:
        `{"x": (M, length), "y": (M, length)}` with M = (N - 1) // length; `y` is `x` one character later.

    Raises:
        ValueError: `length` does not fit the sequence.
    """
    if not 1 <= length < len(ids):
        raise ValueError(f"length must lie between 1 and {len(ids) - 1} for {len(ids)} ids, got {length}.")
    count = (len(ids) - 1) // length
    inputs, targets = ids[: count * length], ids[1 : count * length + 1]
    return {"x": inputs.reshape(count, length), "y": targets.reshape(count, length)}  # (M, T)
