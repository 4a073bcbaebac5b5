"""Convolutional networks: sizes, numbers by hand, both modes of batch normalisation, bad input, learning."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import compiled

from common import training
from common.data import evaluation_loader, train_loader
from common.losses import cross_entropy, in_bfloat16
from common.models.convnet import CNN, VGG, ConvNorm, LeNet5, ResidualBlock, ResNet, ResNetConfig

MODELS = {
    "cnn": (lambda rngs: CNN((8, 8, 2), 3, channels=(4, 4), hidden_features=8, rngs=rngs), (8, 8, 2)),
    "lenet5": (lambda rngs: LeNet5(3, rngs=rngs), (28, 28, 1)),
    "vgg": (lambda rngs: VGG(2, 3, blocks=((2, 4), (1, 8)), rngs=rngs), (8, 8, 2)),
    "resnet": (lambda rngs: ResNet(ResNetConfig(2, 3, channels=(4, 8)), rngs=rngs), (8, 8, 2)),
}


def make_rngs(seed=0):
    """Return random streams of a generator that compiles in a fifth of the usual time."""
    return nnx.Rngs(jax.random.key(seed, impl="rbg"))


@pytest.fixture(params=MODELS)
def make(request):
    return MODELS[request.param]


def abstract(build):
    """Return a model without numbers: enough for shapes and errors, and nothing is compiled."""
    return nnx.eval_shape(lambda: build(make_rngs()))


def shape_of(build, image_shape):
    """Return the shape of the logits of five images, without computing them."""
    return jax.eval_shape(lambda: build(make_rngs())(jnp.ones((5, *image_shape)))).shape


def make_arrays(shape, count=12):
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(count, *shape)).astype(np.float32), "y": np.arange(count) % 3}


def parameter_count(build):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(abstract(build), nnx.Param)))


def test_shapes_of_logits(make):
    build, shape = make
    assert shape_of(build, shape) == (5, 3)


def test_parameter_counts_by_hand():
    convolutions, dense = (9 * 1 * 32 + 32) + (9 * 32 * 64 + 64), (7 * 7 * 64 * 128 + 128) + (128 * 10 + 10)
    assert parameter_count(lambda rngs: CNN((28, 28, 1), 10, rngs=rngs)) == convolutions + dense
    lenet = (25 * 6 + 6) + (25 * 6 * 16 + 16) + (400 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10)
    assert parameter_count(lambda rngs: LeNet5(10, rngs=rngs)) == lenet == 61_706
    vgg = (9 * 3 * 4 + 8) + (9 * 4 * 4 + 8) + (9 * 4 * 8 + 16) + (8 * 5 + 5)
    assert parameter_count(lambda rngs: VGG(3, 5, blocks=((2, 4), (1, 8)), rngs=rngs)) == vgg
    stem, first = 9 * 1 * 4 + 8, 2 * (9 * 4 * 4 + 8)
    second = (9 * 4 * 8 + 16) + (9 * 8 * 8 + 16) + (4 * 8 + 16)  # the last: its projection
    third = 2 * (9 * 8 * 8 + 16)
    config = ResNetConfig(1, 10, channels=(4, 8), blocks=2)
    assert parameter_count(lambda rngs: ResNet(config, rngs=rngs)) == stem + 2 * first + second + third + (8 * 10 + 10)


def convolve(x, kernel):
    """Convolve (H, W, C) with (3, 3, C, D), zeros outside the image."""
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))  # (H, W, C, 3, 3)
    return np.einsum("xychw,hwcd->xyd", windows, kernel)


def test_cnn_equals_numpy():
    model = CNN((5, 4, 2), 3, channels=(3,), hidden_features=4, rngs=make_rngs())
    x = make_arrays((5, 4, 2), count=2)["x"]
    (layer,) = model.convolutions
    for image, logits in zip(x, compiled(model)(x), strict=True):
        h = np.maximum(convolve(image, np.asarray(layer.kernel[...])) + np.asarray(layer.bias[...]), 0)
        h = h[:4].reshape(2, 2, 2, 2, 3).max((1, 3)).reshape(-1)  # the fifth row has no partner
        h = np.maximum(h @ model.hidden.kernel[...] + model.hidden.bias[...], 0)
        np.testing.assert_allclose(logits, h @ model.out.kernel[...] + model.out.bias[...], atol=1e-5)


def test_lenet_halves_by_the_mean():
    model = LeNet5(3, rngs=make_rngs())
    seen = []
    model.hidden1 = lambda h: seen.append(h) or jnp.zeros((h.shape[0], 120))

    def halve(x):
        return sum(x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)) / 4

    @jax.jit
    def found_and_expected(x):
        model(x)
        h = halve(jnp.tanh(model.convolution1(x)))
        return seen.pop(), halve(jnp.tanh(model.convolution2(h))).reshape(1, 400)

    np.testing.assert_allclose(*found_and_expected(make_arrays((28, 28, 1), count=1)["x"]), atol=1e-5)


def test_strided_windows_and_shortcut_look_at_the_same_pixels():
    layer = ConvNorm(1, 1, strides=2, rngs=make_rngs())
    layer.eval()
    layer.convolution.kernel[...] = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1)  # copies the pixel in the middle
    for size in (6, 7):
        x = make_arrays((size, size, 1), count=1)["x"]
        np.testing.assert_allclose(layer(x), x[:, ::2, ::2], atol=1e-4)


@pytest.mark.parametrize(("channels", "strides"), [(2, 1), (4, 2)])
def test_residual_block_that_adds_nothing_returns_its_shortcut(channels, strides):
    block = ResidualBlock(2, channels, strides=strides, rngs=make_rngs())
    block.eval()
    block.outer.norm.scale[...] = jnp.zeros(channels)
    x = make_arrays((5, 5, 2), count=2)["x"]
    unchanged = (channels, strides) == (2, 1)
    assert (block.shortcut is None) == unchanged
    expected = x if unchanged else block.shortcut(x)
    np.testing.assert_allclose(block(x), np.maximum(expected, 0), atol=1e-6)
    assert block(x).shape == (2, -(-5 // strides), -(-5 // strides), channels)


def test_batch_normalisation_has_two_modes():
    layer = ConvNorm(2, 3, rngs=make_rngs())
    x = 2 + make_arrays((5, 5, 2), count=8)["x"]
    convolved = np.asarray(layer.convolution(x))
    mean, variance = convolved.mean((0, 1, 2), keepdims=True), convolved.var((0, 1, 2), keepdims=True)
    layer.train()
    np.testing.assert_allclose(layer(x), (convolved - mean) / np.sqrt(variance + 1e-5), atol=1e-4)
    np.testing.assert_allclose(layer.norm.mean[...], 0.1 * mean.ravel(), atol=1e-5)
    np.testing.assert_allclose(layer.norm.var[...], 0.9 + 0.1 * variance.ravel(), atol=1e-5)
    layer.eval()
    expected = (convolved - 0.1 * mean) / np.sqrt(0.9 + 0.1 * variance + 1e-5)
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_one_set_of_weights_takes_images_of_any_size(name):
    build, _ = MODELS[name]
    assert shape_of(build, (12, 9, 2)) == shape_of(build, (4, 4, 2)) == (5, 3)


def test_stem_with_strides_makes_maps_smaller():
    def features(strides):
        model = ResNet(ResNetConfig(1, 3, channels=(4, 8), stem_strides=strides), rngs=make_rngs())
        return model.features(jnp.ones((1, 28, 28, 1)))

    shapes = [jax.eval_shape(functools.partial(features, strides)).shape for strides in (1, 2)]
    assert shapes == [(1, 14, 14, 8), (1, 7, 7, 8)]


@pytest.mark.parametrize("wrong", ["rank", "channels"])
def test_wrong_images_are_refused(make, wrong):
    build, shape = make
    model = abstract(build)
    x = jnp.ones(shape) if wrong == "rank" else jnp.ones((2, *shape[:2], 5))
    with pytest.raises(ValueError, match=rf"a batch of images \(B, .*{shape[2]}\), got shape \({x.shape[0]}, "):
        model(x)


def test_images_of_another_or_too_small_a_size_are_refused():
    with pytest.raises(ValueError, match=r"images \(B, 8, 8, 2\), got shape \(1, 8, 9, 2\)"):
        abstract(MODELS["cnn"][0])(jnp.ones((1, 8, 9, 2)))
    with pytest.raises(ValueError, match=r"images \(B, 28, 28, 1\), got shape \(1, 32, 32, 1\)"):
        abstract(MODELS["lenet5"][0])(jnp.ones((1, 32, 32, 1)))
    with pytest.raises(ValueError, match=r"at least 2\*\*2 pixels a side, got shape \(1, 8, 3, 2\)"):
        abstract(MODELS["vgg"][0])(jnp.ones((1, 8, 3, 2)))
    with pytest.raises(ValueError, match=r"at least 2\*\*2 pixels a side, got \(3, 8, 1\)"):
        CNN((3, 8, 1), 10, rngs=make_rngs())


def test_small_set_is_learnt_by_heart(make):
    build, shape = make
    model, arrays = build(make_rngs()), make_arrays(shape)
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    loader = train_loader(arrays, 12, epochs=60)
    history = training.fit(model, optimizer, loader, cross_entropy, callbacks=())
    assert history["accuracy"][-1] == 1 and history["loss"][-1] < 0.1
    if len(jax.tree.leaves(nnx.state(model, nnx.BatchStat))):  # the statistics have followed
        found = training.evaluate(model, evaluation_loader(arrays, 12), cross_entropy)
        assert found["accuracy"] == 1 and found["loss"] < 0.2


def test_two_models_under_vmap_equal_each_alone():
    build, shape = MODELS["resnet"]
    models = [build(make_rngs(seed)) for seed in (0, 1)]
    for model in models:
        model.eval()
    graphdef, _ = nnx.split(models[0])
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[nnx.state(model) for model in models])
    x = jnp.asarray(make_arrays(shape, count=2)["x"])
    both = jax.jit(jax.vmap(lambda state: nnx.merge(graphdef, state)(x)))(states)
    for logits, model in zip(both, models, strict=True):
        np.testing.assert_allclose(logits, compiled(model)(x), atol=1e-5)


@pytest.mark.parametrize("name", ["lenet5", "resnet"])
def test_bfloat16_gives_nearly_the_same_loss(name):
    build, shape = MODELS[name]
    graphdef, state = nnx.split(build(make_rngs()))

    @jax.jit
    def losses(state, batch):
        return [loss(nnx.merge(graphdef, state), batch)[0] for loss in (cross_entropy, in_bfloat16(cross_entropy))]

    expected, found = losses(state, make_arrays(shape))
    assert found != expected and found == pytest.approx(float(expected), rel=0.05)
