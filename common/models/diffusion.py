"""Denoising diffusion: noise schedules, single sampling steps, and guidance; `unet.py` has the network.

Steps are counted as `alpha_bar` is indexed, from 0: `alpha_bar[t]` is the share of the image's variance left at t.
"""

import itertools
import math

import jax.numpy as jnp


def linear_alpha_bar(step_count, *, first=1e-4, last=0.02):
    """Return the noise schedule whose variances beta rise linearly.

    Args:
        step_count: T; the default variances are made for about 1000.
        first, last: beta of the first and the last step, in (0, 1).

    Returns:
        (T,) float32 array, decreasing, in (0, 1): the product of all 1 - beta so far.

    Raises:
        ValueError: there is no step.

    References:
        Ho, Jain and Abbeel (2020), Denoising Diffusion Probabilistic Models, section 4.
    """
    _check_step_count(step_count)
    betas = [first + (last - first) * t / max(step_count - 1, 1) for t in range(step_count)]
    return _products(betas)


def cosine_alpha_bar(step_count):
    """Return the noise schedule whose `alpha_bar` follows a squared cosine.

    Args:
        step_count: T.

    Returns:
        (T,) float32 array, decreasing, in (0, 1).

    Raises:
        ValueError: there is no step.

    References:
        Nichol and Dhariwal (2021), Improved Denoising Diffusion Probabilistic Models, equation 17, with s = 0.008 and
        beta at most 0.999.
    """
    _check_step_count(step_count)
    curve = [math.cos((t / step_count + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(step_count + 1)]
    return _products([min(1 - later / now, 0.999) for now, later in itertools.pairwise(curve)])


def _check_step_count(step_count):
    if step_count < 1:
        raise ValueError(f"expected at least 1 step, got {step_count}.")


def _products(betas):
    """Return the products of 1 - beta: multiplied in Python's float64, since float32 would round T times."""
    return jnp.array(list(itertools.accumulate((1 - beta for beta in betas), float.__mul__)), jnp.float32)


def add_noise(x, noise, alpha_bar_t):
    """Return images as they are after t steps of noise, in one go.

    Args:
        x: (B, ...) float array, clean images scaled to [-1, 1].
        noise: of the shape of x, standard normal.
        alpha_bar_t: (B,) array, or one number for all images.

    Returns:
        (B, ...) float array.

    Raises:
        ValueError: the shapes do not fit.

    References:
        Ho et al. (2020), equation 4.
    """
    _check_same_shape("noise", noise, x)
    alpha_bar = _for_images(alpha_bar_t, x)
    return jnp.sqrt(alpha_bar) * x + jnp.sqrt(1 - alpha_bar) * noise


def predict_clean(x, noise, alpha_bar_t):
    """Return the clean images that noisy ones come from if the noise in them is `noise`; undoes `add_noise`.

    Args:
        x: (B, ...) float array, noisy images.
        noise: of the shape of x, predicted by a model.
        alpha_bar_t: (B,) array, or one number for all images.

    Returns:
        (B, ...) float array. Where `alpha_bar_t` is near 0, an error of the noise grows without bound: clip the result
        to [-1, 1], the range of images, before the next step.

    Raises:
        ValueError: the shapes do not fit.

    References:
        Ho et al. (2020), equation 15.
    """
    _check_same_shape("noise", noise, x)
    alpha_bar = _for_images(alpha_bar_t, x)
    return (x - jnp.sqrt(1 - alpha_bar) * noise) / jnp.sqrt(alpha_bar)


def ddpm_step(x, clean, *, alpha_bars, noise):
    """Draw the images of an earlier step s from those of step t: one step of DDPM sampling.

    Args:
        x: (B, ...) float array, images at step t.
        clean: of the shape of x, from `predict_clean`.
        alpha_bars: (alpha_bar_t, alpha_bar_s), two numbers, the second larger; s need not be t - 1, and
            alpha_bar_s = 1 is the last step, which adds no noise.
        noise: of the shape of x, standard normal.

    Returns:
        (B, ...) float array drawn from q(x_s | x_t, clean).

    Raises:
        ValueError: the shapes do not fit.

    References:
        Ho et al. (2020), equations 6 and 7. Of the two variances in section 3.2 this is the smaller, beta tilde.
    """
    _check_same_shape("clean images", clean, x)
    _check_same_shape("noise", noise, x)
    now, then = (_for_images(alpha_bar, x) for alpha_bar in alpha_bars)
    alpha = now / then
    mean = (jnp.sqrt(then) * (1 - alpha) * clean + jnp.sqrt(alpha) * (1 - then) * x) / (1 - now)
    return mean + jnp.sqrt((1 - alpha) * (1 - then) / (1 - now)) * noise


def ddim_step(x, clean, *, alpha_bars, noise=None, eta=0.0):
    """Move images from step t to an earlier step s: one step of DDIM sampling.

    Args:
        x: (B, ...) float array, images at step t.
        clean: of the shape of x, from `predict_clean`.
        alpha_bars: (alpha_bar_t, alpha_bar_s), two numbers, the second larger; alpha_bar_s = 1 is the last step.
        noise: of the shape of x, standard normal; None is enough for eta = 0.
        eta: from 0 (deterministic) to 1 (the variance of `ddpm_step`).

    Returns:
        (B, ...) float array.

    Raises:
        ValueError: the shapes do not fit; `eta` is not 0, but there is no noise.

    References:
        Song, Meng and Ermon (2021), Denoising Diffusion Implicit Models, equations 12 and 16.
    """
    _check_same_shape("clean images", clean, x)
    now, then = (_for_images(alpha_bar, x) for alpha_bar in alpha_bars)
    direction = (x - jnp.sqrt(now) * clean) / jnp.sqrt(1 - now)  # the noise in x
    if noise is None:
        if eta != 0:
            raise ValueError(f"expected noise for eta = {eta}, got None; only eta = 0 draws nothing.")
        return jnp.sqrt(then) * clean + jnp.sqrt(1 - then) * direction
    _check_same_shape("noise", noise, x)
    variance = eta**2 * (1 - then) / (1 - now) * (1 - now / then)
    kept = jnp.sqrt(jnp.maximum(1 - then - variance, 0))  # never below 0 but by rounding
    return jnp.sqrt(then) * clean + kept * direction + jnp.sqrt(variance) * noise


def guide(conditional, unconditional, weight):
    """Combine two predictions of noise so that samples show their class more clearly.

    Args:
        conditional, unconditional: (B, ...) float arrays, predicted with and without the labels.
        weight: 0 gives the conditional prediction, larger weights clearer classes and less variety. Some texts call
            `1 + weight` the guidance scale.

    Returns:
        (B, ...) float array.

    Raises:
        ValueError: the two differ in shape.

    References:
        Ho and Salimans (2022), Classifier-Free Diffusion Guidance, equation 6.
    """
    _check_same_shape("unconditional prediction", unconditional, conditional)
    return (1 + weight) * conditional - weight * unconditional


def guided_noise(model, x, t, *, labels, weight):
    """Predict noise with and without the labels, in one call of the model, and combine the two by `guide`.

    Args:
        model: callable such as `common.models.unet.UNet`, whose label K means "no class".
        x: (B, ...) float array, noisy images.
        t: integer scalar, the step of all images.
        labels: (B,) integers in [0, K).
        weight: as in `guide`.

    Returns:
        (B, ...) float array.
    """
    steps = jnp.full(2 * len(x), t)
    asked = jnp.concatenate([labels, jnp.full_like(labels, model.config.class_count)])
    return guide(*jnp.split(model(jnp.concatenate([x, x]), steps, asked), 2), weight)


def _check_same_shape(what, array, x):
    if array.shape != x.shape:
        raise ValueError(f"expected {what} of shape {x.shape}, got {array.shape}.")


def _for_images(alpha_bar, x):
    """Return (B,) numbers as (B, 1, ..., 1), so that they multiply images; one number becomes (1, 1, ..., 1)."""
    alpha_bar = jnp.asarray(alpha_bar)
    if alpha_bar.shape not in ((), x.shape[:1]):
        raise ValueError(f"expected alpha_bar of shape () or {x.shape[:1]}, got {alpha_bar.shape}.")
    return alpha_bar.reshape(-1, *(1 for _ in x.shape[1:]))
