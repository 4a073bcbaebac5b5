"""Vocabulary and windows."""

import numpy as np
import pytest

from common.data import Vocabulary, scoring_windows, windows


def test_decode_undoes_encode():
    vocabulary = Vocabulary.of("selamat", "pagi!")
    assert vocabulary.characters == "!aegilmpst" and len(vocabulary) == 10
    ids = vocabulary.encode("pagi semalam!".replace(" ", ""))
    assert ids.dtype == np.int32 and vocabulary.decode(ids) == "pagisemalam!"
    assert vocabulary.decode(vocabulary.encode("")) == ""


def test_unknown_character_is_named_with_its_place():
    with pytest.raises(ValueError, match=r"Unknown character 'z' at position 2; the vocabulary has 'ab'"):
        Vocabulary("ab").encode("abz")


@pytest.mark.parametrize("ids", [[0, 2], [-1]])
def test_unknown_id_is_refused(ids):
    with pytest.raises(ValueError, match=r"ids must lie in \[0, 2\)"):
        Vocabulary("ab").decode(ids)


def test_windows_predict_the_next_character():
    pairs = windows(np.arange(11), 3)
    assert pairs["x"].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert (pairs["y"] == pairs["x"] + 1).all()


@pytest.mark.parametrize("length", [0, 5, -2])
def test_window_that_does_not_fit_is_refused(length):
    with pytest.raises(ValueError, match="between 1 and 4 for 5 ids"):
        windows(np.arange(5), length)


def test_windows_may_overlap():
    pairs = windows(np.arange(11), 4, stride=2)
    assert pairs["x"][:, 0].tolist() == [0, 2, 4, 6] and pairs["y"][-1].tolist() == [7, 8, 9, 10]
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        windows(np.arange(11), 4, stride=0)


@pytest.mark.parametrize(("count", "length", "stride"), [(30, 8, 4), (29, 8, 8), (9, 8, 1), (25, 8, 3), (3, 1, 1)])
def test_scoring_asks_for_every_token_once_and_late_in_its_window(count, length, stride):
    parts = scoring_windows(np.arange(count), length, stride)
    assert sorted(parts["y"][parts["mask"]]) == list(range(1, count))
    assert (parts["y"] == parts["x"] + 1).all() and parts["mask"][0].all()
    assert not parts["mask"][1:, : length - stride].any()


@pytest.mark.parametrize("stride", [0, 5])
def test_scoring_refuses_gaps(stride):
    with pytest.raises(ValueError, match="stride must lie between 1 and 4"):
        scoring_windows(np.arange(11), 4, stride)
