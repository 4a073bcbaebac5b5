"""Autoencoders against principal components, divergences against Monte Carlo and closed forms of others."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from scipy import stats

from common import training
from common.data import evaluation_loader, train_loader
from common.losses import as_input
from common.models.autoencoder import VAE, Autoencoder, bernoulli_log_likelihood, gaussian_kl, reparameterize

SHAPE = (4, 4, 1)


def make(kind=Autoencoder, hidden=(8,), latent=3):
    return kind(SHAPE, latent, hidden_features=hidden, rngs=nnx.Rngs(0))


def count_of(model):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def make_images(count=64):
    """Return (count, 4, 4, 1) float32 of zero mean: three directions that matter and a little noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 3)) * [3, 2, 1] @ rng.normal(size=(3, 16)) / 4 + 0.1 * rng.normal(size=(count, 16))
    return (x - x.mean(0)).astype(np.float32).reshape(-1, *SHAPE)


def squared_error(model, batch, rngs=None):
    error = jnp.mean((model(batch["x"], rngs=rngs) - batch["x"]) ** 2, axis=(1, 2, 3))
    return jnp.mean(error), {"loss": (jnp.sum(error), error.size)}


def negative_elbo(model, batch, rngs=None):
    x = as_input(batch["x"])
    logits, mean, log_variance = model(x, rngs=rngs)
    bound = bernoulli_log_likelihood(logits, x) - gaussian_kl(mean, log_variance)
    return -jnp.mean(bound), {"loss": (-jnp.sum(bound), bound.size)}


def test_shapes_and_parameter_counts(keys):
    x = jax.random.uniform(next(keys), (5, *SHAPE))
    model, vae = make(), make(VAE)
    assert model.encode(x).shape == (5, 3) and model(x).shape == x.shape
    assert [part.shape for part in vae(x, rngs=nnx.Rngs(1))] == [x.shape, (5, 3), (5, 3)]
    decoder = 3 * 8 + 8 + 8 * 16 + 16
    assert count_of(model) == 16 * 8 + 8 + 8 * 3 + 3 + decoder
    assert count_of(vae) == 16 * 8 + 8 + 8 * 6 + 6 + decoder
    wide = make(hidden=(8, 6))
    assert [layer.out_features for layer in wide.encoder.layers] == [8, 6, 3]
    assert [layer.out_features for layer in wide.decoder.layers] == [6, 8, 16]


@pytest.mark.parametrize("kind", [Autoencoder, VAE])
@pytest.mark.parametrize("shape", [(5, 16), (4, 4, 1), (5, 4, 1, 4), (2, 5, 4, 4, 1)])
def test_other_images_and_codes_are_refused(kind, shape):
    model = make(kind)
    with pytest.raises(ValueError, match=rf"expected images of shape \(B, 4, 4, 1\), got \({shape[0]}"):
        model(jnp.zeros(shape))
    with pytest.raises(ValueError, match=r"expected codes of shape \(B, 3\), got \(5, 4\)"):
        model.decode(jnp.zeros((5, 4)))


def test_linear_autoencoder_reaches_the_error_of_principal_components():
    x = make_images()
    singular = np.linalg.svd(x.reshape(64, 16).astype(np.float64), compute_uv=False)
    best = (singular[2:] ** 2).sum() / x.size  # what two components leave over
    model = make(hidden=(), latent=2)
    optimizer = nnx.Optimizer(model, optax.adam(optax.cosine_decay_schedule(3e-2, 400)), wrt=nnx.Param)
    loader = train_loader({"x": x}, 64, epochs=400)
    training.fit(model, optimizer, loader, squared_error, callbacks=())
    reached = training.evaluate(model, evaluation_loader({"x": x}, 64), squared_error)["loss"]
    assert best * (1 - 1e-4) <= reached <= best * 1.01


def test_vae_learns_a_small_set_by_heart():
    x = np.repeat(np.random.default_rng(0).integers(0, 2, (8, *SHAPE)) * 255, 8, axis=0).astype(np.uint8)
    model = make(VAE, hidden=(32,), latent=4)
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    history = training.fit(model, optimizer, train_loader({"x": x}, 64, epochs=200), negative_elbo, callbacks=())
    # log 8 is the entropy of the data; no bound is tighter
    assert history["loss"][0] > 10 and np.log(8) < np.mean(history["loss"][-20:]) < 5


