"""Sampling against definitions in NumPy; generation against full re-computation, compiled once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import compiled

from common.models.generation import continue_text, generate, sample_token
from common.models.rnn import CharacterModel
from common.models.transformer import GPT, GPTConfig

LOGITS = np.array([0.3, 2.0, -1.0, 1.5, 0.0, 1.4, -3.0], np.float32)
DRAWS = 20_000
PROMPT = np.array([[3, 1, 2], [2, 4, 4]], np.int32)


def make_rngs(seed=0):
    """Return random streams of a generator that compiles in a fifth of the usual time."""
    return nnx.Rngs(jax.random.key(seed, impl="rbg"))


def make_character_model(seed=0):
    model = CharacterModel(7, 5, 16, rngs=make_rngs(seed))
    model.out.kernel[...] *= 10  # so that texts depend on the prompt, not on the key alone
    return model


def make_gpt(seed=0):
    return GPT(GPTConfig(7, context=12, features=8, heads=2, blocks=2), rngs=make_rngs(seed))


@pytest.fixture(params=[make_character_model, make_gpt], ids=["lstm", "gpt"])
def make(request):
    return request.param


def probabilities_by_numpy(logits, temperature=1.0, top_k=None, top_p=None):
    """Return the distribution of a sampled token, written after the papers."""
    weights = np.exp(logits.astype(np.float64) / temperature)
    if top_k is not None:  # Fan et al.: only the k most likely
        weights[np.argsort(weights)[:-top_k]] = 0
    weights /= weights.sum()
    if top_p is not None:  # Holtzman et al.: the smallest set of likely tokens whose mass is p or more
        nucleus, mass = set(), 0.0
        for token in np.argsort(-weights):
            if mass < top_p:
                nucleus.add(int(token))
                mass += weights[token]
        weights[[token for token in range(len(weights)) if token not in nucleus]] = 0
    return weights / weights.sum()


SETTINGS = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.0, "top_k": 3},
    {"top_k": 1},
    {"top_p": 0.6},
    {"top_p": 0.01},
    {"top_p": 1.0},
    {"temperature": 0.7, "top_k": 4, "top_p": 0.9},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_sampled_tokens_have_the_distribution_of_the_definition(keys, settings):
    expected = probabilities_by_numpy(LOGITS, **settings)
    drawn = sample_token(jnp.tile(LOGITS, (DRAWS, 1)), next(keys), **settings)
    counts = np.bincount(drawn, minlength=7)
    assert drawn.dtype == jnp.int32 and (counts[expected == 0] == 0).all()
    deviation = 4.5 * np.sqrt(DRAWS * expected * (1 - expected)) + 1e-6  # of a binomial count
    assert (np.abs(counts - DRAWS * expected) <= deviation).all()


def test_temperature_zero_takes_the_most_likely_and_the_first_of_equals(keys):
    logits = jnp.array([[0.0, 3.0, 1.0, 3.0], [5.0, -1.0, 2.0, 4.0], [1.0, 1.0, 1.0, 1.0]])
    assert sample_token(logits, next(keys), temperature=0).tolist() == [1, 0, 0]
    assert sample_token(logits[0], next(keys), temperature=0.0, top_k=2, top_p=0.5).tolist() == 1


def test_equal_logits_do_not_widen_the_choice(keys):
    drawn = sample_token(jnp.zeros((500, 6)), next(keys), top_k=2)
    assert set(drawn.tolist()) == {0, 1}


def test_settings_may_be_arguments_of_a_compiled_function(keys):
    traces = []

    @jax.jit
    def draw(logits, key, settings):
        traces.append(1)
        return sample_token(logits, key, **settings)

    logits, key = jnp.tile(LOGITS, (50, 1)), next(keys)
    for temperature, top_k, top_p in [(0.0, 3, 0.5), (0.7, 3, 0.9), (2.0, 5, 1.0)]:
        settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        np.testing.assert_array_equal(draw(logits, key, settings), sample_token(logits, key, **settings))
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -0.1}, "temperature must be at least 0, got -0.1"),
        ({"temperature": float("nan")}, "temperature must be at least 0, got nan"),
        ({"top_k": 0}, "top_k must be an integer of at least 1, or None, got 0"),
        ({"top_k": 2.5}, "top_k must be an integer of at least 1, or None, got 2.5"),
        ({"top_p": 0}, r"top_p must lie in \(0, 1\], or be None, got 0"),
        ({"top_p": 1.1}, r"top_p must lie in \(0, 1\], or be None, got 1.1"),
    ],
)
def test_wrong_settings_are_refused(keys, settings, message):
    with pytest.raises(ValueError, match=message):
        sample_token(LOGITS, next(keys), **settings)


@functools.cache
def compiled_writer(graphdef, length):
    """Return compiled `write(state, prompt, prompt_length, key, temperature)` and a list that grows by each tracing."""
    traces = []

    @jax.jit
    def write(state, prompt, prompt_length, key, temperature):
        traces.append(1)
        settings = {"length": length, "key": key, "prompt_length": prompt_length, "temperature": temperature}
        return generate(nnx.merge(graphdef, state), prompt, **settings)

    return write, traces


def write(model, prompt, *settings, length=6):
    """Write `length` tokens; settings are prompt_length, key, temperature."""
    graphdef, state = nnx.split(model)
    return compiled_writer(graphdef, length)[0](state, prompt, *settings)


def test_temperature_zero_equals_full_recomputation(keys, make):
    model, text = make(), np.pad(PROMPT, ((0, 0), (0, 6)))  # what comes later changes nothing before it
    found = write(model, PROMPT, 3, next(keys), 0.0)
    for place in range(3, 9):
        text[:, place] = np.argmax(compiled(model)(text)[:, place - 1], -1)
    np.testing.assert_array_equal(found, text[:, 3:])
    assert found.dtype == jnp.int32


def test_one_compilation_serves_all_prompts_and_temperatures(keys, make):
    model, key = make(), next(keys)
    texts = [write(model, PROMPT, length, key, temperature) for length in (1, 3) for temperature in (0.01, 2.0)]
    (cold, hot), (cold_later, hot_later) = np.reshape(texts, (2, 2, -1))
    assert (hot != cold).any() and (hot_later != cold_later).any() and (cold != cold_later).any()
    write(make(1), PROMPT[::-1], 2, next(keys), 1.0)
    assert len(compiled_writer(nnx.graphdef(model), 6)[1]) == 1
    unpadded = write(model, PROMPT[:, :1], 1, key, 0.01)
    np.testing.assert_array_equal(texts[0], unpadded)  # padding has no part in the text


def test_same_key_same_text_and_longer_texts_begin_alike(keys, make):
    model, key = make(), next(keys)
    text = write(model, PROMPT, 3, key, 1.0)
    np.testing.assert_array_equal(text, write(model, PROMPT, 3, key, 1.0))
    assert (text != write(model, PROMPT, 3, next(keys), 1.0)).any()
    np.testing.assert_array_equal(write(model, PROMPT, 3, key, 1.0, length=9)[:, :6], text)


def test_one_compilation_writes_texts_of_any_length(keys, make):
    model, key = make(), next(keys)
    graphdef, weights = nnx.split(model)
    traces = []

    @jax.jit
    def write_two(weights, state, written, key):
        traces.append(1)
        return continue_text(nnx.merge(graphdef, weights), state, written, count=2, key=key)

    start, longest = model.start(PROMPT), write(model, PROMPT, 3, key, 1.0, length=9)
    for length in (1, 4, 9):
        state, pieces = start, []
        for written in range(0, length, 2):
            state, piece = write_two(weights, state, written, key)
            pieces.append(piece)
        np.testing.assert_array_equal(np.concatenate(pieces, 1)[:, :length], longest[:, :length])
    assert len(traces) == 1
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        continue_text(model, start, 0, count=0, key=key)


def test_top_p_of_one_keeps_tokens_whose_mass_rounds_away(keys, monkeypatch):
    weighed = []
    monkeypatch.setattr(jax.random, "categorical", lambda key, logits: weighed.append(logits) or logits.argmax(-1))
    sample_token(jnp.array([0.0, -20.0, -21.0]), next(keys), top_p=1.0)
    assert jnp.isfinite(weighed[0]).all()


def test_top_k_and_top_p_reach_the_sampler(keys):
    graphdef, state = nnx.split(make_character_model())

    @jax.jit
    def texts(state, key, settings):
        return [generate(nnx.merge(graphdef, state), PROMPT, length=4, key=key, **one) for one in settings]

    greedy, first, second = texts(state, next(keys), [{"temperature": 0}, {"top_k": 1}, {"top_p": 1e-6}])
    assert (first == greedy).all() and (second == greedy).all()


def test_two_models_under_vmap_write_what_each_writes_alone(keys, make):
    models, key = [make(seed) for seed in (0, 1)], next(keys)
    graphdef, _ = nnx.split(models[0])
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[nnx.state(model) for model in models])
    both = jax.vmap(lambda state: generate(nnx.merge(graphdef, state), PROMPT, length=6, key=key))
    alone = [write(model, PROMPT, 3, key, 1.0) for model in models]
    assert (alone[0] != alone[1]).any()
    np.testing.assert_array_equal(jax.jit(both)(states), jnp.stack(alone))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": PROMPT[0]}, r"expected a prompt \(B, P\) of at least one token, got shape \(3,\)"),
        ({"prompt": PROMPT[:, :0]}, r"at least one token, got shape \(2, 0\)"),
        ({"prompt_length": 4}, r"prompt_length must lie in \[1, 3\] for a prompt of shape .*, got 4"),
        ({"prompt_length": 0}, r"prompt_length must lie in \[1, 3\] for a prompt of shape .*, got 0"),
        ({"length": 0}, "length must be at least 1, got 0"),
        ({"length": 10}, r"expected P \+ length <= 12, the model's context, got 3 \+ 10"),
    ],
)
def test_wrong_requests_are_refused(keys, settings, message):
    with pytest.raises(ValueError, match=message):
        generate(nnx.eval_shape(make_gpt), **{"prompt": PROMPT, "length": 4, "key": next(keys), **settings})


def test_text_may_fill_the_context():
    model = make_gpt()
    text = write(model, PROMPT, 3, jax.random.key(0), 0.0, length=9)
    full = compiled(model)(np.concatenate([PROMPT, text], 1))
    np.testing.assert_array_equal(np.argmax(full, -1)[:, 2:-1], text)
