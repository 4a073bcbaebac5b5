"""Devices: description, virtual devices, memory."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from common.device import describe_backend, use_virtual_devices

ROOT = Path(__file__).parents[1]


def test_description_is_one_line_with_the_facts():
    line = describe_backend()
    assert re.fullmatch(r"JAX [\d.]+\S* on cpu: 8 x \S+, \d+ CPU cores", line) and jax.__version__ in line


def test_virtual_devices_are_there_or_the_reason_is_told():
    assert len(use_virtual_devices(8)) == 8
    with pytest.raises(RuntimeError, match="already runs with 8 CPU device.*expected 4.*restart"):
        use_virtual_devices(4)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        use_virtual_devices(0)


FAULTS = """
import ctypes, resource
from common.device import keep_freed_memory

library, size = ctypes.CDLL(None), 80_000_000
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        memory = library.malloc(size)
        ctypes.memset(memory, 1, size)
        library.free(memory)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
keep_freed_memory()
faults()
print(first, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library can be told to keep memory")
def test_freed_memory_is_kept():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True, cwd=ROOT)
    mapped_anew, kept = map(int, done.stdout.split())
    assert mapped_anew > 1000 and kept < mapped_anew / 10
