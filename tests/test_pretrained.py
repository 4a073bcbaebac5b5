"""The committed networks: small, as good as they say, and made by the code that is here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from common.data import BytePairs, Vocabulary, evaluation_loader, load_dataset, scoring_windows
from common.judge import judge_digits
from common.losses import cross_entropy
from common.models.diffusion import cosine_alpha_bar, ddim_step, guided_noise, predict_clean
from common.pretrained import MODELS, load_pretrained, weights_path
from common.training import evaluate
from tools.build_weights import RECIPES, code_digest
from tools.recipes import STEP_COUNT

LEAST_ACCURACY = {"mnist_classifier": 0.98, "fashion_mnist_classifier": 0.9}
WRITERS = {"gpt_characters": (Vocabulary.of, 1.15), "gpt_pieces": (lambda text: BytePairs.of(text, 1024), 1.15)}
MEGABYTE = 10**6


def test_every_network_has_a_recipe_and_a_small_file():
    assert MODELS.keys() == RECIPES.keys() and LEAST_ACCURACY.keys() <= RECIPES.keys()
    assert all(weights_path(name).stat().st_size < MEGABYTE for name in MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_file_belongs_to_the_code(name):
    _, facts = load_pretrained(name)
    assert facts["code_sha256"] == code_digest(name), f"the code has changed: run {facts['command']}"


@pytest.mark.parametrize("name", LEAST_ACCURACY)
def test_accuracy_is_what_the_file_says(name):
    model, facts = load_pretrained(name)
    found = evaluate(model, evaluation_loader(load_dataset(facts["data"]).test, 250), cross_entropy)["accuracy"]
    assert found == pytest.approx(float(facts["test_accuracy"]), abs=0.002)
    assert found >= LEAST_ACCURACY[name]


@pytest.mark.parametrize("name", WRITERS)
def test_language_models_know_a_text_that_they_have_not_read(name):
    model, facts = load_pretrained(name)
    learn, bound = WRITERS[name]
    data = load_dataset("prosa")
    tokens, text = learn(data.train["x"]), data.test["x"][:20_000]
    ids = tokens.encode(text)
    assert len(tokens) == model.config.vocabulary_size
    loader = evaluation_loader(scoring_windows(ids, model.context, model.context // 2), 32)
    nats = evaluate(model, loader, cross_entropy)["loss"] * (len(ids) - 1) / len(text)
    assert nats == pytest.approx(float(facts["validation_loss"]), abs=0.1) and nats < bound


def digits_of(name, labels):
    """Return images (N, 28, 28, 1) in [0, 1] that a network makes, of the asked digits if it takes any."""
    model, _ = load_pretrained(name)
    noise = jax.random.normal(jax.random.key(0), (len(labels), getattr(model, "latent_features", 0)))
    if name == "vae":
        return jax.nn.sigmoid(model.decode(noise))
    if "gan" in name:
        return (model(noise, labels if name == "conditional_dcgan" else None) + 1) / 2
    x, moves = jax.random.normal(jax.random.key(0), (len(labels), 28, 28, 1)), 10
    if name == "flow_matching":
        predict = jax.jit(lambda x, t: guided_noise(model, x, t, labels=labels, weight=2.0))
        for move in range(moves):
            x = x + predict(x, move / moves * STEP_COUNT) / moves
        return jnp.clip(x / 2 + 0.5, 0, 1)

    @jax.jit
    def step(x, t, now, then):
        clean = predict_clean(x, guided_noise(model, x, t, labels=labels, weight=2.0), now)
        return ddim_step(x, jnp.clip(clean, -1, 1), alpha_bars=(now, then))

    times = np.linspace(STEP_COUNT - 1, 0, moves).astype(int)
    shares = np.append(cosine_alpha_bar(STEP_COUNT)[times], 1).astype(np.float32)
    for t, now, then in zip(times, shares, shares[1:], strict=False):
        x = step(x, t, now, then)
    return jnp.clip(x / 2 + 0.5, 0, 1)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in LEAST_ACCURACY | WRITERS])
def test_generators_make_digits(name):
    labels = jnp.arange(60) % 10
    judgement = judge_digits(digits_of(name, labels))
    assert judgement.confidence.mean() > 0.7 and len(set(judgement.classes)) >= 8
    if name in ("conditional_dcgan", "diffusion", "flow_matching"):
        assert np.mean(judgement.classes == labels) >= 0.9


def test_unknown_name():
    with pytest.raises(ValueError, match="unknown network 'x'; available: mnist_classifier"):
        load_pretrained("x")
