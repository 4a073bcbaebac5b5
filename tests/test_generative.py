"""Losses of generative models: values against independent sums, masks, fixed draws in evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from common.generative import NoiseLoss, adversarial_loss, negative_elbo
from common.models.autoencoder import VAE
from common.models.diffusion import cosine_alpha_bar
from common.models.gan import GAN, DCGANConfig, DCGANDiscriminator, DCGANGenerator
from common.models.unet import UNet, UNetConfig
from common.modules import frozen

SHAPE = (4, 4, 1)


def make_images(count=5):
    return np.random.default_rng(0).integers(0, 256, (count, *SHAPE)).astype(np.uint8)


def test_negative_elbo_adds_what_is_lost_and_what_the_code_costs():
    model, x = VAE(SHAPE, 2, hidden_features=(8,), rngs=nnx.Rngs(0)), make_images() / np.float32(255)
    value, metrics = negative_elbo(model, {"x": x}, nnx.Rngs(3))
    output = model(x, rngs=nnx.Rngs(3))
    chances = 1 / (1 + np.exp(-np.asarray(output.logits, np.float64)))
    lost = -(x * np.log(chances) + (1 - x) * np.log(1 - chances)).sum() / 5
    mean, variance = np.asarray(output.mean, np.float64), np.exp(np.asarray(output.log_variance, np.float64))
    cost = (mean**2 + variance - 1 - np.log(variance)).sum() / 2 / 5
    assert float(value) == pytest.approx(lost + cost, rel=1e-5)
    assert float(metrics["reconstruction"][0]) / 5 == pytest.approx(lost, rel=1e-5)
    assert float(metrics["kl"][0]) / 5 == pytest.approx(cost, rel=1e-4)
    in_integers = negative_elbo(model, {"x": make_images()}, nnx.Rngs(3))[0]
    assert float(in_integers) == pytest.approx(float(value), rel=1e-6)


@pytest.mark.slow
def test_mask_leaves_images_out():
    vae, unet = VAE(SHAPE, 2, hidden_features=(8,), rngs=nnx.Rngs(0)), make_unet()
    mask = np.array([True, False, True, True, False])
    for loss, model in ((negative_elbo, vae), (NoiseLoss(20), unet)):
        whole = loss(model, {"x": make_images(), "y": np.zeros(5, int), "mask": mask})
        other = np.where(mask[:, None, None, None], make_images(), 0).astype(np.uint8)
        assert float(whole[1]["loss"][1]) == 3
        again = loss(model, {"x": other, "y": np.zeros(5, int), "mask": mask})[0]
        assert float(whole[0]) == pytest.approx(float(again), rel=1e-6)


def make_unet(class_count=3):
    return UNet(UNetConfig(features=(2,), condition_features=2, groups=1, class_count=class_count), rngs=nnx.Rngs(0))


def make_gan():
    config = DCGANConfig(size=4, latent_features=3, features=(2,))
    return GAN(DCGANGenerator(config, rngs=nnx.Rngs(0)), DCGANDiscriminator(config, rngs=nnx.Rngs(1)))


def test_what_is_drawn_in_evaluation_is_always_the_same():
    batch = {"x": make_images(), "y": np.arange(5) % 3}
    vae = VAE(SHAPE, 2, hidden_features=(8,), rngs=nnx.Rngs(0))
    gan = make_gan()
    nnx.update(gan, jax.tree.map(lambda leaf: 100 * leaf, nnx.state(gan, nnx.Param)))  # else its logits are nearly 0
    for loss, model in ((negative_elbo, vae), (NoiseLoss(20), make_unet()), (adversarial_loss, gan)):
        model.eval()
        assert float(loss(model, batch)[0]) == float(loss(model, batch)[0])
        assert float(loss(model, batch, nnx.Rngs(5))[0]) != float(loss(model, batch, nnx.Rngs(6))[0])


@pytest.mark.slow
def test_noise_loss_of_models_whose_error_is_known():
    x = np.repeat(make_images(), 400, axis=0)
    found = NoiseLoss(50)(make_unet(None), {"x": x}, nnx.Rngs(0))[0]  # untrained, it says that the image is the noise
    shares = np.asarray(cosine_alpha_bar(50), np.float64)
    brightness = np.mean((2 * x / 255.0 - 1) ** 2)
    expected = np.mean(shares * brightness + (1 - np.sqrt(1 - shares)) ** 2)
    assert float(found) == pytest.approx(expected, rel=0.05)


def test_labels_are_dropped_as_often_as_asked():
    seen = []

    class Spy:
        config = UNetConfig(class_count=3)

        def __call__(self, x, t, labels):
            seen.append((np.asarray(t), np.asarray(labels)))
            return x

    batch = {"x": np.zeros((4000, *SHAPE), np.float32), "y": np.arange(4000) % 3}
    NoiseLoss(7, label_dropout=0.25)(Spy(), batch, nnx.Rngs(0))
    (t, labels), *_ = seen
    assert np.bincount(t, minlength=7).min() > 450 and t.max() == 6
    assert (labels == 3).mean() == pytest.approx(0.25, abs=0.03)
    assert (labels[labels < 3] == batch["y"][labels < 3]).all()


def test_adversarial_metrics_add_up():
    model, batch = make_gan(), {"x": make_images()}
    value, metrics = adversarial_loss(model, batch, nnx.Rngs(0))
    parts = [float(metrics[name][0] / metrics[name][1]) for name in ("discriminator", "generator")]
    assert float(value) == pytest.approx(sum(parts), rel=1e-6) and float(metrics["loss"][1]) == 5


def test_frozen_model_passes_gradients_on_but_takes_none(keys):
    model, x = nnx.Linear(3, 2, rngs=nnx.Rngs(0)), jax.random.normal(next(keys), (4, 3))
    of_model = nnx.grad(lambda model: frozen(model)(x).sum())(model)
    assert all(float(jnp.abs(leaf).max()) == 0 for leaf in jax.tree.leaves(of_model))
    of_input = jax.grad(lambda x: frozen(model)(x).sum())(x)
    np.testing.assert_allclose(of_input, jnp.broadcast_to(model.kernel[...].sum(1), (4, 3)), rtol=1e-6)
    np.testing.assert_array_equal(frozen(model)(x), model(x))
