"""Recurrent networks: numbers by hand, padding, both directions, causality, bad input, learning."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import compiled

from common import training
from common.data import train_loader
from common.losses import cross_entropy, in_bfloat16
from common.models.rnn import (
    CELLS,
    CharacterModel,
    SequenceClassifier,
    SequenceClassifierConfig,
    reverse_sequences,
    sequence_lengths,
    set_chrono_bias,
)

WORDS = np.array([[3, 1, 2, 0, 0], [5, 0, 0, 0, 0], [2, 4, 4, 1, 6], [1, 2, 3, 5, 0]], np.int32)
KINDS = list(itertools.product(CELLS, (False, True)))


def make_rngs(seed=0):
    """Return random streams of a generator that compiles in a fifth of the usual time."""
    return nnx.Rngs(jax.random.key(seed, impl="rbg"))


def make_classifier(cell="lstm", bidirectional=False, dropout=0.0, seed=0):
    settings = {"features": 5, "hidden_features": 6, "bidirectional": bidirectional, "dropout": dropout}
    config = SequenceClassifierConfig(7, 3, cell, **settings)
    return SequenceClassifier(config, rngs=make_rngs(seed))


def make_language_model(dropout=0.0):
    return CharacterModel(7, 5, 6, dropout=dropout, rngs=make_rngs())


def parameter_count(model):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


@pytest.mark.parametrize(("cell", "gates"), [("simple", 1), ("gru", 3), ("lstm", 4)])
@pytest.mark.parametrize("directions", [1, 2])
def test_parameter_counts_by_hand(cell, gates, directions):
    recurrent = gates * (5 * 6 + 6 * 6 + 6)
    model = nnx.eval_shape(lambda: make_classifier(cell, bidirectional=directions == 2))
    assert parameter_count(model) == 7 * 5 + directions * recurrent + (directions * 6 * 3 + 3)
    assert len(jax.tree.leaves(nnx.state(model, nnx.Not(nnx.Param)))) == 0  # no random streams


def test_parameter_count_of_the_language_model():
    model = nnx.eval_shape(make_language_model)
    assert parameter_count(model) == 7 * 5 + 4 * (5 * 6 + 6 * 6 + 6) + (6 * 7 + 7)


def test_lengths_end_at_the_last_token():
    x = np.array([[1, 2, 0, 0], [4, 0, 3, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    assert sequence_lengths(x).tolist() == [2, 3, 1, 4]


def test_reversal_leaves_padding_at_the_end():
    x = np.array([[1, 2, 3, 0], [4, 5, 6, 7], [8, 0, 0, 0]])
    found = reverse_sequences(x, jnp.array([3, 4, 1]))
    assert found.tolist() == [[3, 2, 1, 0], [7, 6, 5, 4], [8, 0, 0, 0]]


@pytest.mark.parametrize(("cell", "bidirectional"), [("simple", False), ("lstm", False), ("gru", True)])
def test_padding_changes_nothing(cell, bidirectional):
    model = compiled(make_classifier(cell, bidirectional))
    together = model(np.pad(WORDS, ((0, 0), (0, 3))))
    assert together.shape == (4, 3)
    for word, logits in zip(WORDS[:2], together, strict=False):
        alone = model(word[None, : np.count_nonzero(word)])[0]
        np.testing.assert_allclose(alone, logits, atol=1e-6)


@pytest.mark.parametrize("cell", ["simple", "lstm"])
def test_gradient_ignores_padding(cell):
    graphdef, params = nnx.split(make_classifier(cell, bidirectional=True))
    grad = jax.jit(jax.grad(lambda params, x: (nnx.merge(graphdef, params)(x) ** 2).sum()))
    short, long = (grad(params, x) for x in (WORDS, np.pad(WORDS, ((0, 0), (0, 3)))))
    for one, two in zip(jax.tree.leaves(short), jax.tree.leaves(long), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
    assert (nnx.merge(graphdef, long).embed.embedding[...][0] == 0).all()  # the padding token learns nothing


def run_by_numpy(kind, cell, embedded):
    """Return the hidden state after the last of the embedded tokens, (T, D) -> (H,)."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    h = c = np.zeros(6)
    inner, outer = np.asarray(cell.dense_i.kernel[...]), np.asarray(cell.dense_h.kernel[...])
    bias = np.asarray((cell.dense_h if kind == "lstm" else cell.dense_i).bias[...])
    for x in embedded:
        if kind == "simple":
            h = np.tanh(x @ inner + bias + h @ outer)
        elif kind == "lstm":
            i, f, g, o = np.split(x @ inner + h @ outer + bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            (xr, xz, xn), (hr, hz, hn) = np.split(x @ inner + bias, 3), np.split(h @ outer, 3)
            z = sigmoid(xz + hz)
            h = (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn) + z * h
    return h


@pytest.mark.parametrize(("cell", "bidirectional"), KINDS)
def test_classifier_equals_numpy(cell, bidirectional):
    model = make_classifier(cell, bidirectional)
    for rnn in model.rnns:
        for linear in (rnn.cell.dense_i, rnn.cell.dense_h):
            if linear.bias is not None:
                linear.bias[...] = jnp.linspace(-1, 1, linear.bias.shape[0])
    embedding = np.asarray(model.embed.embedding[...])
    for word, logits in zip(WORDS, compiled(model)(WORDS), strict=True):
        embedded = embedding[word[word > 0]]
        states = [run_by_numpy(cell, model.rnns[0].cell, embedded)]
        if bidirectional:
            states.append(run_by_numpy(cell, model.rnns[1].cell, embedded[::-1]))
        expected = np.concatenate(states) @ np.asarray(model.out.kernel[...]) + np.asarray(model.out.bias[...])
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_row_of_padding_only_has_finite_logits():
    assert np.isfinite(compiled(make_classifier(bidirectional=True))(np.zeros((2, 4), np.int32))).all()


def test_later_characters_do_not_change_earlier_logits():
    model, changed = compiled(make_language_model()), WORDS.copy()
    changed[:, 3] = (changed[:, 3] + 1) % 7
    before, after = model(WORDS), model(changed)
    assert before.shape == (4, 5, 7)
    assert (before[:, :3] == after[:, :3]).all() and (before[:, 3:] != after[:, 3:]).any(-1).all()


def test_steps_equal_the_whole_sequence():
    model = make_language_model()
    whole, carry, step = compiled(model)(WORDS), model.initial_carry(4), compiled(model, "step")
    assert all(part.shape == (4, 6) and (part == 0).all() for part in carry)
    for place in range(5):
        carry, logits = step(carry, WORDS[:, place])
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-5)
    started, logits = compiled(model, "start")(WORDS)
    np.testing.assert_allclose(logits, whole[:, -1], atol=1e-5)
    for one, two in zip(started, carry, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_padding_of_a_prompt_does_not_count():
    model = make_language_model()
    started, logits = compiled(model, "start")(WORDS, 3)
    expected, expected_logits = compiled(model, "start")(WORDS[:, :3])
    for one, two in zip((*started, logits), (*expected, expected_logits), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("make", [make_classifier, make_language_model])
def test_dropout_follows_mode_and_key(make):
    model = make(dropout=0.5)
    model.train()
    graphdef, state = nnx.split(model)
    call = jax.jit(lambda state, key: nnx.merge(graphdef, state)(WORDS, nnx.Rngs(key)))
    one, same, other = (call(state, jax.random.key(seed, impl="rbg")) for seed in (0, 0, 1))
    assert (one == same).all() and (one != other).any()
    with pytest.raises(ValueError, match="rngs"):
        model(WORDS)
    model.eval()
    np.testing.assert_array_equal(compiled(model)(WORDS), compiled(make())(WORDS))


@pytest.mark.parametrize("make", [make_classifier, make_language_model])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones(5, np.int32), r"expected tokens \(B, T\).*got shape \(5,\)"),
        (np.ones((5, 0), np.int32), r"T of at least 1, got shape \(5, 0\)"),
        (np.ones((5, 2), np.float32), "expected integer tokens, got float32"),
    ],
)
def test_wrong_tokens_are_refused(make, x, message):
    with pytest.raises(ValueError, match=message):
        nnx.eval_shape(make)(x)


