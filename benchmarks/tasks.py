"""Every task that is timed, by name, and its contenders.

Names: "train/mlp" or, with another size, "train/mlp/16"; "write/gpt"; "load"; "fit"; "ensemble"; "matmul".
"""

import functools
import importlib.util

import jax
import jax.numpy as jnp

from benchmarks import generation, loading, training, workloads

SIDE = 2048  # of the matrices whose product is the measure of all
MATMUL_FLOPS = 2 * SIDE**3
TEMPERATURE = 1.0


def contenders(task):
    """Return `{name: function that makes the contender}` of a task; those of PyTorch only if it is installed.

    Raises:
        KeyError: there is no such task.
    """
    kind, _, rest = task.partition("/")
    makers = _FAMILIES[kind](rest)
    has_torch = importlib.util.find_spec("torch") is not None
    return {name: make for name, make in makers.items() if has_torch or not name.startswith("torch")}


def _train(rest):
    name, _, size = rest.partition("/")
    workload = workloads.WORKLOADS[name]
    size = tuple(map(int, size.split("x"))) if size else workload.size
    size = size[0] if isinstance(size, tuple) and len(size) == 1 else size
    makers = workloads.CONTENDERS.items()
    return {name: functools.partial(make, workload, workload.batch(size)) for name, make in makers}


def _write(name):
    makers = generation.CONTENDERS.items()
    return {key: functools.partial(make, generation.WRITERS[name], TEMPERATURE) for key, make in makers}


def _make_matmul():
    a = jnp.ones((SIDE, SIDE), jnp.float32)
    product = jax.jit(jnp.matmul)
    return lambda: product(a, a).block_until_ready()


_FAMILIES = {
    "train": _train,
    "write": _write,
    "load": lambda _: loading.CONTENDERS,
    "fit": lambda _: training.CONTENDERS,
    "ensemble": lambda _: training.ENSEMBLES,
    "matmul": lambda _: {"matmul": _make_matmul},
}
