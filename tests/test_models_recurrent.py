"""Recurrent layers: the numbers of Flax NNX, forward, backward and twice backward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from common.models.layers import RNN

CELLS = (nnx.OptimizedLSTMCell, nnx.LSTMCell, nnx.GRUCell)


class Plain(nnx.RNN):
    """NNX's own layer, given the random streams that it asks for although the first carry is zero."""

    def __call__(self, *arguments, **settings):
        return super().__call__(*arguments, rngs=nnx.Rngs(0), **settings)


def make_two(cell, features=(3, 5), **settings):
    """Return NNX's layer and ours, with one and the same cell."""
    inner = cell(*features, rngs=nnx.Rngs(0))
    for path, leaf in nnx.to_flat_state(nnx.state(inner, nnx.Param)):  # biases that are not zero
        leaf[...] = leaf[...] + 0.1 * jax.random.normal(jax.random.key(len(str(path))), leaf.shape)
    settings = settings | {"rngs": False}
    return Plain(inner, **settings), RNN(inner, **settings)


def pure(layer):
    """Return the layer's call as a function of its input; Flax lets no layer from outside into a transformation."""
    graphdef, state = nnx.split(layer)

    def call(*arguments, **settings):
        own = jax.tree.map(lambda leaf: leaf, state)  # new variables, those of this transformation
        return nnx.merge(graphdef, own)(*arguments, **settings)

    return call


def gradients(layer, x, weight, **settings):
    """Return gradients with respect to parameters and input of a weighted sum of everything that comes out."""
    graphdef, params = nnx.split(layer)

    def value(params, x):
        leaves = jax.tree.leaves(nnx.merge(graphdef, params)(x, **settings))
        return sum((leaf * jnp.cos(weight * jnp.arange(leaf.size)).reshape(leaf.shape)).sum() for leaf in leaves)

    return jax.tree.leaves(jax.jit(jax.grad(value, (0, 1)))(params, x))


def assert_equal(found, expected, tolerance):
    found, expected = jax.tree.leaves(found), jax.tree.leaves(expected)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        scale = max(1, float(jnp.abs(other).max()))
        np.testing.assert_allclose(one, other, atol=tolerance * scale, rtol=0)


SETTINGS = [
    {"return_carry": True},
    {"time_major": True, "return_carry": True},
    {"reverse": True, "time_major": True},
    {"reverse": True, "keep_order": True, "return_carry": True, "seq_lengths": jnp.array([4, 1, 3])},
]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(settings) or "plain")
def test_outputs_are_those_of_nnx(cell, settings, keys):
    theirs, ours = make_two(cell)
    x = jax.random.normal(next(keys), (4, 3, 3) if settings.get("time_major") else (3, 4, 3))  # (B, T, D)
    assert_equal(ours(x, **settings), theirs(x, **settings), 1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("settings", [{}, SETTINGS[-1]], ids=["plain", "hardest"])
def test_gradients_are_those_of_nnx(cell, settings, keys):
    theirs, ours = make_two(cell)
    x = jax.random.normal(next(keys), (3, 4, 3))  # (B, T, D)
    assert_equal(gradients(ours, x, 0.7, **settings), gradients(theirs, x, 0.7, **settings), 1e-4)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("B", "T", "D", "H"), [(1, 1, 1, 1), (5, 30, 1, 7)])
def test_sizes(cell, B, T, D, H, keys):
    theirs, ours = make_two(cell, (D, H))
    x = jax.random.normal(next(keys), (B, T, D))
    assert_equal(ours(x), theirs(x), 1e-5)
    assert_equal(gradients(ours, x, 0.3), gradients(theirs, x, 0.3), 1e-4)


@pytest.mark.parametrize("cell", [nnx.OptimizedLSTMCell, nnx.GRUCell])
def test_initial_carry_and_its_gradient(cell, keys):
    theirs, ours = make_two(cell, return_carry=True)
    x, h = jax.random.normal(next(keys), (2, 4, 3)), jax.random.normal(next(keys), (2, 5))
    carry = h if cell is nnx.GRUCell else (0.5 * h, jnp.tanh(h))

    def value(layer):
        call = pure(layer)
        return lambda carry: sum((leaf**2).sum() for leaf in jax.tree.leaves(call(x, initial_carry=carry)))

    assert_equal(jax.grad(value(ours))(carry), jax.grad(value(theirs))(carry), 1e-4)


@pytest.mark.parametrize("cell", [nnx.OptimizedLSTMCell, nnx.GRUCell])
def test_gradient_of_a_gradient(cell, keys):
    theirs, ours = make_two(cell)
    x = jax.random.normal(next(keys), (2, 3, 3))

    def penalty(layer):
        call = pure(layer)
        return lambda x: (jax.grad(lambda x: jnp.sin(call(x)).sum())(x) ** 2).sum()

    assert_equal(jax.grad(penalty(ours))(x), jax.grad(penalty(theirs))(x), 1e-4)


@pytest.mark.parametrize("cell", [nnx.OptimizedLSTMCell, nnx.GRUCell])
def test_under_vmap(cell, keys):
    _, ours = make_two(cell)
    x = jax.random.normal(next(keys), (6, 2, 3, 3))
    graphdef, state = nnx.split(ours)
    mapped = jax.vmap(lambda x: nnx.merge(graphdef, state)(x))(x)
    assert_equal(mapped, jnp.stack([ours(one) for one in x]), 1e-6)


def test_other_activations_and_axes_are_left_to_nnx(keys):
    cell = nnx.OptimizedLSTMCell(3, 5, activation_fn=nnx.relu, rngs=nnx.Rngs(0))
    x = jax.random.normal(next(keys), (2, 4, 3))
    assert_equal(RNN(cell)(x), nnx.RNN(cell)(x), 1e-6)
    cell = nnx.GRUCell(3, 5, rngs=nnx.Rngs(0))
    assert_equal(RNN(cell)(x[0]), nnx.RNN(cell)(x[0]), 1e-6)


def test_bfloat16(keys):
    theirs, ours = (kind(nnx.OptimizedLSTMCell(3, 5, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))) for kind in (nnx.RNN, RNN))
    x = jax.random.normal(next(keys), (2, 4, 3))
    assert ours(x).dtype == jnp.bfloat16
    np.testing.assert_allclose(ours(x).astype(jnp.float32), theirs(x).astype(jnp.float32), atol=0.03)
