"""Fast layers: the numbers of Flax NNX over odd sizes, forward, backward and twice backward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from common.models.layers import ConvTranspose, Linear, max_pool


def assert_close(one, other, tolerance):
    """Compare with a tolerance relative to the largest entry."""
    assert one.shape == other.shape and one.dtype == other.dtype
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * max(1, float(jnp.abs(other).max())))


def weighted_sum(function):
    """Return a scalar function whose gradient touches every output differently."""
    return lambda *arguments: (function(*arguments) * _weights(function(*arguments).shape)).sum()


def _weights(shape):
    return jnp.sin(jnp.arange(np.prod(shape)).reshape(shape))


WIDER = {"dtype": jnp.bfloat16, "preferred_element_type": jnp.float32}  # the products are added up in float32
POOLS = [  # shape, window, strides, padding
    ((2, 8, 8, 3), (2, 2), (2, 2), "VALID"),
    ((1, 7, 5, 1), (2, 2), (2, 2), "VALID"),
    ((3, 9, 7, 2), (3, 2), (3, 2), "VALID"),
    ((2, 11, 4), (4,), (4,), "VALID"),
    ((2, 4, 6, 4, 3), (2, 3, 2), (2, 3, 2), "VALID"),
    ((2, 14, 14, 2), (14, 14), (14, 14), "VALID"),
    ((2, 8, 8, 3), (2, 2), None, "VALID"),
    ((2, 9, 9, 3), (3, 3), (2, 2), "SAME"),
    ((2, 6, 6, 3), (2, 2), (2, 2), ((1, 1), (0, 0))),
]


@pytest.mark.parametrize(("shape", "window", "strides", "padding"), POOLS)
@pytest.mark.parametrize("has_ties", [False, True])
def test_max_pool_is_that_of_nnx(shape, window, strides, padding, has_ties, keys):
    x = jax.random.normal(next(keys), shape)
    x = jnp.round(x) if has_ties else x  # equal maxima in almost every window
    settings = {"strides": strides, "padding": padding}
    ours, theirs = (lambda x, pool=pool: pool(x, window, **settings) for pool in (max_pool, nnx.max_pool))
    assert (ours(x) == theirs(x)).all()
    assert_close(jax.grad(weighted_sum(ours))(x), jax.grad(weighted_sum(theirs))(x), 1e-6)


def test_max_pool_under_vmap_jit_and_twice_differentiated(keys):
    x = jax.random.normal(next(keys), (2, 3, 4, 4, 2))

    def penalty(pool):
        def value(x):
            return (jax.grad(lambda x: jnp.sin(pool(x, (2, 2), strides=(2, 2)) ** 2).sum())(x) ** 2).sum()

        return jax.jit(jax.vmap(jax.grad(value)))

    assert_close(penalty(max_pool)(x), penalty(nnx.max_pool)(x), 1e-5)


SIZES = [  # input shape, output channels, kernel, strides, padding
    ((2, 7, 7, 3), 4, (4, 4), (2, 2), "SAME"),
    ((1, 5, 4, 1), 1, (3, 3), (1, 1), "SAME"),
    ((1, 1, 1, 2), 3, (4, 4), (2, 2), "SAME"),
    ((2, 5, 3, 2), 5, (3, 2), (2, 3), "SAME"),
    ((2, 4, 4, 2), 3, (2, 2), (3, 3), "SAME"),
    ((2, 4, 5, 2), 3, (3, 3), (2, 2), "VALID"),
    ((2, 3, 3, 2), 3, (2, 2), (3, 3), "VALID"),
    ((2, 4, 4, 2), 3, (5, 4), 2, "VALID"),
    ((2, 4, 4, 2), 3, (3, 3), None, "SAME"),
]


def make_two(shape, channels, kernel, strides, padding, **settings):
    """Return NNX's layer and ours, with the same parameters."""
    layers = []
    for kind in (nnx.ConvTranspose, ConvTranspose):
        chosen = {"strides": strides, "padding": padding, "rngs": nnx.Rngs(0), **settings}
        layers.append(kind(shape[-1], channels, kernel, **chosen))
    return layers


def gradients(layer, x):
    """Return the gradients of a weighted sum of the outputs: of x, then of the parameters."""
    graphdef, state = nnx.split(layer)
    value = weighted_sum(lambda x, state: nnx.merge(graphdef, state)(x))
    return jax.tree.leaves(jax.jit(jax.grad(value, (0, 1)))(x, state))


