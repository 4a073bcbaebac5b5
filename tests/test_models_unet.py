"""The U-Net: shapes, parameters, what reaches its prediction, and that it learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from common import training
from common.data import train_loader
from common.generative import NoiseLoss
from common.models.diffusion import add_noise, cosine_alpha_bar, predict_clean
from common.models.unet import ResidualBlock, UNet, UNetConfig, fold_pixels, time_features, unfold_pixels

SMALL = UNetConfig(features=(4, 8), condition_features=8, groups=2, class_count=3)


def test_time_features_against_numpy():
    t = np.array([0, 1, 999])
    angles = t[:, None] / 10_000 ** (np.arange(4) / 4)
    found = time_features(jnp.asarray(t), 8)
    np.testing.assert_allclose(found, np.concatenate([np.sin(angles), np.cos(angles)], axis=1), atol=1e-4)
    for wrong, count in ((t[:, None], 8), (t, 7)):
        with pytest.raises(ValueError, match=r"expected t of shape \(B,\) and an even count"):
            time_features(jnp.asarray(wrong), count)


def make_unet(config=SMALL, last=True):
    """Return a U-Net, its last layer no longer 0 if `last`."""
    model = nnx.clone(build_unet(config))
    if last:
        kernel = model.last.kernel[...]
        model.last.kernel[...] = jax.random.normal(jax.random.key(9), kernel.shape)
    return model


@functools.cache  # since most of the time goes into compiling the initial weights
def build_unet(config):
    return UNet(config, rngs=nnx.Rngs(0))


def count_of(model):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


@pytest.mark.parametrize(("size", "channels", "features"), [(28, 1, (16, 32, 64)), (32, 3, (16, 32, 64)), (8, 1, (8,))])
def test_unet_keeps_the_shape(size, channels, features):
    config = UNetConfig(channels=channels, features=features)
    x = jnp.zeros((2, size, size, channels))
    noise = jax.eval_shape(lambda x, t: UNet(config, rngs=nnx.Rngs(0))(x, t), x, jnp.zeros(2, int))
    assert noise.shape == x.shape and noise.dtype == jnp.float32


def test_parameter_count_by_hand():
    def block(n):
        return 2 * 2 * n + 2 * (9 * n * n + n) + 8 * 2 * n + 2 * n

    condition = 2 * (8 * 8 + 8) + (3 + 1) * 8 + (8 + 1)  # the last: share of x
    ends = (9 * 1 * 4 + 4) + 2 * 4 + (9 * 4 * 1 + 1)
    between = (9 * 4 * 8 + 8) + (16 * 8 * 4 + 4)
    assert count_of(make_unet()) == condition + ends + between + 2 * block(4) + 2 * block(8)


@pytest.mark.slow
def test_models_of_one_size_share_their_frame_and_so_one_compilation():
    config = UNetConfig(class_count=10)
    frames = [nnx.graphdef(UNet(config, rngs=nnx.Rngs(seed))) for seed in (0, 1)]
    assert frames[0] == frames[1] and hash(frames[0]) == hash(frames[1])


@pytest.mark.slow
def test_prediction_begins_as_the_image_and_depends_on_time_label_and_image(keys):
    x, t, labels = jax.random.normal(next(keys), (2, 8, 8, 1)), jnp.array([3, 500]), jnp.array([0, 2])
    np.testing.assert_array_equal(make_unet(last=False)(x, t, labels), x)
    model = make_unet()
    base = model(x, t, labels)
    for other in (model(x, t + 200, labels), model(x, t, 2 - labels), model(-x, t, labels), model(x, t)):
        assert float(jnp.abs(other - base).max()) > 1e-3
    np.testing.assert_allclose(model(x, t), model(x, t, jnp.full(2, 3)), atol=1e-6)  # K is "no class"
    np.testing.assert_allclose(model(x[:1], t[:1], labels[:1]), base[:1], atol=1e-5)  # no one sees the others
    np.testing.assert_allclose(model(x[::-1], t[::-1], labels[::-1]), base[::-1], atol=1e-5)


def test_share_of_the_image_is_added_to_the_last_layer(keys):
    model, x, t = make_unet(), jax.random.normal(next(keys), (2, 8, 8, 1)), jnp.array([3, 500])
    base = model(x, t)
    model.share.bias[...] = model.share.bias[...] - 1
    np.testing.assert_allclose(model(x, t), base - x, atol=1e-5)


def test_folding_pixels_keeps_them_and_their_squares():
    x = np.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    folded = fold_pixels(x, 2)
    assert folded.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(folded[1, 1, 2], x[1, 2:4, 4:6].reshape(-1))
    np.testing.assert_array_equal(unfold_pixels(folded, 2), x)
    np.testing.assert_array_equal(fold_pixels(x, 1), x)


@pytest.mark.slow
def test_patch_halves_the_feature_maps_inside(keys):
    model = UNet(UNetConfig(features=(2,), condition_features=2, groups=1, patch=2), rngs=nnx.Rngs(0))
    assert model.first.kernel.shape == (3, 3, 4, 2) and model.last.kernel.shape == (3, 3, 2, 4)
    x = jax.random.normal(next(keys), (2, 6, 4, 1))
    assert model(x, jnp.zeros(2, int)).shape == x.shape
    with pytest.raises(ValueError, match="H and W divisible by 2"):
        model(x[:, :5], jnp.zeros(2, int))


def test_information_travels_through_skip_and_bottom():
    model = make_unet()
    t = jnp.array([5])
    for kernel in (model.grow[0].kernel, model.grow[0].bias):
        kernel[...] = jnp.zeros_like(kernel[...])
    x = jnp.zeros((1, 8, 8, 1))
    difference = model(x.at[0, 4, 4, 0].set(1.0), t) - model(x, t)
    assert float(jnp.abs(difference).max()) > 1e-3  # the skip alone


def test_residual_block_is_the_identity_without_its_second_convolution(keys):
    block = ResidualBlock(4, config=SMALL, rngs=nnx.Rngs(0))
    block.convs[1].kernel[...] = jnp.zeros_like(block.convs[1].kernel[...])
    x, condition = jax.random.normal(next(keys), (2, 4, 4, 4)), jax.random.normal(next(keys), (2, 8))
    np.testing.assert_array_equal(block(x, condition), x)


def test_wrong_input_is_refused():
    model, x, t = make_unet(), jnp.zeros((2, 8, 8, 1)), jnp.zeros(2, int)
    for shape in ((2, 8, 7, 1), (2, 8, 8, 3), (8, 8, 1), (2, 64)):
        with pytest.raises(ValueError, match=r"expected images \(B, H, W, 1\), H and W divisible by 2, got \("):
            model(jnp.zeros(shape), t)
    with pytest.raises(ValueError, match=r"expected t of shape \(2,\), one for each image, got \(\)"):
        model(x, jnp.array(3))
    with pytest.raises(ValueError, match=r"expected labels of shape \(2,\), one for each image, got \(3,\)"):
        model(x, t, jnp.zeros(3, int))
    model = build_unet(UNetConfig(features=(2,), condition_features=2, groups=1))
    with pytest.raises(ValueError, match=r"expected no labels, as class_count is None, got labels of shape \(2,\)"):
        model(x, t, t)


@pytest.mark.parametrize("wrong", [{"features": (12, 32)}, {"features": ()}, {"condition_features": 63}])
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="expected features that 8 groups divide and even condition_features, got"):
        UNetConfig(**wrong)


@pytest.mark.slow
def test_unet_learns_two_images_by_heart():
    images = np.sign(np.random.default_rng(0).normal(size=(2, 4, 4, 1))).astype(np.float32)
    arrays = {"x": np.tile((images + 1) / 2, (32, 1, 1, 1)), "y": np.tile([0, 1], 32)}
    model = make_unet(last=False)
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    history = training.fit(model, optimizer, train_loader(arrays, 64, epochs=150), NoiseLoss(50), callbacks=())
    assert history["loss"][0] > 0.5 and np.mean(history["loss"][-20:]) < 0.25
    noise = jax.random.normal(jax.random.key(5), images.shape)
    alpha_bar = cosine_alpha_bar(50)[25]
    noisy = add_noise(images, noise, alpha_bar)
    clean = predict_clean(noisy, model(noisy, jnp.array([25, 25]), jnp.array([0, 1])), alpha_bar)
    assert float(jnp.mean((clean - images) ** 2)) < 0.2