@pytest.mark.parametrize("make", [make_classifier, make_language_model])
def test_negative_token_is_refused(make):
    with pytest.raises(ValueError, match="tokens of 0 or more, got -1"):
        make()(np.array([[1, -1]]))


def test_tokens_known_to_a_compiled_function_are_accepted():
    model, x = make_classifier(), jnp.asarray(WORDS)
    np.testing.assert_allclose(jax.jit(lambda: model(x))(), model(x), rtol=1e-5, atol=1e-6)


def test_token_out_of_range_makes_nan():
    x = WORDS.copy()
    x[1, 0] = 7
    assert np.isnan(compiled(make_classifier())(x)).any(-1).tolist() == [False, True, False, False]


def test_unknown_cell_is_refused():
    with pytest.raises(ValueError, match="cell must be one of simple, lstm, gru, got 'elman'"):
        make_classifier("elman")


@pytest.mark.parametrize(("cell", "bidirectional"), [("simple", False), ("lstm", False), ("gru", True)])
def test_classifier_learns_words_by_heart(cell, bidirectional):
    model = make_classifier(cell, bidirectional)
    arrays = {"x": WORDS, "y": np.array([0, 1, 2, 1])}
    optimizer = nnx.Optimizer(model, optax.adam(3e-2), wrt=nnx.Param)
    history = training.fit(model, optimizer, train_loader(arrays, 4, epochs=80), cross_entropy, callbacks=())
    assert history["accuracy"][-1] == 1 and history["loss"][-1] < 0.1