@pytest.mark.parametrize(("shape", "channels", "kernel", "strides", "padding"), SIZES)
def test_transposed_convolution_is_that_of_nnx(shape, channels, kernel, strides, padding, keys):
    theirs, ours = make_two(shape, channels, kernel, strides, padding)
    x = jax.random.normal(next(keys), shape)
    assert ours(x).dtype == theirs(x).dtype
    assert_close(ours(x), theirs(x), 1e-5)
    for one, other in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        assert_close(one, other, 1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_random_sizes(seed, keys):
    rng = np.random.default_rng(seed)
    batch, height, width, channels, outputs = rng.integers(1, 10, 5).tolist()
    x = jax.random.normal(next(keys), (batch, height, width, channels))
    kernel, strides = tuple(rng.integers(1, 6, 2).tolist()), tuple(rng.integers(1, 5, 2).tolist())
    theirs, ours = make_two(x.shape, outputs, kernel, strides, str(rng.choice(["SAME", "VALID"])))
    assert_close(ours(x), theirs(x), 1e-5)
    for one, other in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        assert_close(one, other, 1e-4)
    window = tuple(int(rng.integers(1, size + 1)) for size in (height, width))
    pools = [lambda x, pool=pool: pool(x, window, strides=window) for pool in (max_pool, nnx.max_pool)]
    one, other = (jax.grad(weighted_sum(pool))(x) for pool in pools)
    assert_close(one, other, 1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"transpose_kernel": True},
        {"kernel_dilation": 2},
        {"padding": "CIRCULAR"},
        {"use_bias": False},
        {"dtype": jnp.bfloat16},
        WIDER,
    ],
    ids=str,
)
def test_rare_settings_of_a_transposed_convolution(settings, keys):
    shape = (2, 4, 4, 3)
    settings, channels = dict(settings), 3 if "transpose_kernel" in settings else 2
    padding = settings.pop("padding", "SAME")
    theirs, ours = make_two(shape, channels, (3, 3), (2, 2), padding, **settings)
    x = jax.random.normal(next(keys), shape)
    assert ours(x).dtype == theirs(x).dtype
    assert_close(ours(x), theirs(x), 1e-5)


def test_transposed_convolution_under_vmap_and_twice_differentiated(keys):
    theirs, ours = make_two((2, 3, 3, 2), 2, (4, 4), (2, 2), "SAME")
    assert_penalties_equal(ours, theirs, jax.random.normal(next(keys), (3, 2, 3, 3, 2)))


def assert_penalties_equal(ours, theirs, xs):
    """Compare, under vmap over the first axis, the gradients of the size of a gradient."""

    def penalty(layer):
        graphdef, state = nnx.split(layer)

        def value(x, state):
            inner = jax.grad(lambda x: jnp.sin(nnx.merge(graphdef, state)(x)).sum())(x)
            return (inner**2).sum()

        return jax.tree.leaves(jax.vmap(jax.grad(value, (0, 1)), in_axes=(0, None))(xs, state))

    for one, other in zip(penalty(ours), penalty(theirs), strict=True):
        assert_close(one, other, 1e-4)


def test_image_without_a_batch_is_left_to_nnx(keys):
    theirs, ours = make_two((3, 3, 2), 2, (4, 4), (2, 2), "SAME")
    x = jax.random.normal(next(keys), (3, 3, 2))
    assert_close(ours(x), theirs(x), 1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (2, 4, 3), (2, 1, 3, 4)])
@pytest.mark.parametrize(
    "settings", [{}, {"use_bias": False}, {"dtype": jnp.bfloat16}, {"precision": "highest"}, WIDER], ids=str
)
def test_linear_layer_is_that_of_nnx(shape, settings, keys):
    theirs, ours = (kind(shape[-1], 6, rngs=nnx.Rngs(0), **settings) for kind in (nnx.Linear, Linear))
    x = jax.random.normal(next(keys), shape)
    assert_close(ours(x), theirs(x), 1e-5)
    for one, other in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        assert_close(one, other, 1e-2 if "dtype" in settings else 1e-4)


def test_linear_layer_under_vmap_and_twice_differentiated(keys):
    theirs, ours = (kind(3, 2, rngs=nnx.Rngs(0)) for kind in (nnx.Linear, Linear))
    assert_penalties_equal(ours, theirs, jax.random.normal(next(keys), (4, 5, 3)))


def test_parameters_are_interchangeable(keys):
    for theirs, ours in (
        make_two((1, 3, 3, 2), 2, (4, 4), (2, 2), "SAME"),
        (nnx.Linear(2, 3, rngs=nnx.Rngs(1)), Linear(2, 3, rngs=nnx.Rngs(0))),
    ):
        nnx.update(ours, nnx.state(theirs))
        x = jax.random.normal(next(keys), (1, 3, 3, 2))
        assert_close(ours(x), theirs(x), 1e-6)


def test_fast_paths_are_chosen_when_the_program_is_lowered(keys):
    layer = ConvTranspose(2, 3, (4, 4), (2, 2), rngs=nnx.Rngs(0))
    graphdef, state = nnx.split(layer)
    x = jnp.ones((1, 4, 4, 2))

    def loss(x, state):
        return max_pool(nnx.merge(graphdef, state)(x), (2, 2), strides=(2, 2)).sum()

    traced = jax.jit(jax.grad(loss, (0, 1))).trace(x, state)
    texts = {platform: traced.lower(lowering_platforms=(platform,)).as_text() for platform in ("cpu", "cuda", "tpu")}
    assert "select_and_scatter" not in texts["cpu"]
    assert "select_and_scatter" in texts["cuda"] and "select_and_scatter" in texts["tpu"]
    holes = {platform: text.count("lhs_dilate = [2, 2]") for platform, text in texts.items()}
    assert holes == {"cpu": 1, "cuda": 2, "tpu": 2}  # on a CPU only the forward pass spreads its input out
