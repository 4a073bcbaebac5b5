"""Variants: the same student gets the same numbers, others get others."""

import numpy as np
import pytest

from common.variants import variant_generator


def test_same_student_same_numbers():
    draws = [variant_generator(number, "a").integers(0, 10**9, 5) for number in ("13521001", " 1352 1001\n")]
    np.testing.assert_array_equal(*draws)
    assert draws[0].tolist() == [389_312_515, 366_289_459, 85_092_488, 883_505_492, 617_530_710]


def test_other_students_and_tasks_get_other_numbers():
    pairs = [("13521001", "a"), ("13521002", "a"), ("13521001", "b")]
    assert len({variant_generator(*pair).integers(0, 2**62) for pair in pairs}) == 3


def test_empty_number_is_refused():
    with pytest.raises(ValueError, match="must not be empty"):
        variant_generator(" ", "a")
