"""Generative adversarial networks: of MLPs, of convolutions (DCGAN), each with or without class labels."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx

from .layers import ConvTranspose
from .mlp import MLP

WINDOW = {"kernel_size": (4, 4), "strides": (2, 2)}  # a multiple of the stride: every pixel is covered equally often
SMALL = nnx.initializers.normal(0.02)  # Radford et al. (2016), section 4
MOMENTUM = 0.9  # of the statistics, which have to keep up with a short training
OF_LABELS = nnx.initializers.normal(0.1)  # at the size of the noise, they would drown it: one image for each class


def leaky_relu(x):
    """Return x where it is positive, else 0.2 x (Radford et al., 2016, section 4)."""
    return nnx.leaky_relu(x, 0.2)


class Generator(nnx.Module):
    """An MLP from noise to images.

    Args:
        shape: of one image, for instance (28, 28, 1).
        latent_features: numbers of noise per image, D.
        hidden_features: width of each hidden layer.
        class_count: classes that can be asked for, K; None: the model takes no labels.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Goodfellow et al. (2014); Mirza and Osindero (2014) for the labels.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_features: int,
        *,
        hidden_features: Sequence[int],
        class_count: int | None = None,
        rngs: nnx.Rngs,
    ):
        self.shape, self.latent_features = tuple(shape), latent_features
        self.label_features = LabelFeatures(class_count, (latent_features,), rngs=rngs)
        self.layers = MLP(latent_features + self.label_features.width, hidden_features, math.prod(shape), rngs=rngs)

    def __call__(self, z, labels=None, rngs=None):
        """Return images.

        Args:
            z: (B, D) float array, standard normal noise.
            labels: (B,) integers in [0, K) for a model with classes, else None.
            rngs: not used; every model of the course takes it.

        Returns:
            (B, *shape) float array in [-1, 1].

        Raises:
            ValueError: noise or labels have another shape; labels are missing, or given to a model without classes.
        """
        _check_shape("noise", z, (self.latent_features,))
        return jnp.tanh(self.layers(self.label_features.append(z, labels))).reshape(-1, *self.shape)


class Discriminator(nnx.Module):
    """An MLP from images to the logit of "real".

    Args:
        shape: of one image, for instance (28, 28, 1).
        hidden_features: width of each hidden layer; between them are leaky ReLUs.
        class_count: number of classes, K; None: the model takes no labels.
        rngs: `nnx.Rngs` for the initial weights.
    """

    def __init__(
        self,
        shape: Sequence[int],
        hidden_features: Sequence[int],
        *,
        class_count: int | None = None,
        rngs: nnx.Rngs,
    ):
        self.shape = tuple(shape)
        self.label_features = LabelFeatures(class_count, (math.prod(shape),), rngs=rngs)
        size = math.prod(shape) + self.label_features.width
        self.layers = MLP(size, hidden_features, 1, activation=leaky_relu, rngs=rngs)

    def __call__(self, x, labels=None, rngs=None):
        """Return one logit per image.

        Args:
            x: (B, *shape) float array in [-1, 1], as the generator's.
            labels: (B,) integers in [0, K) for a model with classes, else None.
            rngs: not used.

        Returns:
            (B,) float array.

        Raises:
            ValueError: images or labels have another shape; labels are missing, or given to a model without classes.
        """
        _check_shape("images", x, self.shape)
        h = x.reshape(x.shape[0], -1)  # (B, H*W*C)
        return self.layers(self.label_features.append(h, labels))[:, 0]


