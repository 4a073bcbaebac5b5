"""Schedules, sampling steps and guidance, against NumPy and against distributions whose best denoiser is known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from common.models.diffusion import (
    add_noise,
    cosine_alpha_bar,
    ddim_step,
    ddpm_step,
    guide,
    guided_noise,
    linear_alpha_bar,
    predict_clean,
)
from common.models.unet import UNetConfig

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


class LabelModel:
    """Predict noise that depends on the label alone; label 3 means "no class"."""

    config = UNetConfig(class_count=3)

    def __call__(self, x, t, labels):
        return x + (10 * labels + t)[:, None]


def test_guided_noise_asks_with_and_without_the_labels():
    x, labels = jnp.array([[1.0], [2.0]]), jnp.array([0, 2])
    found = guided_noise(LabelModel(), x, 4, labels=labels, weight=0.5)
    np.testing.assert_allclose(found, guide(x + jnp.array([[4], [24]]), x + 34, 0.5))
