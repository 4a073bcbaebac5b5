"""A small classification problem, a small model with all that is delicate, and compiled calls of any model."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from common.data import evaluation_loader, train_loader
from common.losses import cross_entropy

ADAM = optax.adam(1e-2)  # one transformation for all, as the members of an ensemble need it


class Net(nnx.Module):
    """Linear, batch normalisation, dropout, linear: (B, 4) -> (B, 3)."""

    def __init__(self, rngs, dropout=0.0):
        self.inner, self.outer = nnx.Linear(4, 8, use_bias=False, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)
        self.norm, self.dropout = nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(dropout)

    def __call__(self, x, rngs=None):
        return self.outer(self.dropout(nnx.relu(self.norm(self.inner(x))), rngs=rngs))


def make_arrays(count=160):
    """Return x: (count, 4) float32 around three centres, and y: (count,) int32 in [0, 3)."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count).astype(np.int32)
    return {"x": (rng.normal(size=(count, 4)) + 2 * np.eye(3, 4)[labels]).astype(np.float32), "y": labels}


def make_pair(seed=0, tx=ADAM, dropout=0.0):
    """Return a model and its optimizer."""
    model = Net(nnx.Rngs(seed), dropout)
    return model, nnx.Optimizer(model, tx, wrt=nnx.Param)


def make_loaders(epochs=4, batch_size=32, count=160):
    """Return loaders for training and validation."""
    arrays = make_arrays(count)
    return train_loader(arrays, batch_size, epochs=epochs), evaluation_loader(arrays, 64)


def last_gradient_nan():
    """Return a loss and a loader of 5 steps: every loss is finite, but the gradient of the last step is NaN."""
    arrays = make_arrays()
    order = np.concatenate([batch["x"] for batch in train_loader({"x": np.arange(160)}, 32)])
    arrays["breaks"] = np.arange(160) == order[-1]

    def loss(model, batch, rngs):
        value, metrics = cross_entropy(model, batch, rngs)
        zero = sum(leaf.sum() for leaf in jax.tree.leaves(nnx.state(model))) * 0.0
        return value + 0 * jnp.sqrt(jnp.where(batch["breaks"].any(), zero, 1.0)), metrics  # slope of the root at 0

    return loss, train_loader(arrays, 32)


def leaves_of(*nodes):
    """Return all arrays of some modules as NumPy, keys as their numbers."""
    leaves = jax.tree.leaves(nnx.state(nodes))
    is_key = [jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    return [np.asarray(jax.random.key_data(leaf) if key else leaf) for leaf, key in zip(leaves, is_key, strict=True)]


def largest_difference(ones, others):
    """Return the largest absolute difference between two lists of arrays."""
    return max(float(np.abs(one.astype(np.float64) - other).max()) for one, other in zip(ones, others, strict=True))


@functools.cache
def _compiled_method(graphdef, method):
    return jax.jit(lambda state, *inputs: getattr(nnx.merge(graphdef, state), method)(*inputs))


def compiled(model, method="__call__"):
    """Return a compiled method, one for all models of a kind: quicker than a compilation for every operation."""
    graphdef, state = nnx.split(model)
    return functools.partial(_compiled_method(graphdef, method), state)