@dataclasses.dataclass(frozen=True)
class DCGANConfig:
    """Sizes of a DCGAN's generator and discriminator.

    Attributes:
        size: height and width of an image.
        channels: of an image.
        latent_features: numbers of noise per image, D.
        features: channels of the generator from its smallest feature map on, each of twice the size of the one before;
            the discriminator has them in reverse. `(128, 64)` starts at 7x7 for 28x28; `(256, 128, 64)` at 4x4 for
            32x32; `(512, 256, 128, 64)` at 4x4 for 64x64.
        class_count: number of classes, K; None: the models take no labels.

    Raises:
        ValueError: `size` cannot be halved `len(features)` times.
    """

    size: int = 28
    channels: int = 1
    latent_features: int = 64
    features: tuple[int, ...] = (128, 64)
    class_count: int | None = None

    def __post_init__(self):
        if not self.features or self.size % 2 ** len(self.features):
            raise ValueError(
                f"expected a size that can be halved once for each of at least one features, got size {self.size} "
                f"and features {self.features}."
            )

    @property
    def base(self):
        """Height and width of the smallest feature map."""
        return self.size // 2 ** len(self.features)


class DCGANGenerator(nnx.Module):
    """Noise, projected to a small feature map, then doubled in size by transposed convolutions.

    Args:
        config: `DCGANConfig`.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Radford, Metz and Chintala (2016), Unsupervised Representation Learning with DCGANs, section 3.
    """

    def __init__(self, config: DCGANConfig, *, rngs: nnx.Rngs):
        self.config, self.latent_features, features = config, config.latent_features, config.features
        plain = {"use_bias": False, "kernel_init": SMALL, "rngs": rngs}  # BatchNorm would take a bias away again
        self.label_features = LabelFeatures(config.class_count, (config.latent_features,), rngs=rngs)
        width = config.latent_features + self.label_features.width
        self.project = nnx.Linear(width, config.base**2 * features[0], **plain)
        self.layers = nnx.List([ConvTranspose(*pair, **WINDOW, **plain) for pair in itertools.pairwise(features)])
        self.norms = nnx.List([nnx.BatchNorm(count, momentum=MOMENTUM, rngs=rngs) for count in features])
        self.last = ConvTranspose(features[-1], config.channels, **WINDOW, kernel_init=SMALL, rngs=rngs)

    def __call__(self, z, labels=None, rngs=None):
        """Return images (B, size, size, channels) in [-1, 1]; arguments and errors are those of `Generator`."""
        _check_shape("noise", z, (self.config.latent_features,))
        base = self.config.base
        h = self.project(self.label_features.append(z, labels)).reshape(-1, base, base, self.config.features[0])
        h = nnx.relu(self.norms[0](h))
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            h = nnx.relu(norm(layer(h)))  # (B, 2H, 2W, C)
        return jnp.tanh(self.last(h))


class DCGANDiscriminator(nnx.Module):
    """Strided convolutions that halve an image until one linear layer gives the logit of "real".

    For a model with classes every class adds weights of its own to that layer: the logit gains their product with the
    last features ("projection"). A class appended to the image instead is less well learned.

    Args:
        config: `DCGANConfig`, the generator's.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Radford et al. (2016), section 3; Miyato and Koyama (2018), cGANs with Projection Discriminator, equation 3.
    """

    def __init__(self, config: DCGANConfig, *, rngs: nnx.Rngs):
        self.config, self.shape = config, (config.size, config.size, config.channels)
        features = config.features[::-1]
        self.first = nnx.Conv(config.channels, features[0], **WINDOW, kernel_init=SMALL, rngs=rngs)
        plain = {"use_bias": False, "kernel_init": SMALL, "rngs": rngs}
        self.layers = nnx.List([nnx.Conv(*pair, **WINDOW, **plain) for pair in itertools.pairwise(features)])
        self.norms = nnx.List([nnx.BatchNorm(count, momentum=MOMENTUM, rngs=rngs) for count in features[1:]])
        size, count = config.base**2 * features[-1], config.class_count
        self.last = nnx.Linear(size, 1, kernel_init=SMALL, rngs=rngs)
        self.of_class = None if count is None else nnx.Embed(count, size, embedding_init=SMALL, rngs=rngs)

    def __call__(self, x, labels=None, rngs=None):
        """Return logits (B,) of images (B, size, size, channels); the rest is as for `Discriminator`."""
        _check_shape("images", x, self.shape)
        _check_labels(labels, x, self.config.class_count)
        h = leaky_relu(self.first(x))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = leaky_relu(norm(layer(h)))  # (B, H/2, W/2, C)
        h = h.reshape(h.shape[0], -1)  # (B, H*W*C)
        logits = self.last(h)[:, 0]
        return logits if labels is None else logits + jnp.sum(self.of_class(labels) * h, axis=-1)


