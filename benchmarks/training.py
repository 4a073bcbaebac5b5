"""Measure what `fit` adds to the compiled step, and what an ensemble costs: `python -m benchmarks.training`."""

import contextlib
import io
import statistics
import time

import jax
import numpy as np
import optax
from flax import nnx

from common import training
from common.data import train_loader
from common.losses import cross_entropy
from common.models import MLP

BATCH_SIZE = 128
COUNT = 10_000  # images, 28 x 28 as in Fashion-MNIST
EPOCHS = 4
REPEATS = 15
MEMBERS = 8
ADAM = optax.adam(1e-3)


def make_pair(seed=0):
    """Return the network 784-256-128-10 and its optimizer."""
    model = MLP(28 * 28, (256, 128), 10, rngs=nnx.Rngs(seed))
    return model, nnx.Optimizer(model, ADAM, wrt=nnx.Param)


def make_loader():
    """Return a loader of random images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT, 28, 28, 1), dtype=np.uint8)
    return train_loader({"x": images, "y": rng.integers(0, 10, COUNT).astype(np.int32)}, BATCH_SIZE, epochs=EPOCHS)


def make_step_alone(loader):
    """Return a function that times one compiled step, in seconds, on a batch that is on the device already."""
    graphdef, state = nnx.split(make_pair())
    step = training.compiled_step(graphdef, cross_entropy, "jit")
    batch, key = jax.device_put(next(iter(loader))), jax.random.key(0)

    def measure():
        nonlocal state
        start = time.perf_counter()
        for _ in range(len(loader)):
            state, metrics = step(state, batch, key)
        jax.block_until_ready((state, metrics))
        return (time.perf_counter() - start) / len(loader)

    return measure


def make_fit(loader, members=None):
    """Return a function that times one step of `fit`, in seconds: loader, progress bar, metrics, history included."""

    def measure():
        pair = make_pair() if members is None else tuple(map(list, zip(*map(make_pair, range(members)), strict=True)))
        with contextlib.redirect_stdout(io.StringIO()):
            start = time.perf_counter()
            training.fit(*pair, loader, cross_entropy)
            return (time.perf_counter() - start) / len(loader)

    return measure


def medians(measurements):
    """Run each function once to compile, then all of them in turn; return the median of each."""
    for measure in measurements:
        measure()
    rounds = [[measure() for measure in measurements] for _ in range(REPEATS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def main():
    """Print milliseconds a step."""
    loader = make_loader()
    alone, fit, ensemble = medians([make_step_alone(loader), make_fit(loader), make_fit(loader, MEMBERS)])
    print(f"MLP 784-256-128-10, batch {BATCH_SIZE}, Adam: median of {REPEATS} x {len(loader)} steps")
    print(f"{'compiled step alone':>22}: {1e3 * alone:6.3f} ms")
    print(f"{'fit, loader included':>22}: {1e3 * fit:6.3f} ms, {fit / alone - 1:+.1%}")
    print(f"{f'fit, {MEMBERS} networks':>22}: {1e3 * ensemble:6.3f} ms, {ensemble / fit:.2f} times one network")


if __name__ == "__main__":
    main()
