"""Generators, discriminators, and losses that stay finite."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from common import training
from common.data import train_loader
from common.generative import adversarial_loss
from common.models.gan import (
    GAN,
    DCGANConfig,
    DCGANDiscriminator,
    DCGANGenerator,
    Discriminator,
    Generator,
    discriminator_loss,
    generator_loss,
    leaky_relu,
)

SHAPE = (8, 8, 1)
SMALL = {"size": 8, "latent_features": 3, "features": (6, 4)}  # 2x2, 4x4, 8x8


def make_pair(kind, class_count=None):
    """Return a generator and a discriminator of 8x8 images, fresh ones at every call."""
    return nnx.clone(build_pair(kind, class_count))


@functools.cache  # since most of the time goes into compiling the initial weights
def build_pair(kind, class_count):
    one, two = nnx.Rngs(0), nnx.Rngs(1)
    if kind == "convolutions":
        config = DCGANConfig(**SMALL, class_count=class_count)
        return DCGANGenerator(config, rngs=one), DCGANDiscriminator(config, rngs=two)
    generator = Generator(SHAPE, 3, hidden_features=(16,), class_count=class_count, rngs=one)
    return generator, Discriminator(SHAPE, (16,), class_count=class_count, rngs=two)


def count_of(model):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


both = pytest.mark.parametrize("kind", ["layers", "convolutions"])


@both
@pytest.mark.parametrize("class_count", [None, 5])
def test_shapes_and_ranges(kind, class_count, keys):
    generator, discriminator = make_pair(kind, class_count)
    generator.eval(), discriminator.eval()  # which takes fewer operations, and statistics are tested below
    labels = None if class_count is None else jnp.array([0, 4])
    x = generator(1e6 * jax.random.normal(next(keys), (2, 3)), labels)
    assert x.shape == (2, *SHAPE) and x.dtype == jnp.float32 and 0.9 < float(jnp.abs(x).max()) <= 1
    assert discriminator(x, labels).shape == (2,)


def test_parameter_counts_by_hand():
    generator, discriminator = make_pair("layers")
    assert count_of(generator) == 3 * 16 + 16 + 16 * 64 + 64
    assert count_of(discriminator) == 64 * 16 + 16 + 16 + 1
    generator, discriminator = make_pair("convolutions")
    # project, its statistics' scale and shift, 6 -> 4, scale and shift, 4 -> 1 with bias
    assert count_of(generator) == 3 * 2 * 2 * 6 + 2 * 6 + 16 * 6 * 4 + 2 * 4 + 16 * 4 + 1
    assert count_of(discriminator) == 16 * 4 + 4 + 16 * 4 * 6 + 2 * 6 + 2 * 2 * 6 + 1
    generator, discriminator = make_pair("convolutions", class_count=5)
    assert count_of(generator) == 5 * 3 + 6 * 24 + 12 + 16 * 24 + 8 + 65
    assert count_of(discriminator) == 16 * 4 + 4 + 16 * 4 * 6 + 2 * 6 + 2 * 2 * 6 + 1 + 5 * 24


@pytest.mark.parametrize(
    ("size", "channels", "features", "base"), [(28, 1, (4, 2), 7), (32, 3, (8, 4, 2), 4), (64, 3, (8, 4, 4, 2), 4)]
)
def test_sizes_of_the_literature(size, channels, features, base):
    config = DCGANConfig(size=size, channels=channels, features=features)
    x = jax.eval_shape(lambda z: DCGANGenerator(config, rngs=nnx.Rngs(0))(z), jnp.zeros((2, 64)))
    assert x.shape == (2, size, size, channels) and config.base == base
    logits = jax.eval_shape(lambda x: DCGANDiscriminator(config, rngs=nnx.Rngs(0))(x), x)
    assert logits.shape == (2,)


def test_layers_follow_the_rules_of_dcgan():
    generator, discriminator = make_pair("convolutions")
    for layer in (generator.project, *generator.layers, *discriminator.layers):
        assert layer.bias is None or layer.bias[...] is None  # batch normalisation follows
    assert len(generator.norms) == 2 and len(discriminator.norms) == 1  # none after the first convolution
    for layer in (generator.layers[0], discriminator.layers[0]):
        assert float(jnp.std(layer.kernel[...])) == pytest.approx(0.02, rel=0.15)  # of 384 numbers
    np.testing.assert_allclose(leaky_relu(jnp.array([-2.0, 0, 3])), [-0.4, 0, 3])


@both
def test_wrong_input_is_refused(kind):
    generator, discriminator = make_pair(kind)
    with pytest.raises(ValueError, match=r"expected noise of shape \(B, 3\), got \(2, 4\)"):
        generator(jnp.zeros((2, 4)))
    for shape in ((2, 64), (8, 8, 1), (2, 8, 8, 3), (2, 1, 8, 8, 1)):
        with pytest.raises(ValueError, match=r"expected images of shape \(B, 8, 8, 1\), got \("):
            discriminator(jnp.zeros(shape))
    with pytest.raises(ValueError, match=r"expected none: class_count is None, got labels of shape \(2,\)"):
        generator(jnp.zeros((2, 3)), jnp.zeros(2, int))
    generator, discriminator = make_pair(kind, class_count=5)
    with pytest.raises(ValueError, match="expected labels below 5, got no labels"):
        discriminator(jnp.zeros((2, *SHAPE)))
    with pytest.raises(ValueError, match=r"expected labels of shape \(2,\), one for each example, got \(3,\)"):
        generator(jnp.zeros((2, 3)), jnp.zeros(3, int))
    assert np.isnan(generator(jnp.zeros((1, 3)), jnp.array([5]))).all()  # out of range, and compiled code cannot raise


@pytest.mark.parametrize(("size", "features"), [(30, (8, 4)), (28, (8, 4, 2)), (28, ())])
def test_sizes_that_cannot_be_halved_are_refused(size, features):
    with pytest.raises(ValueError, match=rf"expected a size that can be halved .* got size {size} and features"):
        DCGANConfig(size=size, features=features)


@both
def test_conditional_models_react_to_the_label(kind, keys):
    generator, discriminator = make_pair(kind, class_count=5)
    generator.eval(), discriminator.eval()
    z, x = (jnp.repeat(jax.random.normal(next(keys), (1, *shape)), 5, axis=0) for shape in ((3,), SHAPE))
    images, logits = generator(z, jnp.arange(5)), discriminator(x, jnp.arange(5))
    assert len(np.unique(np.asarray(images).reshape(5, -1), axis=0)) == 5 and len(np.unique(logits)) == 5
    np.testing.assert_allclose(generator(z, jnp.full(5, 2)), jnp.repeat(images[2:3], 5, axis=0), atol=1e-6)


def test_class_adds_its_projection_to_the_logit(keys):
    _, discriminator = make_pair("convolutions", class_count=5)
    discriminator.eval()
    x, labels = jax.random.normal(next(keys), (3, *SHAPE)), jnp.array([4, 0, 4])
    before, weights = discriminator(x, labels), discriminator.of_class.embedding
    weights[...] = weights[...].at[4].set(discriminator.last.kernel[...][:, 0])  # counts the common part once more
    common = discriminator(x, labels) - discriminator.last.bias[...]
    weights[...] = jnp.zeros_like(weights[...])
    alone = discriminator(x, labels) - discriminator.last.bias[...]
    np.testing.assert_allclose(common[::2], 2 * alone[::2], rtol=1e-4)
    np.testing.assert_allclose(common[1], before[1] - discriminator.last.bias[...][0], rtol=1e-4)


def test_generator_is_deterministic_in_evaluation_only(keys):
    generator, _ = make_pair("convolutions")
    z = jax.random.normal(next(keys), (6, 3))
    in_company, alone = generator(z)[:1], generator(z[:1])
    assert float(jnp.abs(in_company - alone).max()) > 1e-4  # statistics of the batch
    generator.eval()
    before = jax.tree.map(np.array, nnx.state(generator, nnx.BatchStat))
    np.testing.assert_allclose(generator(z)[:1], generator(z[:1]), atol=1e-6)
    np.testing.assert_array_equal(generator(z), generator(z))
    after = nnx.state(generator, nnx.BatchStat)
    assert all((one == two).all() for one, two in zip(*map(jax.tree.leaves, (before, after)), strict=True))


def test_losses_against_float64(keys):
    real, fake = (np.asarray(5 * jax.random.normal(next(keys), (50,)), np.float64) for _ in range(2))
    probability = [1 / (1 + np.exp(-logits)) for logits in (real, fake)]
    expected = -np.log(probability[0]).mean() - np.log(1 - probability[1]).mean()
    assert float(discriminator_loss(jnp.float32(real), jnp.float32(fake))) == pytest.approx(expected, rel=1e-5)
    assert float(generator_loss(jnp.float32(fake))) == pytest.approx(-np.log(probability[1]).mean(), rel=1e-5)
    assert float(discriminator_loss(jnp.zeros(3), jnp.zeros(3))) == pytest.approx(2 * math.log(2))


def test_losses_and_gradients_are_finite_at_extreme_logits():
    ends = jnp.array([1e4, -1e4])
    assert float(discriminator_loss(ends, ends)) == 1e4 and float(generator_loss(ends)) == 5e3
    real, fake = jax.grad(discriminator_loss, argnums=(0, 1))(ends, ends)
    np.testing.assert_allclose(real, [0, -0.5])
    np.testing.assert_allclose(fake, [0.5, 0])
    np.testing.assert_allclose(jax.grad(generator_loss)(ends), [0, -0.5])  # it still learns where it is found out


@both
def test_pair_learns_the_brightness_of_two_classes(kind):
    labels = np.arange(64) % 2
    noise = np.random.default_rng(0).normal(scale=0.1, size=(64, *SHAPE))
    arrays = {"x": (np.where(labels, 0.8, 0.2)[:, None, None, None] + noise / 2).astype(np.float32), "y": labels}
    pair = GAN(*make_pair(kind, class_count=2))
    optimizer = nnx.Optimizer(pair, optax.adam(5e-3, b1=0.5), wrt=nnx.Param)
    history = training.fit(pair, optimizer, train_loader(arrays, 32, epochs=60), adversarial_loss, callbacks=())
    assert np.isfinite(history["loss"]).all()
    pair.eval()
    z = jax.random.normal(jax.random.key(1), (40, 3))
    brightness = [float(pair.generator(z, jnp.full(40, label)).mean()) for label in (0, 1)]
    # The data differ by 1.2 and the pair circles around them; blind to the labels, its difference would be 0.
    assert brightness[1] - brightness[0] > 0.4


def test_each_loss_moves_its_own_network_only(keys):
    generator, discriminator = make_pair("layers", class_count=2)
    batch = {"x": jax.random.uniform(next(keys), (4, *SHAPE)), "y": jnp.array([0, 1, 0, 1])}
    grads = nnx.grad(lambda pair: adversarial_loss(pair, batch, nnx.Rngs(0))[0])(GAN(generator, discriminator))
    z = jax.random.normal(nnx.Rngs(0).noise(), (4, 3))
    x, y = 2 * batch["x"] - 1, batch["y"]
    fake = generator(z, y)
    of_generator = nnx.grad(lambda model: generator_loss(discriminator(model(z, y), y)))(generator)
    of_discriminator = nnx.grad(lambda model: discriminator_loss(model(x, y), model(fake, y)))(discriminator)
    expected = jax.tree.leaves(of_discriminator) + jax.tree.leaves(of_generator)
    for one, two in zip(jax.tree.leaves(grads), expected, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
