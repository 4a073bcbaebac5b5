"""Byte-pair encoding: text to tokens longer than a character and back."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

BYTES = 256
PIECES = re.compile(r" ?\w+| ?[^\w\s]+|\s")  # a word or a sign with the space in front of it; no token crosses pieces


@dataclass(frozen=True)
class BytePairs:
    """Number the pieces of a text: tokens 0 to 255 are the bytes of UTF-8, each later one joins two earlier ones.

    Attributes:
        merges: M pairs of token ids; pair m becomes token 256 + m.

    References:
        Sennrich et al. (2016) for the algorithm; Radford et al. (2019) for bytes instead of characters.
    """

    merges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text, size):
        """Learn the tokens of a text: again and again, join the pair that occurs most often.

        Args:
            text: string to learn from.
            size: number of tokens, at least 256.

        Returns:
            `BytePairs` of that size; of equally frequent pairs the one with the smaller ids is joined first.

        Raises:
            ValueError: `size` is below 256, or the text has too few pairs for it.
        """
        if size < BYTES:
            raise ValueError(f"size must be at least {BYTES}, one token for each byte, got {size}.")
        pieces = Counter(PIECES.findall(text))
        words, weights = [list(piece.encode()) for piece in pieces], list(pieces.values())
        counts, places = Counter(), defaultdict(set)  # of every pair: occurrences, and the words that may hold it
        for number, (word, weight) in enumerate(zip(words, weights, strict=True)):
            for pair in pairwise(word):
                counts[pair] += weight
                places[pair].add(number)
        merges = []
        for token in range(BYTES, size):
            pair = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]), default=None)
            if pair is None or not counts[pair]:
                raise ValueError(f"The text has pairs for {token} tokens only, asked for {size}; give more text.")
            merges.append(pair)
            for number in places.pop(pair):
                before, after = words[number], join(words[number], pair, token)
                for sign, word in ((-1, before), (1, after)):
                    for found in pairwise(word):
                        counts[found] += sign * weights[number]
                        places[found].add(number)
                words[number] = after
            del counts[pair]
        return cls(tuple(merges))

    def __len__(self):
        return BYTES + len(self.merges)

    @cached_property
    def tokens(self):
        """The bytes that every token stands for, a tuple of `bytes`."""
        tokens = [bytes([byte]) for byte in range(BYTES)]
        for left, right in self.merges:
            tokens.append(tokens[left] + tokens[right])
        return tuple(tokens)

    def encode(self, text):
        """Return the tokens of a text.

        Args:
            text: any string that UTF-8 can encode.

        Returns:
            (T,) int32 in [0, len(self)); `decode` gives the text back.

        Raises:
            UnicodeEncodeError: the text holds half of a surrogate pair.
        """
        pieces = PIECES.findall(text)
        known = {piece: self._encode_piece(piece) for piece in set(pieces)}
        return np.array([token for piece in pieces for token in known[piece]], np.int32)

    def decode(self, ids):
        """Return the text of some tokens.

        Args:
            ids: (T,) integers in [0, len(self)).

        Returns:
            String; bytes that are no UTF-8, as a model may write them, become U+FFFD.

        Raises:
            ValueError: an id is out of range.
        """
        ids = np.asarray(ids)
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise ValueError(f"ids must lie in [0, {len(self)}), got {ids.min()} to {ids.max()}.")
        return b"".join(self.tokens[number] for number in ids).decode(errors="replace")

    @cached_property
    def _ranks(self):
        return {pair: rank for rank, pair in enumerate(self.merges)}

    def _encode_piece(self, piece):
        word = list(piece.encode())
        while found := [pair for pair in pairwise(word) if pair in self._ranks]:
            pair = min(found, key=self._ranks.get)
            word = join(word, pair, BYTES + self._ranks[pair])
        return word


def join(ids, pair, token):
    """Replace a pair by one token, from left to right.

    Args:
        ids: list of integers.
        pair: two integers.
        token: what they become.

    Returns:
        List of integers.
    """
    joined, place = [], 0
    while place < len(ids):
        if ids[place] == pair[0] and place + 1 < len(ids) and ids[place + 1] == pair[1]:
            joined.append(token)
            place += 2
        else:
            joined.append(ids[place])
            place += 1
    return joined
