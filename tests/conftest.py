"""Settings of the whole test suite: eight virtual CPU devices, strict broadcasting, keys that never repeat."""

import itertools

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def keys():
    """Yield fresh PRNG keys: every `next(keys)` is a key that this test has not seen."""
    return (jax.random.key(number) for number in itertools.count(2026))