def test_language_model_learns_a_sentence_by_heart():
    model, text = make_language_model(), np.array([1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 0], np.int32)
    arrays = {"x": text[None, :-1], "y": text[None, 1:]}  # what follows 1 is known from the past only
    optimizer = nnx.Optimizer(model, optax.adam(3e-2), wrt=nnx.Param)
    history = training.fit(model, optimizer, train_loader(arrays, 1, epochs=150), cross_entropy, callbacks=())
    assert history["accuracy"][-1] == 1 and history["loss"][-1] < 0.1


def test_two_models_under_vmap_equal_each_alone():
    models = [make_classifier("gru", seed=seed) for seed in (0, 1)]
    graphdef, _ = nnx.split(models[0])
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[nnx.state(model) for model in models])
    both = jax.jit(jax.vmap(lambda state: nnx.merge(graphdef, state)(WORDS)))(states)
    for logits, model in zip(both, models, strict=True):
        np.testing.assert_allclose(logits, compiled(model)(WORDS), atol=1e-6)


@pytest.mark.parametrize("cell", ["simple", "lstm"])
def test_bfloat16_gives_nearly_the_same_loss(cell):
    graphdef, state = nnx.split(make_classifier(cell, bidirectional=True))

    @jax.jit
    def losses(state, batch):
        return [loss(nnx.merge(graphdef, state), batch)[0] for loss in (cross_entropy, in_bfloat16(cross_entropy))]

    expected, found = losses(state, {"x": WORDS, "y": np.array([0, 1, 2, 1])})
    assert found != expected and found == pytest.approx(float(expected), rel=0.05)


def test_chrono_bias_spreads_the_memories_of_an_lstm(keys):
    cell = nnx.OptimizedLSTMCell(3, 400, rngs=make_rngs())
    set_chrono_bias(cell, 50, next(keys))
    to_input, forget, candidate, output = np.split(np.asarray(cell.dense_h.bias[...]), 4)
    np.testing.assert_array_equal(to_input, -forget)
    assert not candidate.any() and not output.any()
    memories = 1 / (1 - 1 / (1 + np.exp(-forget.astype(np.float64))))  # 1 / (1 - f), steps
    np.testing.assert_allclose(np.quantile(memories, [0, 0.5, 1]), [2, 26, 50], atol=2)
    (c, _), _ = cell((jnp.ones((1, 400)), jnp.zeros((1, 400))), jnp.zeros((1, 3)))  # nothing comes in: c shrinks to f
    np.testing.assert_allclose(c[0], 1 / (1 + np.exp(-forget)), rtol=1e-5)


def test_chrono_bias_of_a_gru_keeps_its_state(keys):
    cell = nnx.GRUCell(3, 400, rngs=make_rngs())
    set_chrono_bias(cell, 50, next(keys))
    cell.dense_h.kernel[...] = 0 * cell.dense_h.kernel[...]
    h, _ = cell(jnp.full((1, 400), 0.5), jnp.zeros((1, 3)))  # the candidate is 0 now
    memories = 1 / (1 - 2 * np.asarray(h[0], np.float64))
    np.testing.assert_allclose(np.quantile(memories, [0, 0.5, 1]), [2, 26, 50], atol=2)


def test_chrono_bias_refuses_other_cells_and_short_memories(keys):
    with pytest.raises(TypeError, match="got SimpleCell"):
        set_chrono_bias(nnx.SimpleCell(3, 4, rngs=make_rngs()), 50, next(keys))
    with pytest.raises(ValueError, match="got 2"):
        set_chrono_bias(nnx.GRUCell(3, 4, rngs=make_rngs()), 2, next(keys))
