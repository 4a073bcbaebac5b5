"""Schedules, sampling steps and the U-Net, against NumPy and against distributions whose best denoiser is known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy import stats

from common import training
from common.data import train_loader
from common.models.diffusion import (
    ResidualBlock,
    UNet,
    UNetConfig,
    add_noise,
    cosine_alpha_bar,
    ddim_step,
    ddpm_step,
    guide,
    linear_alpha_bar,
    predict_clean,
    time_features,
)

SMALL = UNetConfig(features=(4, 8), condition_features=8, groups=2, class_count=3)
MEANS, DEVIATIONS, WEIGHTS = np.array([-2.0, 1.0]), np.array([0.3, 0.5]), np.array([0.25, 0.75])  # a mixture
STEPS = 200


def test_linear_schedule_is_the_product_of_its_betas():
    alpha_bar = linear_alpha_bar(1000)
    assert alpha_bar.shape == (1000,) and alpha_bar.dtype == jnp.float32
    np.testing.assert_allclose(alpha_bar, np.cumprod(1 - np.linspace(1e-4, 0.02, 1000)), rtol=1e-6)
    np.testing.assert_allclose(linear_alpha_bar(2, first=0.5, last=0.75), [0.5, 0.125])
    np.testing.assert_allclose(linear_alpha_bar(1, first=0.5), [0.5])


def test_cosine_schedule_follows_the_paper():
    alpha_bar = np.asarray(cosine_alpha_bar(1000))
    t = np.arange(1, 1001)
    curve = np.cos((t / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2 / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(alpha_bar[:-1], curve[:-1], rtol=1e-5)  # the clipped beta is the last one only
    assert alpha_bar[-1] == pytest.approx(alpha_bar[-2] * 0.001, rel=1e-5)
    assert (np.diff(alpha_bar) < 0).all() and alpha_bar[0] < 1


@pytest.mark.parametrize("schedule", [linear_alpha_bar, cosine_alpha_bar])
def test_schedules_need_a_step(schedule):
    with pytest.raises(ValueError, match="expected at least 1 step, got 0"):
        schedule(0)


def test_noise_in_one_go_equals_noise_step_by_step():
    rng = np.random.default_rng(0)
    betas, x = np.linspace(0.1, 0.5, 5), np.full(200_000, 1.5)
    for beta in betas:
        x = np.sqrt(1 - beta) * x + np.sqrt(beta) * rng.normal(size=x.shape)
    alpha_bar = float(linear_alpha_bar(5, first=0.1, last=0.5)[-1])
    noise = rng.normal(size=x.shape).astype(np.float32)
    y = add_noise(jnp.full(x.shape, 1.5), noise, alpha_bar)
    assert float(y.mean()) == pytest.approx(x.mean(), abs=0.01)
    assert float(y.std()) == pytest.approx(x.std(), abs=0.01)


def test_predicted_clean_images_undo_the_noise(keys):
    x, noise = jax.random.normal(next(keys), (2, 3, 4, 4, 1))
    alpha_bar = jnp.array([0.9, 0.5, 0.1])
    noisy = add_noise(x, noise, alpha_bar)
    np.testing.assert_allclose(noisy[2], np.sqrt(0.1) * x[2] + np.sqrt(0.9) * noise[2], atol=1e-6)
    np.testing.assert_allclose(predict_clean(noisy, noise, alpha_bar), x, atol=1e-5)
    np.testing.assert_allclose(add_noise(x, noise, 0.5)[1], noisy[1], atol=1e-6)


def test_shapes_that_do_not_fit_are_refused():
    x = jnp.zeros((3, 2))
    with pytest.raises(ValueError, match=r"expected alpha_bar of shape \(\) or \(3,\), got \(2,\)"):
        add_noise(x, x, jnp.ones(2))
    with pytest.raises(ValueError, match=r"expected noise of shape \(3, 2\), got \(3,\)"):
        predict_clean(x, x[:, 0], 0.5)
    with pytest.raises(ValueError, match=r"expected clean images of shape \(3, 2\), got \(2, 3\)"):
        ddpm_step(x, x.T, alpha_bars=(0.5, 0.7), noise=x)
    with pytest.raises(ValueError, match=r"expected clean images of shape \(3, 2\), got \(2, 3\)"):
        ddim_step(x, x.T, alpha_bars=(0.5, 0.7))
    with pytest.raises(ValueError, match="expected noise for eta = 0.5, got None"):
        ddim_step(x, x, alpha_bars=(0.5, 0.7), eta=0.5)
    with pytest.raises(ValueError, match=r"expected unconditional prediction of shape \(3, 2\), got \(2, 3\)"):
        guide(x, x.T, 1.0)


def posterior(x, clean, now, then):
    """Return mean and variance of q(x_s | x_t, clean): the product of q(x_s | clean) and q(x_t | x_s), in float64."""
    alpha = now / then
    precisions = np.array([1 / (1 - then), alpha / (1 - alpha)])  # of x_s, from either factor
    means = np.array([np.sqrt(then) * clean, x / np.sqrt(alpha)])
    variance = 1 / precisions.sum()
    return variance * (precisions[:, None] * means).sum(0), variance


@pytest.mark.parametrize(("now", "then"), [(0.3, 0.4), (0.05, 0.9), (0.98, 0.99)])
def test_ddpm_and_stochastic_ddim_draw_from_the_product_of_two_gaussians(now, then):
    x, clean = np.random.default_rng(0).normal(size=(2, 5))
    mean, variance = posterior(x, clean, now, then)
    zeros, arrays = jnp.zeros(5), (jnp.float32(x), jnp.float32(clean))
    for step in (ddpm_step, functools.partial(ddim_step, eta=1.0)):
        found = step(*arrays, alpha_bars=(now, then), noise=zeros)
        np.testing.assert_allclose(found, mean, atol=1e-5)
        spread = step(*arrays, alpha_bars=(now, then), noise=zeros + 1) - found
        np.testing.assert_allclose(spread, np.sqrt(variance), rtol=1e-3)


def test_deterministic_ddim_keeps_clean_image_and_noise(keys):
    clean, noise = jax.random.normal(next(keys), (2, 4, 3))
    found = ddim_step(add_noise(clean, noise, 0.3), clean, alpha_bars=(0.3, 0.8))
    np.testing.assert_allclose(found, add_noise(clean, noise, 0.8), atol=1e-5)
    with_noise = ddim_step(add_noise(clean, noise, 0.3), clean, alpha_bars=(0.3, 0.8), noise=noise, eta=0.0)
    np.testing.assert_allclose(with_noise, found, atol=1e-6)


def test_last_step_gives_the_clean_image(keys):
    x, clean, noise = jax.random.normal(next(keys), (3, 4, 2))
    for found in (
        ddpm_step(x, clean, alpha_bars=(0.99, 1.0), noise=noise),
        ddim_step(x, clean, alpha_bars=(0.99, 1.0)),
        ddim_step(x, clean, alpha_bars=(0.99, 1.0), noise=noise, eta=1.0),
    ):
        np.testing.assert_allclose(found, clean, atol=1e-6)


def best_noise(x, alpha_bar):
    """Return E[noise | x] for data from the mixture: every component gives a normal posterior."""
    deviations = jnp.sqrt(alpha_bar * jnp.asarray(DEVIATIONS**2, jnp.float32) + 1 - alpha_bar)  # (2,)
    errors = (x[:, None] - jnp.sqrt(alpha_bar) * jnp.asarray(MEANS, jnp.float32)[None, :]) / deviations[None, :]
    densities = -(errors**2) / 2 - jnp.log(deviations)[None, :] + jnp.log(jnp.asarray(WEIGHTS, jnp.float32))[None, :]
    share = jax.nn.softmax(densities, axis=1)
    return jnp.sqrt(1 - alpha_bar) * jnp.sum(share * errors / deviations[None, :], axis=1)


@pytest.mark.parametrize("kind", ["ddpm", "ddim", "ddim, eta 1"])
def test_sampling_with_the_best_denoiser_gives_the_distribution(kind):
    @jax.jit
    def step(x, now, then, noise):
        clean = predict_clean(x, best_noise(x, now), now)
        if kind == "ddpm":
            return ddpm_step(x, clean, alpha_bars=(now, then), noise=noise)
        return ddim_step(x, clean, alpha_bars=(now, then), noise=noise, eta=1.0 if "eta" in kind else 0.0)

    rng = np.random.default_rng(0)
    alpha_bar = np.append(1, cosine_alpha_bar(STEPS)).astype(np.float32)
    x = rng.normal(size=20_000).astype(np.float32)
    for t in range(STEPS, 0, -1):
        x = step(x, alpha_bar[t], alpha_bar[t - 1], rng.normal(size=x.shape).astype(np.float32))
    x = np.asarray(x, np.float64)
    mean = WEIGHTS @ MEANS
    assert x.mean() == pytest.approx(mean, abs=0.04)
    assert x.var() == pytest.approx(WEIGHTS @ (DEVIATIONS**2 + (MEANS - mean) ** 2), rel=0.03)
    assert (x < -0.75).mean() == pytest.approx(WEIGHTS[0], abs=0.015)  # the components hardly overlap
    distance = stats.kstest(x, lambda at: (stats.norm.cdf(at[:, None], MEANS, DEVIATIONS) * WEIGHTS).sum(1)).statistic
    assert distance < 0.025


def test_guidance_goes_on_from_unconditional_to_conditional():
    one, two = jnp.array([1.0, 2.0]), jnp.array([0.5, 3.0])
    np.testing.assert_allclose(guide(one, two, 0.0), one)
    np.testing.assert_allclose(guide(one, two, -1.0), two)
    np.testing.assert_allclose(guide(one, two, 2.0), [2.0, 0.0])


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

    condition = 2 * (8 * 8 + 8) + (3 + 1) * 8
    ends = (9 * 1 * 4 + 4) + 2 * 4 + (9 * 4 * 1 + 1)
    between = (9 * 4 * 8 + 8) + (16 * 8 * 4 + 4)
    assert count_of(make_unet()) == condition + ends + between + 2 * block(4) + 2 * block(8)


def test_prediction_begins_at_zero_and_depends_on_time_label_and_image(keys):
    x, t, labels = jax.random.normal(next(keys), (2, 8, 8, 1)), jnp.array([3, 500]), jnp.array([0, 2])
    assert float(jnp.abs(make_unet(last=False)(x, t, labels)).max()) == 0
    model = make_unet()
    base = model(x, t, labels)
    for other in (model(x, t + 200, labels), model(x, t, 2 - labels), model(-x, t, labels), model(x, t)):
        assert float(jnp.abs(other - base).max()) > 1e-3
    np.testing.assert_allclose(model(x, t), model(x, t, jnp.full(2, 3)), atol=1e-6)  # K is "no class"
    np.testing.assert_allclose(model(x[:1], t[:1], labels[:1]), base[:1], atol=1e-5)  # no one sees the others
    np.testing.assert_allclose(model(x[::-1], t[::-1], labels[::-1]), base[::-1], atol=1e-5)


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


def noise_loss(model, batch, rngs):
    x, alpha_bar = batch["x"], cosine_alpha_bar(50)
    t = jax.random.randint(rngs.time(), x.shape[:1], 0, 50)
    noise = jax.random.normal(rngs.noise(), x.shape)
    error = jnp.mean((model(add_noise(x, noise, alpha_bar[t]), t, batch["y"]) - noise) ** 2, axis=(1, 2, 3))
    return jnp.mean(error), {"loss": (jnp.sum(error), error.size)}


def test_unet_learns_two_images_by_heart():
    images = np.sign(np.random.default_rng(0).normal(size=(2, 4, 4, 1))).astype(np.float32)
    arrays = {"x": np.tile(images, (32, 1, 1, 1)), "y": np.tile([0, 1], 32)}
    model = make_unet(last=False)
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    history = training.fit(model, optimizer, train_loader(arrays, 64, epochs=150), noise_loss, callbacks=())
    assert history["loss"][0] > 0.9 and np.mean(history["loss"][-20:]) < 0.25
    noise = jax.random.normal(jax.random.key(5), images.shape)
    alpha_bar = cosine_alpha_bar(50)[25]
    noisy = add_noise(images, noise, alpha_bar)
    clean = predict_clean(noisy, model(noisy, jnp.array([25, 25]), jnp.array([0, 1])), alpha_bar)
    assert float(jnp.mean((clean - images) ** 2)) < 0.2
