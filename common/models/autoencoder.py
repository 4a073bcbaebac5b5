"""Autoencoders of images: the plain one and the variational one."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from .mlp import MLP


class Autoencoder(nnx.Module):
    """An MLP that squeezes an image into a few numbers, and one that unfolds them again.

    Args:
        shape: of one image, for instance (28, 28, 1).
        latent_features: numbers in the code of an image, D.
        hidden_features: width of the encoder's hidden layers; the decoder has them in reverse. Empty gives the linear
            autoencoder, whose best solution spans the first D principal components.
        activation: elementwise function between the layers.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Hinton and Salakhutdinov (2006); Baldi and Hornik (1989) for the linear case.
    """

    outputs_per_latent = 1  # of the encoder; a VAE needs mean and log variance

    def __init__(
        self,
        shape: Sequence[int],
        latent_features: int,
        *,
        hidden_features: Sequence[int],
        activation: Callable[[jax.Array], jax.Array] = nnx.relu,
        rngs: nnx.Rngs,
    ):
        self.shape, self.latent_features = tuple(shape), latent_features
        hidden, size = tuple(hidden_features), math.prod(shape)
        self.encoder = MLP(size, hidden, self.outputs_per_latent * latent_features, activation=activation, rngs=rngs)
        self.decoder = MLP(latent_features, hidden[::-1], size, activation=activation, rngs=rngs)

    def encode(self, x):
        """Return the codes of images.

        Args:
            x: (B, *shape) float array.

        Returns:
            (B, D) float array.

        Raises:
            ValueError: the images have another shape.
        """
        _check_shape("images", x, self.shape)
        return self.encoder(x)

    def decode(self, z):
        """Return the images of codes.

        Args:
            z: (B, D) float array.

        Returns:
            (B, *shape) float array without a bound: values, or logits, as the loss takes them.

        Raises:
            ValueError: the codes have another shape.
        """
        _check_shape("codes", z, (self.latent_features,))
        return self.decoder(z).reshape(-1, *self.shape)

    def __call__(self, x, rngs=None):
        """Return `decode(encode(x))`, of the shape of x; `rngs` is not used."""
        return self.decode(self.encode(x))


class VAEOutput(NamedTuple):
    """What a VAE computes for a batch: logits (B, *shape); mean and log_variance of q(z|x), both (B, D)."""

    logits: jax.Array
    mean: jax.Array
    log_variance: jax.Array


class VAE(Autoencoder):
    """A variational autoencoder: its encoder gives a normal distribution q(z|x), its decoder Bernoulli logits.

    Args: those of `Autoencoder`; only the encoder's last layer is twice as wide.

    References:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, section 3 and appendix C.
    """

    outputs_per_latent = 2

    def encode(self, x):
        """Return (mean, log_variance) of q(z|x), both (B, D); arguments and errors are those of `Autoencoder`."""
        mean, log_variance = jnp.split(super().encode(x), 2, axis=-1)
        return mean, log_variance

    def __call__(self, x, rngs=None):
        """Encode, draw z from q(z|x), decode.

        Args:
            x: (B, *shape) float array.
            rngs: `nnx.Rngs` that draw z; None takes the mean instead, in training too.

        Returns:
            `VAEOutput(logits, mean, log_variance)`.
        """
        mean, log_variance = self.encode(x)
        z = mean if rngs is None else reparameterize(mean, log_variance, rngs)
        return VAEOutput(self.decode(z), mean, log_variance)


def reparameterize(mean, log_variance, rngs):
    """Draw z from a normal distribution so that gradients reach its mean and variance.

    Args:
        mean, log_variance: (B, D) float arrays.
        rngs: `nnx.Rngs`; its stream "noise" (or the default one) gives the key.

    Returns:
        (B, D) float array, mean + standard deviation * noise.

    References:
        Kingma and Welling (2014), section 2.4.
    """
    noise = jax.random.normal(rngs.noise(), mean.shape, mean.dtype)
    return mean + jnp.exp(log_variance / 2) * noise


def gaussian_kl(mean, log_variance):
    """Compute the Kullback-Leibler divergence from N(mean, variance) to N(0, 1), the axes being independent.

    Args:
        mean, log_variance: (B, D) float arrays.

    Returns:
        (B,) float array in nats, >= 0.

    Raises:
        ValueError: the two differ in shape.

    References:
        Kingma and Welling (2014), appendix B.
    """
    if mean.shape != log_variance.shape:
        raise ValueError(f"expected log_variance of the mean's shape {mean.shape}, got {log_variance.shape}.")
    # expm1, since exp(v) - 1 - v would lose its digits near v = 0, where a collapsed posterior ends.
    return jnp.sum(mean**2 + jnp.expm1(log_variance) - log_variance, axis=-1) / 2


def bernoulli_log_likelihood(logits, x):
    """Compute log p(x) of images whose pixels are independent Bernoulli variables.

    Args:
        logits: (B, ...) float array; the probability of a 1 is sigmoid(logits).
        x: float array of the same shape: 0 or 1, or a probability between them.

    Returns:
        (B,) float array in nats, <= 0; finite at logits of any finite size.

    Raises:
        ValueError: the two differ in shape.
        TypeError: x holds integers, which may be pixels from 0 to 255; `common.losses.as_input` scales those.

    References:
        Kingma and Welling (2014), appendix C.1, with log sigmoid(a) = a - softplus(a).
    """
    if logits.shape != x.shape:
        raise ValueError(f"expected logits of the images' shape {x.shape}, got {logits.shape}.")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"expected images of floats in [0, 1], got {x.dtype}; scale or binarise them first.")
    return jnp.sum(x * logits - nnx.softplus(logits), axis=tuple(range(1, x.ndim)))


def _check_shape(what, array, shape):
    if array.shape[1:] != shape or array.ndim != 1 + len(shape):
        raise ValueError(f"expected {what} of shape (B, {', '.join(map(str, shape))}), got {array.shape}.")
