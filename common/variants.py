"""Numbers that differ from student to student and can be drawn again."""

import hashlib

import numpy as np


def variant_generator(student_number, task):
    """Make the generator of one student's numbers and data for one task.

    Args:
        student_number: string, as the student writes it; spaces do not count.
        task: string; tasks of one student are independent of one another.

    Returns:
        `numpy.random.Generator`; equal arguments give equal draws, on every machine.

    Raises:
        ValueError: the student number is empty.
    """
    number = "".join(str(student_number).split())
    if not number:
        raise ValueError("student_number must not be empty; put your own number into the first cell.")
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{number}/{task}".encode()).digest(), "big"))
