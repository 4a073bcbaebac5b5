"""What the program runs on."""

import os

import jax


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
