"""What the program runs on."""

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

DATA_AXIS = "data"  # name of the axis over which devices share a batch
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT_BYTES = 2**30


def describe_backend():
    """Return one line about the devices: backend, their number and kind, cores, JAX version."""
    devices = jax.devices()
    kinds = ", ".join(sorted({device.device_kind for device in devices}))
    return f"JAX {jax.__version__} on {jax.default_backend()}: {len(devices)} x {kinds}, {os.cpu_count()} CPU cores"


def use_virtual_devices(count):
    """Split the CPU into virtual devices; call it before anything else of JAX runs.

    Args:
        count: how many devices, at least 1.

    Returns:
        The list of CPU devices, `count` long.

    Raises:
        ValueError: `count` is below 1.
        RuntimeError: JAX has already started with another number of devices.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}.")
    try:
        jax.config.update("jax_num_cpu_devices", count)
    except RuntimeError:
        pass  # JAX runs already; the check below says whether that matters
    devices = jax.devices("cpu")
    if len(devices) != count:
        raise RuntimeError(
            f"JAX already runs with {len(devices)} CPU device(s), expected {count}; restart the kernel and call "
            f"use_virtual_devices({count}) before any other use of JAX."
        )
    return devices


def connect_processes(address, index, count):
    """Join this process to others on CPU, so that all their devices train one model; call it before JAX runs.

    Args:
        address: "host:port" of process 0, for instance "127.0.0.1:9876" when all run on one machine.
        index: number of this process, from 0.
        count: how many processes there are.

    Raises:
        ValueError: `index` is not in [0, count).
        RuntimeError: JAX runs already, or the others did not come.

    Example:
        Each process runs the same program; after `connect_processes("127.0.0.1:9876", index, 2)` it calls
        `training.fit` as ever, which gives it its own share of every batch.
    """
    if not 0 <= index < count:
        raise ValueError(f"index must lie in [0, {count}), got {index}.")
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(address, num_processes=count, process_id=index)


def compiler_options():
    """Return the XLA options with which `jax.jit` compiles training and evaluation on this backend.

    On a CPU two of XLA's choices are undone. In JAX 0.7 it keeps weights packed for the matrix product by their
    address and does not notice that a donated buffer holds new ones: the first layer stops learning. From 0.10 on it
    gives matrix products, sums and convolutions to a library (YNNPACK) that is fast at the first two, but slow at the
    weight gradient of a convolution: the CNN of `benchmarks` takes twice as long with it.

    Returns:
        `{name: value}`, empty on other backends.
    """
    if jax.default_backend() != "cpu":
        return {}
    if jax.__version_info__ < (0, 8):
        return {"xla_cpu_use_xnnpack": False}
    if jax.__version_info__ >= (0, 10):
        return {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"}
    return {}


@functools.cache
def keep_freed_memory():
    """Let this process keep up to 1 GiB of freed memory instead of handing it back after every step.

    A step on CPU needs tens of megabytes for a few milliseconds. The GNU C library maps them anew each time, and the
    operating system fills them with zeros first, page by page: up to a third of the step. Single buffers above 64 MiB,
    which the threads of XLA ask for, stay out of reach: only MALLOC_ARENA_MAX=1 in the environment, set before Python
    starts, brings them in, at the expense of small models. Elsewhere than on a CPU under Linux with that library
    nothing is done.

    References:
        mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
    """
    if jax.default_backend() != "cpu" or not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def data_mesh():
    """Return the mesh of all devices of all processes along one axis, DATA_AXIS."""
    return jax.make_mesh((jax.device_count(),), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def check_divisible(batch, count):
    """Raise ValueError unless every array of a batch can be split evenly over `count` devices.

    Args:
        batch: `{name: (B, ...)}`.
        count: devices, at least 1.
    """
    for name, array in batch.items():
        if np.ndim(array) == 0:
            raise ValueError(f'expected arrays (B, ...) in a batch, got "{name}": {type(array).__name__}.')
        if len(array) % count:
            raise ValueError(
                f'a batch of {len(array)} examples ("{name}") cannot be shared by {count} devices; expected a batch '
                f"size divisible by {count}, for instance {-(-len(array) // count) * count}."
            )


@dataclass(frozen=True)
class Placement:
    """Where the arrays of a training run live.

    Attributes:
        state: puts a state where the step expects it; always a copy, since the step uses its input up.
        batch: puts one batch `{name: (B, ...)}` of NumPy arrays there.
        back: returns the state as ordinary arrays on one device.
    """

    state: Callable
    batch: Callable
    back: Callable


def _copy(state):
    return jax.device_put(state, may_alias=False)


def _same(tree):
    return tree


def _replicate(state):
    return jax.device_put(_copy(state), NamedSharding(data_mesh(), PartitionSpec()))


def _shard(batch):
    check_divisible(batch, jax.local_device_count())
    sharding = NamedSharding(data_mesh(), PartitionSpec(DATA_AXIS))
    return {name: jax.make_array_from_process_local_data(sharding, array) for name, array in batch.items()}


def _stack(state):
    count = jax.device_count()
    copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *jnp.shape(leaf))), state)  # (D, ...)
    if jax.__version_info__ < (0, 8):
        return copies  # that pmap has a layout of its own, and compiles once more for arrays in another
    return jax.device_put(copies, NamedSharding(data_mesh(), PartitionSpec(DATA_AXIS)))


def _split(batch):
    count = jax.device_count()
    check_divisible(batch, count)
    return {name: array.reshape(count, -1, *array.shape[1:]) for name, array in batch.items()}  # (D, B/D, ...)


def _first_of_stack(state):
    return jax.tree.map(lambda leaf: leaf.addressable_data(0).reshape(leaf.shape[1:]), state)


def _first(state):
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), state)


PLACEMENTS = {
    "jit": Placement(_copy, _same, _same),
    "vmap": Placement(_copy, _same, _same),
    "pmap": Placement(_stack, _split, _first_of_stack),
    "shard_map": Placement(_replicate, _shard, _first),
    "sharding": Placement(_replicate, _shard, _first),
}
