"""Denoising diffusion: noise schedules, single sampling steps, and a small U-Net that predicts noise.

Steps are counted as `alpha_bar` is indexed, from 0: `alpha_bar[t]` is the share of the image's variance left at t.
"""

import dataclasses
import itertools
import math

import jax.numpy as jnp
from flax import nnx

from .layers import ConvTranspose
from .mlp import MLP


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


def _check_same_shape(what, array, x):
    if array.shape != x.shape:
        raise ValueError(f"expected {what} of shape {x.shape}, got {array.shape}.")


def _for_images(alpha_bar, x):
    """Return (B,) numbers as (B, 1, ..., 1), so that they multiply images; one number becomes (1, 1, ..., 1)."""
    alpha_bar = jnp.asarray(alpha_bar)
    if alpha_bar.shape not in ((), x.shape[:1]):
        raise ValueError(f"expected alpha_bar of shape () or {x.shape[:1]}, got {alpha_bar.shape}.")
    return alpha_bar.reshape(-1, *(1 for _ in x.shape[1:]))


def time_features(t, count):
    """Return sines and cosines of a time at wavelengths from 2 pi to almost 20,000 pi.

    Args:
        t: (B,) integers or floats.
        count: number of features, even.

    Returns:
        (B, count) float32 array in [-1, 1].

    Raises:
        ValueError: t has another number of axes, or `count` is not even.

    References:
        Vaswani et al. (2017), section 3.5, used by Ho et al. (2020) for the step.
    """
    if t.ndim != 1 or count % 2:
        raise ValueError(f"expected t of shape (B,) and an even count, got shape {t.shape} and {count}.")
    frequencies = 10_000.0 ** -(jnp.arange(count // 2) * 2 / count)
    angles = t.astype(jnp.float32)[:, None] * frequencies[None, :]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


@dataclasses.dataclass(frozen=True)
class UNetConfig:
    """Sizes of a U-Net.

    Attributes:
        channels: of an image.
        features: channels at full size, at half, at a quarter and so on.
        condition_features: of the vector that tells every block the time and the class.
        groups: of channels that are normalised together; divides every entry of `features`.
        class_count: number of classes, K; None: the model takes no labels.

    Raises:
        ValueError: `groups` does not divide the features, or `condition_features` is odd.
    """

    channels: int = 1
    features: tuple[int, ...] = (16, 32, 64)
    condition_features: int = 64
    groups: int = 8
    class_count: int | None = None

    def __post_init__(self):
        if not self.features or any(count % self.groups for count in self.features) or self.condition_features % 2:
            raise ValueError(
                f"expected features that {self.groups} groups divide and even condition_features, got {self.features} "
                f"and {self.condition_features}."
            )


class ResidualBlock(nnx.Module):
    """Two 3x3 convolutions around which the input is added; the condition scales and shifts what is between.

    Args:
        features: channels of input and output.
        config: `UNetConfig`.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Ho et al. (2020), appendix B; scale and shift after normalisation: Nichol and Dhariwal (2021), section 2.1.
    """

    def __init__(self, features: int, *, config: UNetConfig, rngs: nnx.Rngs):
        self.norms = nnx.List([nnx.GroupNorm(features, config.groups, rngs=rngs) for _ in range(2)])
        self.convs = nnx.List([nnx.Conv(features, features, (3, 3), rngs=rngs) for _ in range(2)])
        self.condition = nnx.Linear(config.condition_features, 2 * features, rngs=rngs)

    def __call__(self, x, condition):
        """Return (B, H, W, features) for x of that shape and condition: (B, condition_features)."""
        h = self.convs[0](nnx.silu(self.norms[0](x)))
        scale, shift = jnp.split(self.condition(nnx.silu(condition))[:, None, None, :], 2, axis=-1)
        return x + self.convs[1](nnx.silu(self.norms[1](h) * (1 + scale) + shift))


class UNet(nnx.Module):
    """A small U-Net that predicts the noise in images: residual blocks on the way down and up, joined by skips.

    Args:
        config: `UNetConfig`.
        rngs: `nnx.Rngs` for the initial weights; the last layer begins at 0, and so does the prediction.

    References:
        Ronneberger, Fischer and Brox (2015); Ho et al. (2020), appendix B, here without attention and dropout.
    """

    def __init__(self, config: UNetConfig, *, rngs: nnx.Rngs):
        self.config, features, condition = config, config.features, config.condition_features
        settings = {"config": config, "rngs": rngs}
        self.time = MLP(condition, (condition,), condition, activation=nnx.silu, rngs=rngs)
        classes, strong = config.class_count, nnx.initializers.normal(1.0)  # by default a short training ignores labels
        label = None if classes is None else nnx.Embed(classes + 1, condition, embedding_init=strong, rngs=rngs)
        self.label = label  # its last entry means "no class"
        self.first = nnx.Conv(config.channels, features[0], (3, 3), rngs=rngs)
        pairs = list(itertools.pairwise(features))
        self.down = nnx.List([ResidualBlock(n, **settings) for n in features[:-1]])
        self.shrink = nnx.List([nnx.Conv(*pair, (3, 3), strides=(2, 2), rngs=rngs) for pair in pairs])
        self.middle = nnx.List([ResidualBlock(features[-1], **settings) for _ in range(2)])
        self.grow = nnx.List([ConvTranspose(*pair[::-1], (4, 4), strides=(2, 2), rngs=rngs) for pair in pairs[::-1]])
        self.up = nnx.List([ResidualBlock(n, **settings) for n in features[-2::-1]])
        self.norm = nnx.GroupNorm(features[0], config.groups, rngs=rngs)
        self.last = nnx.Conv(features[0], config.channels, (3, 3), kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(self, x, t, labels=None, rngs=None):
        """Return the predicted noise.

        Args:
            x: (B, H, W, channels) float array, noisy images; H and W can be halved for every entry of `features` but
                the first.
            t: (B,) step of each image, as `alpha_bar` is indexed.
            labels: (B,) integers in [0, K]; K means "no class". None: no class for all images.
            rngs: not used; every model of the course takes it.

        Returns:
            (B, H, W, channels) float array.

        Raises:
            ValueError: images, t or labels have another shape, or the model takes no labels.
        """
        self._check(x, t, labels)
        condition = self.time(time_features(t, self.config.condition_features))  # (B, condition_features)
        if self.label is not None:
            labels = jnp.full(t.shape, self.config.class_count) if labels is None else labels
            condition = condition + self.label(labels)
        h, skips = self.first(x), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, condition)
            skips.append(h)
            h = shrink(h)  # (B, H/2, W/2, next features)
        for block in self.middle:
            h = block(h, condition)
        for grow, block in zip(self.grow, self.up, strict=True):
            h = block(grow(h) + skips.pop(), condition)  # (B, 2H, 2W, features before)
        return self.last(nnx.silu(self.norm(h)))

    def _check(self, x, t, labels):
        channels, by = self.config.channels, 2 ** (len(self.config.features) - 1)
        if x.ndim != 4 or x.shape[3] != channels or x.shape[1] % by or x.shape[2] % by:
            raise ValueError(f"expected images (B, H, W, {channels}), H and W divisible by {by}, got {x.shape}.")
        if t.shape != x.shape[:1]:
            raise ValueError(f"expected t of shape {x.shape[:1]}, one for each image, got {t.shape}.")
        if labels is not None and self.label is None:
            raise ValueError(f"expected no labels, as class_count is None, got labels of shape {labels.shape}.")
        if labels is not None and labels.shape != t.shape:
            raise ValueError(f"expected labels of shape {t.shape}, one for each image, got {labels.shape}.")
