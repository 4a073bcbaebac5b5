"""Measure the speed of this machine against the one on which the lessons were timed."""

import math
import time

import jax
import numpy as np
import optax
from flax import nnx

from ..losses import cross_entropy
from ..models import MLP
from ..models.convnet import CNN
from ..training import compiled_step

BATCH, ROUNDS, ROUND_SECONDS = 128, 3, 0.5
# Seconds on two cores of an Intel Xeon at rest, the machine of benchmarks/seeds.json, on jax 0.10.2.
REFERENCE = {"kompilasi": 1.43, "langkah MLP": 0.0016, "langkah CNN": 0.0252}
# Seconds that the lessons of a chapter took there, starts of kernels included; a test compares with seeds.json.
CHAPTER_SECONDS = {
    "1-maths": 214,
    "2-mlp": 279,
    "3-convnet": 454,
    "4-rnn": 241,
    "5-generative": 512,
    "6-transformer": 241,
}


def measure():
    """Train two small networks for a moment.

    Returns:
        Dict with the keys of REFERENCE: seconds to compile both steps, and seconds per step of each.
    """
    images = np.zeros((BATCH, 28, 28, 1), np.uint8)
    batch = {"x": images, "y": np.arange(BATCH, dtype=np.int32) % 10}
    compile_mlp, step_mlp = _time_training(MLP(784, (256, 128), 10, rngs=nnx.Rngs(0)), batch)
    compile_cnn, step_cnn = _time_training(CNN((28, 28, 1), 10, rngs=nnx.Rngs(0)), batch)
    return dict(zip(REFERENCE, (compile_mlp + compile_cnn, step_mlp, step_cnn), strict=True))


def slowness(seconds):
    """Compare measured seconds with the reference.

    Args:
        seconds: dict from `measure`.

    Returns:
        How many times as long this machine takes, the geometric mean over the keys: 1 means as fast as the reference.
    """
    return math.exp(sum(math.log(seconds[name] / REFERENCE[name]) for name in REFERENCE) / len(REFERENCE))


def _time_training(model, batch):
    optimizer = nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)
    graphdef, state = nnx.split((model, optimizer))
    leaves, treedef = jax.tree.flatten(state)
    key = jax.random.key(0)
    step = compiled_step(graphdef, treedef, cross_entropy, "jit")
    start = time.perf_counter()
    leaves, _ = jax.block_until_ready(step(jax.tree.map(lambda leaf: leaf.copy(), leaves), batch, key))
    compiling = time.perf_counter() - start
    best = math.inf
    for _ in range(ROUNDS):
        count, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < ROUND_SECONDS or not count:
            leaves, _ = jax.block_until_ready(step(leaves, batch, key))
            count += 1
        best = min(best, elapsed / count)
    return compiling, best
