"""The training step, the loop around it, losses, models and checkpoints."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from common import checkpoint, training
from common.data import evaluation_loader, train_loader
from common.losses import as_input, cross_entropy
from common.models import MLP


def make_arrays(count=60):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    return {"x": (rng.normal(size=(count, 4)) + 2 * np.eye(3, 4)[labels]).astype(np.float32), "y": labels}


def make_pair(tx=None, seed=0):
    model = MLP(4, (8,), 3, rngs=nnx.Rngs(seed))
    return model, nnx.Optimizer(model, tx or optax.adam(1e-2), wrt=nnx.Param)


def params_of(model):
    return jax.tree.leaves(nnx.state(model, nnx.Param))


class NoisyMLP(nnx.Module):
    """Batch normalisation and dropout: state and randomness in one small model."""

    def __init__(self, rngs):
        self.inner, self.outer = nnx.Linear(4, 8, use_bias=False, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)
        self.norm, self.dropout = nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(0.5)

    def __call__(self, x, rngs=None):
        return self.outer(self.dropout(nnx.relu(self.norm(self.inner(x))), rngs=rngs))


def test_fit_equals_a_loop_written_by_hand():
    arrays = make_arrays()
    model, optimizer = make_pair()
    loader = train_loader(arrays, 10, seed=1, epochs=2)
    history = training.fit(model, optimizer, loader, cross_entropy, callbacks=())

    graphdef, params = nnx.split(make_pair()[0])
    tx = optax.adam(1e-2)
    state, losses = tx.init(params), []

    def loss_of(params, batch):
        logits = nnx.merge(graphdef, params)(batch["x"])
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(10), batch["y"]])

    for batch in loader:
        loss, grads = jax.value_and_grad(loss_of)(params, batch)
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        losses.append(float(loss))
    for mine, reference in zip(params_of(model), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)
    np.testing.assert_allclose(history["loss"], [np.mean(losses[:6]), np.mean(losses[6:])], rtol=1e-5)
    assert int(optimizer.step[...]) == 12


def test_small_model_learns_a_small_set_by_heart():
    arrays = make_arrays(20)
    model, optimizer = make_pair(optax.adam(3e-2))
    loader = train_loader(arrays, 20, epochs=200)
    check = evaluation_loader(arrays, 8)
    history = training.fit(model, optimizer, loader, cross_entropy, validation=check, callbacks=())
    assert history["validation_accuracy"][-1] == 1 and history["loss"][-1] < 0.05
    assert {len(values) for values in history.values()} == {200}


def test_step_is_traced_once_over_epochs_and_calls():
    traces = []

    def counting_loss(model, batch, rngs):
        traces.append(1)
        return cross_entropy(model, batch, rngs)

    model, optimizer = make_pair()
    for _ in range(2):
        training.fit(model, optimizer, train_loader(make_arrays(), 10, epochs=3), counting_loss, callbacks=())
    assert len(traces) == 1


def test_statistics_move_in_training_and_stay_in_evaluation():
    model = NoisyMLP(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.sgd(0.0), wrt=nnx.Param)
    loader, check = train_loader(make_arrays(), 10), evaluation_loader(make_arrays(), 10)
    before = np.asarray(model.norm.mean[...])
    first = training.evaluate(model, check, cross_entropy)
    assert first == training.evaluate(model, check, cross_entropy)
    assert (np.asarray(model.norm.mean[...]) == before).all() and not model.dropout.deterministic
    training.fit(model, optimizer, loader, cross_entropy, callbacks=())
    assert (np.asarray(model.norm.mean[...]) != before).all()


def test_dropout_follows_the_key():
    outcomes = []
    for seed in (0, 0, 1):
        model = NoisyMLP(nnx.Rngs(0))
        optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
        loader = train_loader(make_arrays(), 10)
        training.fit(model, optimizer, loader, cross_entropy, key=jax.random.key(seed), callbacks=())
        outcomes.append(np.asarray(model.outer.kernel[...]))
    assert (outcomes[0] == outcomes[1]).all() and (outcomes[0] != outcomes[2]).any()


def test_interrupted_training_keeps_the_finished_steps():
    model, optimizer = make_pair()
    loader = train_loader(make_arrays(), 10, epochs=2)

    class Interrupted:
        steps_per_epoch = loader.steps_per_epoch

        def __len__(self):
            return len(loader)

        def __iter__(self):
            for number, batch in enumerate(loader):
                if number == 5:
                    raise KeyboardInterrupt
                yield batch

    with pytest.raises(KeyboardInterrupt):
        training.fit(model, optimizer, Interrupted(), cross_entropy, callbacks=())
    assert int(optimizer.step[...]) == 5 and np.isfinite(np.asarray(params_of(model)[0])).all()


def test_progress_bar_goes_to_standard_output(capsys):
    training.fit(*make_pair(), train_loader(make_arrays(), 10), cross_entropy)
    captured = capsys.readouterr()
    assert "6/6" in captured.out and captured.err == ""


@pytest.mark.parametrize("size", [1, 7, 60])
def test_evaluation_does_not_depend_on_the_batch_size(size):
    model, _ = make_pair()
    arrays = make_arrays()
    found = training.evaluate(model, evaluation_loader(arrays, size), cross_entropy)
    logits = np.asarray(model(arrays["x"]), np.float64)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == arrays["y"]).mean())
    assert found["loss"] == pytest.approx(-log_probabilities[np.arange(60), arrays["y"]].mean(), rel=1e-5)


def test_predict_returns_one_row_an_example():
    model, _ = make_pair()
    arrays = make_arrays()
    logits = training.predict(model, evaluation_loader(arrays, 16))
    np.testing.assert_allclose(logits, model(arrays["x"]), atol=1e-6)


def test_images_are_scaled_and_other_input_is_not():
    assert float(as_input(jnp.array([255], jnp.uint8))[0]) == 1.0
    assert as_input(jnp.array([3], jnp.int32)).dtype == jnp.int32


def test_mlp_without_hidden_layers_is_linear(keys):
    model = MLP(6, (), 2, rngs=nnx.Rngs(0))
    x = jax.random.normal(next(keys), (3, 2, 3))
    expected = x.reshape(3, 6) @ model.layers[0].kernel[...] + model.layers[0].bias[...][None]
    np.testing.assert_allclose(model(x), expected, atol=1e-6)


def test_saved_weights_come_back(tmp_path):
    model, other = make_pair(seed=0)[0], make_pair(seed=1)[0]
    checkpoint.save(tmp_path / "weights", nnx.state(model))
    nnx.update(other, checkpoint.load(tmp_path / "weights", nnx.state(other)))
    for one, two in zip(params_of(model), params_of(other), strict=True):
        assert (one == two).all()


def test_checkpoint_of_another_model_is_refused(tmp_path):
    checkpoint.save(tmp_path / "weights", nnx.state(make_pair()[0]))
    for hidden, message in (((9,), r"layers/0/bias.*has shape \(8,\), expected \(9,\)"), ((8, 8), "another model")):
        with pytest.raises(ValueError, match=message):
            checkpoint.load(tmp_path / "weights", nnx.state(MLP(4, hidden, 3, rngs=nnx.Rngs(0))))


def test_checkpoint_never_overwrites_and_names_a_missing_folder(tmp_path):
    state = nnx.state(make_pair()[0])
    checkpoint.save(tmp_path / "weights", state)
    with pytest.raises(FileExistsError, match="exists already"):
        checkpoint.save(tmp_path / "weights", state)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        checkpoint.load(tmp_path / "none", state)
