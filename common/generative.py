"""Losses of generative models, `(model, batch, rngs) -> (scalar, metrics)`; metrics are (sum, count) pairs.

All take `batch["x"]`: (B, H, W, C), uint8 or float in [0, 1]. Where `rngs` is None, as in `common.training.evaluate`,
what is drawn comes from a fixed key: the value stays an unbiased estimate and is the same at every call. A mask, which
`common.data.evaluation_loader` adds, is heeded by all but `adversarial_loss`: the means of its batch count every image.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from .losses import as_input
from .metrics import sum_and_count
from .models.autoencoder import VAE, bernoulli_log_likelihood, gaussian_kl
from .models.diffusion import add_noise, cosine_alpha_bar
from .models.gan import GAN, discriminator_loss, generator_loss
from .models.unet import UNet
from .modules import frozen

EVALUATION_SEED = 0


def negative_elbo(model: VAE, batch, rngs=None):
    """Compute the negative evidence lower bound of images under Bernoulli pixels, with one draw per image.

    Args:
        model: `VAE`.
        batch: `{"x": images}`; binarise them first if the bound is to be that of a distribution. `mask`: (B,) or none.
        rngs: `nnx.Rngs` that draw the codes, or None.

    Returns:
        (mean in nats per image, metrics "loss", "reconstruction" (-log p(x|z)) and "kl").

    References:
        Kingma and Welling (2014), equation 10.
    """
    x, mask = as_input(batch["x"]), batch.get("mask")
    output = model(x, rngs=_or_fixed(rngs))
    reconstruction = -bernoulli_log_likelihood(output.logits, x)
    kl = gaussian_kl(output.mean, output.log_variance)
    total, count = sum_and_count(reconstruction + kl, mask)
    metrics = {"loss": (total, count), "reconstruction": sum_and_count(reconstruction, mask)}
    return total / jnp.maximum(count, 1), metrics | {"kl": sum_and_count(kl, mask)}


def adversarial_loss(model: GAN, batch, rngs=None):
    """Compute the sum of the losses of a generator and a discriminator, each of which moves its own network only.

    One step on it moves both at once; the original algorithm takes turns.

    Args:
        model: `GAN`.
        batch: `{"x": images}`, and `"y"`: (B,) integers for a model with classes.
        rngs: `nnx.Rngs` that draw the noise, or None.

    Returns:
        (sum in nats, metrics "loss", "discriminator" and "generator").

    References:
        Goodfellow et al. (2014), algorithm 1, with the non-saturating loss; Mescheder et al. (2017), section 2, call
        moving both at once simultaneous gradient descent.
    """
    x = 2 * as_input(batch["x"]) - 1  # the generator's range
    labels = batch["y"] if model.has_classes else None
    count = jnp.float32(len(x))
    z = jax.random.normal(_or_fixed(rngs).noise(), (len(x), model.generator.latent_features))
    fake = model.generator(z, labels)
    caught = discriminator_loss(
        model.discriminator(x, labels), model.discriminator(jax.lax.stop_gradient(fake), labels)
    )
    fooled = generator_loss(frozen(model.discriminator)(fake, labels))
    values = {"loss": caught + fooled, "discriminator": caught, "generator": fooled}
    return caught + fooled, {name: (value * count, count) for name, value in values.items()}


@dataclasses.dataclass(frozen=True)
class NoiseLoss:
    """The mean squared error of predicted noise, over random steps of the cosine schedule; called like any loss.

    Attributes:
        step_count: T of `cosine_alpha_bar`.
        label_dropout: probability that an image's label is replaced by "no class", as guidance needs.

    References:
        Ho et al. (2020), equation 14; Ho and Salimans (2022), algorithm 1, for the labels.
    """

    step_count: int
    label_dropout: float = 0.1

    def __call__(self, model: UNet, batch, rngs=None):
        """Return (mean per pixel, metrics "loss").

        Args:
            model: `UNet`.
            batch: `{"x": images}`, and `"y"`: (B,) integers for a model with classes. `mask`: (B,) or none.
            rngs: `nnx.Rngs` that draw step, noise and dropped labels, or None.
        """
        x, rngs = 2 * as_input(batch["x"]) - 1, _or_fixed(rngs)
        t = jax.random.randint(rngs.step(), x.shape[:1], 0, self.step_count)
        noise = jax.random.normal(rngs.noise(), x.shape)
        labels = _drop_labels(model, batch, self.label_dropout, rngs)
        noisy = add_noise(x, noise, cosine_alpha_bar(self.step_count)[t])
        errors = jnp.square(model(noisy, t, labels) - noise).mean((1, 2, 3))
        total, count = sum_and_count(errors, batch.get("mask"))
        return total / jnp.maximum(count, 1), {"loss": (total, count)}


@dataclasses.dataclass(frozen=True)
class FlowLoss:
    """The mean squared error of predicted velocities on straight paths from noise to images; called like any loss.

    Attributes:
        step_count: time from 0 to 1 is told to the model as a number from 0 to `step_count`.
        label_dropout: probability that an image's label is replaced by "no class", as guidance needs.

    References:
        Lipman et al. (2023), equation 23 with sigma = 0; Liu et al. (2023), equation 1.
    """

    step_count: int
    label_dropout: float = 0.1

    def __call__(self, model: UNet, batch, rngs=None):
        """Return (mean per pixel, metrics "loss"); arguments as for `NoiseLoss`."""
        x, rngs = 2 * as_input(batch["x"]) - 1, _or_fixed(rngs)
        t = jax.random.uniform(rngs.step(), x.shape[:1])
        noise = jax.random.normal(rngs.noise(), x.shape)
        labels = _drop_labels(model, batch, self.label_dropout, rngs)
        share = t[:, None, None, None]
        velocity = model((1 - share) * noise + share * x, self.step_count * t, labels)
        errors = jnp.square(velocity - (x - noise)).mean((1, 2, 3))
        total, count = sum_and_count(errors, batch.get("mask"))
        return total / jnp.maximum(count, 1), {"loss": (total, count)}


def _drop_labels(model, batch, probability, rngs):
    """Return labels of which some are "no class"; None for a model without classes."""
    if model.config.class_count is None:
        return None
    is_dropped = jax.random.bernoulli(rngs.dropout(), probability, batch["y"].shape)
    return jnp.where(is_dropped, model.config.class_count, batch["y"])


def _or_fixed(rngs):
    return nnx.Rngs(EVALUATION_SEED) if rngs is None else rngs
