"""Byte pairs: any text comes back, merges are those of the plain algorithm, bad input is refused."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from common.data import load_dataset
from common.data.byte_pairs import PIECES, BytePairs, join

TEXTS = (
    "",
    " ",
    "Sebuah kalimat, dengan tanda baca!\n\n\tDan spasi  ganda.",
    "héé 🙂\u200d👩\u200d💻　全角 ١٢ \x00\x7f\x85 ñ\u0303 \U0010ffff",
    "a\r\nb\u2028c",
)


@pytest.fixture(scope="module")
def prose():
    return load_dataset("prosa").test["x"][:20_000]


@pytest.fixture(scope="module")
def pairs(prose):
    return BytePairs.of(prose, 400)


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_back(pairs, text):
    ids = pairs.encode(text)
    assert ids.dtype == np.int32 and ids.ndim == 1
    assert pairs.decode(ids) == text


def test_random_unicode_comes_back(pairs):
    rng = np.random.default_rng(0)
    numbers = [number for number in rng.integers(0, 0x110000, 5_000) if not 0xD800 <= number < 0xE000]
    text = "".join(map(chr, numbers))
    assert pairs.decode(pairs.encode(text)) == text


def test_merges_are_those_of_counting_anew_each_time(prose):
    words = Counter(PIECES.findall(prose[:3_000]))
    words = {tuple(piece.encode()): count for piece, count in words.items()}
    expected = []
    for token in range(256, 300):
        counts = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                counts[pair] += count
        expected.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        words = {tuple(join(list(word), expected[-1], token)): count for word, count in words.items()}
    assert BytePairs.of(prose[:3_000], 300).merges == tuple(expected)


def test_repeated_letters_are_joined_from_the_left():
    assert BytePairs.of("aaaaa", 257).merges == ((97, 97),)
    assert BytePairs.of("aaaaa", 257).encode("aaaaa").tolist() == [256, 256, 97]


def test_tokens_are_bytes_of_their_text(pairs, prose):
    assert len(pairs) == len(pairs.tokens) == 400
    ids = pairs.encode(prose)
    assert b"".join(pairs.tokens[number] for number in ids).decode() == prose
    assert len(ids) < len(prose) / 1.8


def test_broken_bytes_become_the_replacement_character(pairs):
    assert pairs.decode([0xC3, 97]) == "\ufffda"


def test_bad_input_is_refused(pairs):
    with pytest.raises(ValueError, match="at least 256"):
        BytePairs.of("teks", 255)
    with pytest.raises(ValueError, match="258 tokens only"):
        BytePairs.of("ab ab", 300)
    with pytest.raises(ValueError, match=r"\[0, 400\)"):
        pairs.decode([400])
    with pytest.raises(UnicodeEncodeError):
        pairs.encode("\ud800")