class GAN(nnx.Module):
    """A generator and its discriminator as one model, so that one optimizer trains both.

    Args:
        generator: `Generator` or `DCGANGenerator`.
        discriminator: `Discriminator` or `DCGANDiscriminator`, made for the generator's images and classes.
    """

    def __init__(self, generator: nnx.Module, discriminator: nnx.Module):
        self.generator, self.discriminator = generator, discriminator

    @property
    def has_classes(self):
        """Whether the two take labels."""
        return self.generator.label_features.embed is not None


class LabelFeatures(nnx.Module):
    """Learned features of a class, appended to the input of a model.

    Args:
        class_count: number of classes, K; None: there are no labels, and nothing is appended.
        shape: of one class's features: like an example of the input, but for the last axis.
        rngs: `nnx.Rngs` for the initial features.

    References:
        Mirza and Osindero (2014), Conditional Generative Adversarial Nets, section 3.2.
    """

    def __init__(self, class_count: int | None, shape: Sequence[int], *, rngs: nnx.Rngs):
        has_classes, size = class_count is not None, math.prod(shape)
        self.shape, self.width = tuple(shape), shape[-1] if has_classes else 0
        self.embed = nnx.Embed(class_count, size, embedding_init=OF_LABELS, rngs=rngs) if has_classes else None

    def append(self, x, labels):
        """Return x with the features of its labels appended along the last axis.

        Args:
            x: (B, ..., C) float array.
            labels: (B,) integers in [0, K), or None where the model has no classes. Inside a compiled function, which
                cannot raise for values, a label of K or more gives NaN.

        Returns:
            (B, ..., C + width) float array.

        Raises:
            ValueError: labels have another shape; they are missing, or given to a model without classes.
        """
        _check_labels(labels, x, None if self.embed is None else self.embed.num_embeddings)
        if labels is None:
            return x
        return jnp.concatenate([x, self.embed(labels).reshape(-1, *self.shape)], axis=-1)


def _check_labels(labels, x, class_count):
    if (labels is None) != (class_count is None):
        given = "no labels" if labels is None else f"labels of shape {labels.shape}"
        takes = "none: class_count is None" if class_count is None else f"labels below {class_count}"
        raise ValueError(f"expected {takes}, got {given}.")
    if labels is not None and labels.shape != x.shape[:1]:
        raise ValueError(f"expected labels of shape {x.shape[:1]}, one for each example, got {labels.shape}.")


def discriminator_loss(real_logits, fake_logits):
    """Compute the binary cross-entropy of telling real examples from generated ones.

    Args:
        real_logits: float array of any shape, `discriminator(real)`.
        fake_logits: float array, `discriminator(generated)`; only the discriminator learns from it.

    Returns:
        Scalar >= 0 in nats: -mean log D(real) - mean log (1 - D(generated)); 2 log 2 where D knows nothing. It is
        computed from logits by softplus, so that value and gradient are finite at logits of any finite size.

    References:
        Goodfellow et al. (2014), Generative Adversarial Nets, equation 1, which is maximised there.
    """
    return jnp.mean(nnx.softplus(-real_logits)) + jnp.mean(nnx.softplus(fake_logits))


def generator_loss(fake_logits):
    """Compute the non-saturating loss of a generator.

    Args:
        fake_logits: float array of any shape, `discriminator(generated)`.

    Returns:
        Scalar >= 0 in nats: -mean log D(generated). Unlike mean log (1 - D), its gradient does not vanish where the
        discriminator is sure of itself.

    References:
        Goodfellow et al. (2014), section 3, last paragraph before figure 1.
    """
    return jnp.mean(nnx.softplus(-fake_logits))


def _check_shape(what, array, shape):
    if array.shape[1:] != shape or array.ndim != 1 + len(shape):
        raise ValueError(f"expected {what} of shape (B, {', '.join(map(str, shape))}), got {array.shape}.")