def test_vae_draws_with_rngs_and_takes_the_mean_without(keys):
    model, x = make(VAE), jax.random.uniform(next(keys), (5, *SHAPE))
    mean, log_variance = model.encode(x)
    np.testing.assert_array_equal(model(x).logits, model.decode(mean))
    one, same, other = (model(x, rngs=nnx.Rngs(seed)).logits for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()
    z = reparameterize(mean, log_variance, nnx.Rngs(1))
    np.testing.assert_array_equal(one, model.decode(z))


def test_reparameterised_samples_have_the_moments_and_pass_gradients_on():
    def draw(mean, log_variance):
        shape = (100_000, 2)
        return reparameterize(jnp.broadcast_to(mean, shape), jnp.broadcast_to(log_variance, shape), nnx.Rngs(0))

    mean, log_variance = jnp.array([[1.0, -2.0]]), jnp.array([[0.5, -3.0]])
    z = np.asarray(draw(mean, log_variance))
    deviation = np.exp(np.array([0.5, -3.0]) / 2)
    np.testing.assert_allclose(z.mean(0), [1, -2], atol=0.02)
    np.testing.assert_allclose(z.std(0), deviation, rtol=0.01)
    # E[z^2] = mean^2 + variance, whose derivatives are 2 mean and variance
    grads = jax.grad(lambda *q: jnp.sum(draw(*q) ** 2) / 100_000, argnums=(0, 1))(mean, log_variance)
    np.testing.assert_allclose(grads[0][0], [2, -4], rtol=0.02)
    np.testing.assert_allclose(grads[1][0], deviation**2, atol=0.02)


def test_divergence_against_closed_form_and_monte_carlo():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(2, 4, 3))
    found = gaussian_kl(jnp.float32(mean), jnp.float32(log_variance))
    # log det and trace, as for any two normal distributions
    covariances = [np.diag(np.exp(row)) for row in log_variance]
    closed = [(np.trace(c) + m @ m - 3 - np.linalg.slogdet(c)[1]) / 2 for c, m in zip(covariances, mean, strict=True)]
    np.testing.assert_allclose(found, closed, rtol=1e-5)
    deviation = np.exp(log_variance / 2)
    z = mean + deviation * rng.normal(size=(100_000, 4, 3))
    ratio = stats.norm.logpdf(z, mean, deviation) - stats.norm.logpdf(z)
    np.testing.assert_allclose(found, ratio.sum(-1).mean(0), rtol=0.02)


def test_divergence_keeps_its_digits_near_zero():
    tiny = 1e-4
    assert float(gaussian_kl(jnp.zeros((1, 2)), jnp.zeros((1, 2)))[0]) == 0
    found = float(gaussian_kl(jnp.zeros((1, 1)), jnp.full((1, 1), tiny))[0])
    assert found == pytest.approx((np.expm1(tiny) - tiny) / 2, rel=0.01)
    with pytest.raises(ValueError, match=r"expected log_variance of the mean's shape \(4, 3\), got \(4, 2\)"):
        gaussian_kl(jnp.zeros((4, 3)), jnp.zeros((4, 2)))


def test_likelihood_against_float64():
    rng = np.random.default_rng(0)
    logits, x = 3 * rng.normal(size=(6, *SHAPE)), rng.integers(0, 2, (6, *SHAPE)).astype(np.float32)
    expected = stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-logits))).sum((1, 2, 3))
    np.testing.assert_allclose(bernoulli_log_likelihood(jnp.float32(logits), x), expected, rtol=1e-5)
    grey = rng.uniform(size=(6, *SHAPE)).astype(np.float32)
    p = 1 / (1 + np.exp(-logits))
    expected = (grey * np.log(p) + (1 - grey) * np.log1p(-p)).sum((1, 2, 3))
    np.testing.assert_allclose(bernoulli_log_likelihood(jnp.float32(logits), grey), expected, rtol=1e-5)


def test_likelihood_is_finite_at_extreme_logits():
    logits, x = jnp.array([[1e4], [1e4], [-1e4], [-1e4]]), jnp.array([[1.0], [0.0], [1.0], [0.0]])
    np.testing.assert_allclose(bernoulli_log_likelihood(logits, x), [0, -1e4, -1e4, 0])
    grads = jax.grad(lambda logits: jnp.sum(bernoulli_log_likelihood(logits, x)))(logits)
    np.testing.assert_allclose(grads[:, 0], [0, -1, 1, 0])


def test_likelihood_refuses_other_shapes_and_integers():
    with pytest.raises(ValueError, match=r"expected logits of the images' shape \(2, 3\), got \(2, 4\)"):
        bernoulli_log_likelihood(jnp.zeros((2, 4)), jnp.zeros((2, 3)))
    with pytest.raises(TypeError, match="expected images of floats in .0, 1., got uint8"):
        bernoulli_log_likelihood(jnp.zeros((2, 3)), jnp.zeros((2, 3), jnp.uint8))
