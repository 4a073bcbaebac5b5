"""What `fit` adds to the compiled step, and what an ensemble costs: MLP 784-256-128-10, Adam.

A contender is a function without arguments that takes STEPS steps and waits for them.
"""

import contextlib
import io

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
STEPS = EPOCHS * (COUNT // BATCH_SIZE)
MEMBERS = 8
ADAM = optax.adam(1e-3)


def make_pair(seed=0):
    """Return the network 784-256-128-10 and its optimizer."""
    model = MLP(28 * 28, (256, 128), 10, rngs=nnx.Rngs(seed))
    return model, nnx.Optimizer(model, ADAM, wrt=nnx.Param)


def make_pairs():
    """Return MEMBERS networks and their optimizers, two lists."""
    return tuple(map(list, zip(*map(make_pair, range(MEMBERS)), strict=True)))


def make_loader():
    """Return a loader of EPOCHS epochs of random images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT, 28, 28, 1), dtype=np.uint8)
    arrays = {"x": images, "y": rng.integers(0, 10, COUNT).astype(np.int32)}
    return train_loader(arrays, BATCH_SIZE, epochs=EPOCHS)


def make_step_alone():
    """Return the compiled step, over and over on a batch that is on the device already."""
    graphdef, state = nnx.split(make_pair())
    leaves, treedef = jax.tree.flatten(state)
    step = training.compiled_step(graphdef, treedef, cross_entropy, "jit")
    batch, key = jax.device_put(next(iter(make_loader()))), jax.random.key(0)

    def run():
        nonlocal leaves
        for _ in range(STEPS):
            leaves, metrics = step(leaves, batch, key)
        jax.block_until_ready((leaves, metrics))

    return run


def make_fit(pair=None):
    """Return `fit` for EPOCHS epochs: loader, progress bar, metrics and history included."""
    loader, pair = make_loader(), make_pair() if pair is None else pair

    def run():
        with contextlib.redirect_stdout(io.StringIO()):
            training.fit(*pair, loader, cross_entropy)

    return run


def make_ensemble():
    """Return `fit` for MEMBERS networks at once, by vmap."""
    return make_fit(make_pairs())


def make_one_by_one():
    """Return `fit` for MEMBERS networks, one after the other."""
    runs = [make_fit(pair) for pair in zip(*make_pairs(), strict=True)]
    return lambda: [run() for run in runs]


CONTENDERS = {"step alone": make_step_alone, "fit": make_fit}
ENSEMBLES = {"8 at once": make_ensemble, "8 one by one": make_one_by_one}
