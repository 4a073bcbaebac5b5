"""A small U-Net that looks at an image, a time and a class; for diffusion it predicts the noise."""

import dataclasses
import itertools

import jax.numpy as jnp
from flax import nnx

from .layers import ConvTranspose
from .mlp import MLP

OF_CLASS = nnx.initializers.normal(1.0)  # by default a short training ignores labels


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


def fold_pixels(x, patch):
    """Lay every square of pixels out as channels.

    Args:
        x: (B, H, W, C) array; H and W divisible by `patch`.
        patch: side of a square.

    Returns:
        (B, H / patch, W / patch, patch * patch * C) array.

    References:
        Shi et al. (2016), section 3.2, whose "periodic shuffling" is the inverse.
    """
    B, H, W, C = x.shape
    squares = x.reshape(B, H // patch, patch, W // patch, patch, C).swapaxes(2, 3)  # (B, H/p, W/p, p, p, C)
    return squares.reshape(B, H // patch, W // patch, patch * patch * C)


def unfold_pixels(x, patch):
    """Undo `fold_pixels`: (B, H, W, patch * patch * C) becomes (B, patch * H, patch * W, C)."""
    B, H, W, _ = x.shape
    squares = x.reshape(B, H, W, patch, patch, -1).swapaxes(2, 3)  # (B, H, p, W, p, C)
    return squares.reshape(B, H * patch, W * patch, -1)


@dataclasses.dataclass(frozen=True)
class UNetConfig:
    """Sizes of a U-Net.

    Attributes:
        channels: of an image.
        features: channels at full size, at half, at a quarter and so on.
        condition_features: of the vector that tells every block the time and the class.
        groups: of channels that are normalised together; divides every entry of `features`.
        class_count: number of classes, K; None: the model takes no labels.
        patch: side of the squares of pixels that the first layer takes together, as channels; 2 halves height and width
            of everything inside, so that the same features cost less.

    Raises:
        ValueError: `groups` does not divide the features, or `condition_features` is odd.
    """

    channels: int = 1
    features: tuple[int, ...] = (16, 32, 64)
    condition_features: int = 64
    groups: int = 8
    class_count: int | None = None
    patch: int = 1

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
        rngs: `nnx.Rngs` for the initial weights; the last layer begins at 0, so that the prediction begins as x.

    Deviation from the references: no attention, no dropout, and a learned share of x, which depends on the step, is
    added to what the last layer says. Late steps are almost pure noise, and copying it through normalised layers with
    the accuracy that `predict_clean` needs there takes long to learn.

    References:
        Ronneberger, Fischer and Brox (2015); Ho et al. (2020), appendix B; Karras et al. (2022), equation 7, fix the
        share by a formula.
    """

    def __init__(self, config: UNetConfig, *, rngs: nnx.Rngs):
        self.config, features, condition = config, config.features, config.condition_features
        settings = {"config": config, "rngs": rngs}
        self.time = MLP(condition, (condition,), condition, activation=nnx.silu, rngs=rngs)
        classes = config.class_count
        label = None if classes is None else nnx.Embed(classes + 1, condition, embedding_init=OF_CLASS, rngs=rngs)
        self.label = label  # its last entry means "no class"
        channels = config.channels * config.patch**2
        self.first = nnx.Conv(channels, features[0], (3, 3), rngs=rngs)
        pairs = list(itertools.pairwise(features))
        self.down = nnx.List([ResidualBlock(n, **settings) for n in features[:-1]])
        self.shrink = nnx.List([nnx.Conv(*pair, (3, 3), strides=(2, 2), rngs=rngs) for pair in pairs])
        self.middle = nnx.List([ResidualBlock(features[-1], **settings) for _ in range(2)])
        self.grow = nnx.List([ConvTranspose(*pair[::-1], (4, 4), strides=(2, 2), rngs=rngs) for pair in pairs[::-1]])
        self.up = nnx.List([ResidualBlock(n, **settings) for n in features[-2::-1]])
        self.norm = nnx.GroupNorm(features[0], config.groups, rngs=rngs)
        begin = {"kernel_init": nnx.initializers.zeros, "bias_init": nnx.initializers.ones}
        self.share = nnx.Linear(condition, 1, **begin, rngs=rngs)
        self.last = nnx.Conv(features[0], channels, (3, 3), kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(self, x, t, labels=None, rngs=None):
        """Return the predicted noise.

        Args:
            x: (B, H, W, channels) float array, noisy images; H and W can be halved for every entry of `features` but
                the first, and be divided by `patch`.
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
        h, skips = self.first(fold_pixels(x, self.config.patch)), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, condition)
            skips.append(h)
            h = shrink(h)  # (B, H/2, W/2, next features)
        for block in self.middle:
            h = block(h, condition)
        for grow, block in zip(self.grow, self.up, strict=True):
            h = block(grow(h) + skips.pop(), condition)  # (B, 2H, 2W, features before)
        correction = unfold_pixels(self.last(nnx.silu(self.norm(h))), self.config.patch)
        return self.share(nnx.silu(condition))[:, None, None, :] * x + correction

    def _check(self, x, t, labels):
        channels, by = self.config.channels, self.config.patch * 2 ** (len(self.config.features) - 1)
        if x.ndim != 4 or x.shape[3] != channels or x.shape[1] % by or x.shape[2] % by:
            raise ValueError(f"expected images (B, H, W, {channels}), H and W divisible by {by}, got {x.shape}.")
        if t.shape != x.shape[:1]:
            raise ValueError(f"expected t of shape {x.shape[:1]}, one for each image, got {t.shape}.")
        if labels is not None and self.label is None:
            raise ValueError(f"expected no labels, as class_count is None, got labels of shape {labels.shape}.")
        if labels is not None and labels.shape != t.shape:
            raise ValueError(f"expected labels of shape {t.shape}, one for each image, got {labels.shape}.")
