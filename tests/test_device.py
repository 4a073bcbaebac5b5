"""Devices: description and virtual devices."""

import re

import jax
import pytest

from common.device import describe_backend, use_virtual_devices


def test_description_is_one_line_with_the_facts():
    line = describe_backend()
    assert re.fullmatch(r"JAX [\d.]+\S* on cpu: 8 x \S+, \d+ CPU cores", line) and jax.__version__ in line


def test_virtual_devices_are_there_or_the_reason_is_told():
    assert len(use_virtual_devices(8)) == 8
    with pytest.raises(RuntimeError, match="already runs with 8 CPU device.*expected 4.*restart"):
        use_virtual_devices(4)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        use_virtual_devices(0)
