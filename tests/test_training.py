"""The training step, the loop around it, losses, models and checkpoints."""

import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from common import checkpoint, training
from common.callbacks import Callback
from common.data import evaluation_loader, train_loader
from common.device import PLACEMENTS
from common.interrupt import held_interrupts
from common.losses import cross_entropy
from common.models import MLP
from common.run import REPORT, NonFiniteLoss


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


def test_wide_layers_in_donated_buffers_learn_as_by_hand():
    """XLA of JAX 0.7 multiplied large donated weights as they had been in the first step."""
    rng = np.random.default_rng(0)
    arrays = {"x": rng.integers(0, 256, (640, 28, 28, 1), dtype=np.uint8), "y": rng.integers(0, 10, 640)}
    models = [MLP(784, (256, 128), 10, rngs=nnx.Rngs(0)) for _ in range(2)]
    optimizers = [nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param) for model in models]
    loader = train_loader(arrays, 128)

    @nnx.jit
    def step(model, optimizer, batch):
        grads = nnx.grad(lambda model: cross_entropy(model, batch)[0])(model)
        optimizer.update(model, grads)

    for batch in loader:
        step(models[0], optimizers[0], batch)
    check = evaluation_loader(arrays, 128)
    before = training.evaluate(models[1], check, cross_entropy)["loss"]
    training.fit(models[1], optimizers[1], loader, cross_entropy, callbacks=())
    for one, other in zip(*map(params_of, models), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert training.evaluate(models[1], check, cross_entropy)["loss"] < before


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


@pytest.fixture
def interrupts():
    """Let Ctrl-C raise KeyboardInterrupt, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_ctrl_c_at_any_moment_leaves_whole_steps():
    model, optimizer = make_pair()
    training.fit(model, optimizer, train_loader(make_arrays(), 10), cross_entropy, callbacks=())  # compiles
    loader, rng = train_loader(make_arrays(), 10, epochs=100_000), random.Random(0)
    for _ in range(30):
        timer = threading.Timer(rng.uniform(0.05, 0.15), os.kill, (os.getpid(), signal.SIGINT))
        before = int(optimizer.step[...])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            training.fit(model, optimizer, loader, cross_entropy, callbacks=())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert all(np.isfinite(leaf).all() for leaf in params_of(model)) and int(optimizer.step[...]) >= before
    assert int(optimizer.step[...]) > 6 + 30


@pytest.mark.usefixtures("interrupts")
def test_interrupt_is_held_once_and_only_within_the_block():
    done = []
    with held_interrupts() as hold:
        with pytest.raises(KeyboardInterrupt), hold:
            signal.raise_signal(signal.SIGINT)
            done.append("the block is finished")
        with hold:
            done.append("and the next is not interrupted")
        with pytest.raises(KeyboardInterrupt), hold:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append("never reached")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert len(done) == 2 and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_training_outside_the_main_thread():
    with ThreadPoolExecutor(1) as pool:
        history = pool.submit(training.fit, *make_pair(), train_loader(make_arrays(), 10), cross_entropy, callbacks=())
    assert np.isfinite(history.result()["loss"]).all()


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


def test_predict_without_a_batch_says_so():
    with pytest.raises(ValueError, match="expected a loader of at least one batch, got an empty one"):
        training.predict(make_pair()[0], evaluation_loader({"x": np.zeros((0, 4), np.float32)}, 5))


def test_mlp_without_hidden_layers_is_linear(keys):
    model = MLP(6, (), 2, rngs=nnx.Rngs(0))
    x = jax.random.normal(next(keys), (3, 2, 3))
    expected = x.reshape(3, 6) @ model.layers[0].kernel[...] + model.layers[0].bias[...][None]
    np.testing.assert_allclose(model(x), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28), (5, 28, 27, 1), (784,)])
def test_image_of_the_wrong_shape_is_refused(shape):
    arrays = {"x": np.zeros((20, *shape[1:]) if len(shape) > 1 else 20, np.uint8), "y": np.zeros(20, int)}
    model = MLP(784, (8,), 10, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
    with pytest.raises(
        ValueError, match=r"expected a batch \(B, \.\.\.\) of examples with 784 numbers each, got shape \(10"
    ):
        training.fit(model, optimizer, train_loader(arrays, 10), cross_entropy, callbacks=())
    assert np.isfinite(params_of(model)[0]).all()


def test_accumulation_equals_the_large_batch():
    arrays = {name: array[:40] for name, array in make_arrays().items()}
    large, small = make_pair(optax.adam(1e-2)), make_pair(optax.MultiSteps(optax.adam(1e-2), 4))
    training.fit(*large, train_loader(arrays, 40, epochs=3), cross_entropy, callbacks=())
    training.fit(*small, train_loader(arrays, 10, epochs=3), cross_entropy, callbacks=())
    for one, two in zip(params_of(large[0]), params_of(small[0]), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def weights_by_numpy(decayed, rates, limit=np.inf):
    """Train logistic regression by hand in float64: SGD with weight decay on the kernel, clipping, a rate a step."""
    kernel, bias = (np.asarray(leaf[...], np.float64) for leaf in (linear().kernel, linear().bias))
    for batch, rate in zip(train_loader(make_arrays(), 10), rates, strict=True):
        logits = batch["x"] @ kernel + bias
        error = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - np.eye(3)[batch["y"]]
        grads = [batch["x"].T @ error / 10, error.mean(0)]
        norm = np.sqrt(sum((grad**2).sum() for grad in grads))
        grads = [grad * min(1, limit / norm) for grad in grads]
        kernel, bias = kernel - rate * (grads[0] + decayed * kernel), bias - rate * grads[1]
    return kernel, bias


def linear():
    return MLP(4, (), 3, rngs=nnx.Rngs(0)).layers[0]


def is_kernel(params):
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


@pytest.mark.parametrize(
    ("tx", "expected"),
    [
        (optax.chain(optax.add_decayed_weights(0.3, is_kernel), optax.sgd(0.1)), weights_by_numpy(0.3, [0.1] * 6)),
        (optax.chain(optax.clip_by_global_norm(0.2), optax.sgd(0.5)), weights_by_numpy(0, [0.5] * 6, limit=0.2)),
        (optax.sgd(optax.linear_schedule(0.0, 0.5, 5)), weights_by_numpy(0, np.linspace(0, 0.5, 6))),
    ],
    ids=["decay of kernels only", "clipping", "schedule"],
)
def test_transformations_of_optax_do_what_numpy_does(tx, expected):
    model = MLP(4, (), 3, rngs=nnx.Rngs(0))
    loader = train_loader(make_arrays(), 10)
    training.fit(model, nnx.Optimizer(model, tx, wrt=nnx.Param), loader, cross_entropy, callbacks=())
    np.testing.assert_allclose(model.layers[0].kernel[...], expected[0], atol=1e-5)
    np.testing.assert_allclose(model.layers[0].bias[...], expected[1], atol=1e-5)


def test_frozen_parameters_stay():
    def labels(params):
        return jax.tree_util.tree_map_with_path(lambda path, _: "frozen" if "0" in str(path[1]) else "trained", params)

    model, _ = make_pair()
    tx = optax.multi_transform({"trained": optax.adam(1e-2), "frozen": optax.set_to_zero()}, labels)
    before = [np.array(leaf) for leaf in params_of(model)]
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    training.fit(model, optimizer, train_loader(make_arrays(), 10), cross_entropy, callbacks=())
    moved = [bool((old != new).any()) for old, new in zip(before, params_of(model), strict=True)]
    assert moved == [False, False, True, True]


def test_loss_that_stops_being_finite_is_told_with_its_step():
    arrays = make_arrays()
    arrays["x"][train_order(arrays, 10)[34]] = np.nan  # an example of the fourth batch
    model, optimizer = make_pair()
    with pytest.raises(
        NonFiniteLoss, match=r"not finite at step 4: loss; the last finite loss was .*learning rate"
    ) as caught:
        training.fit(model, optimizer, train_loader(arrays, 10, epochs=2), cross_entropy, callbacks=())
    assert caught.value.step == 4
    model, optimizer = make_pair()
    batches = list(train_loader(make_arrays(), 10))[:3]
    for batch in batches:
        last, _ = cross_entropy(model, batch)
        optimizer.update(model, nnx.grad(lambda model, batch: cross_entropy(model, batch)[0])(model, batch))
    assert caught.value.last_finite == pytest.approx(float(last), rel=1e-5)


def test_replay_of_the_failing_batch_hides_nothing_and_changes_nothing():
    def loss(model, batch, rngs):
        value, metrics = cross_entropy(model, batch, rngs)
        if not isinstance(batch["x"], jax.core.Tracer):
            model.layers[0].bias[...] = model.layers[0].bias[...] + 1e6
            raise RuntimeError("only in the replay")
        return value, metrics

    arrays = make_arrays()
    arrays["x"][train_order(arrays, 10)[0]] = np.nan
    model, optimizer = make_pair(optax.sgd(0.0))
    before = np.asarray(model.layers[0].bias[...])
    with pytest.raises(NonFiniteLoss, match="step 1: loss"):
        training.fit(model, optimizer, train_loader(arrays, 10), loss, callbacks=())
    assert (np.asarray(model.layers[0].bias[...]) < 1e5).all() or np.isnan(model.layers[0].bias[...]).all(), before


def test_not_finite_where_a_callback_stopped():
    class Stop(Callback):
        def step(self, run):
            run.stop = run.step == 3

    arrays = make_arrays()
    arrays["x"][train_order(arrays, 10)[24]] = np.nan
    with pytest.raises(NonFiniteLoss, match="step 3: loss"):
        training.fit(*make_pair(), train_loader(arrays, 10), cross_entropy, callbacks=[Stop()])


def train_order(arrays, batch_size):
    """Return the positions of the examples in the order of the first epoch."""
    numbered = {"x": np.arange(len(arrays["y"]))}
    return np.concatenate([batch["x"] for batch in train_loader(numbered, batch_size)])


def test_first_loss_not_finite():
    model, optimizer = make_pair()
    model.layers[0].bias[...] = jnp.full(8, jnp.nan)
    with pytest.raises(NonFiniteLoss, match="not finite at step 1: loss; no loss was finite before"):
        training.fit(model, optimizer, train_loader(make_arrays(), 10), cross_entropy, callbacks=())


def test_not_finite_in_a_long_epoch_is_noticed_soon():
    steps = []

    class Count(Callback):
        def step(self, run):
            steps.append(run.step)

    model, optimizer = make_pair()
    model.layers[0].bias[...] = jnp.full(8, jnp.nan)
    with pytest.raises(NonFiniteLoss):
        training.fit(model, optimizer, train_loader(make_arrays(2000), 1), cross_entropy, callbacks=[Count()])
    assert len(steps) < 2 * REPORT


@pytest.mark.parametrize("strategy", ["jit", "pmap", "shard_map", "sharding"])
def test_weights_that_others_hold_stay_intact(strategy):
    model, optimizer = make_pair()
    held = jax.tree.leaves(nnx.state((model, optimizer)))
    values = [np.array(leaf) for leaf in held]
    loader = train_loader(make_arrays(64), 16)
    training.fit(model, optimizer, loader, cross_entropy, strategy=strategy, callbacks=())
    for leaf, value in zip(held, values, strict=True):
        assert not leaf.is_deleted() and (np.asarray(leaf) == value).all()
    assert int(optimizer.step[...]) == 4


def test_model_given_in_evaluation_mode_is_trained_in_training_mode():
    outcomes = []
    for prepare in (NoisyMLP.train, NoisyMLP.eval):
        model = NoisyMLP(nnx.Rngs(0))
        prepare(model)
        optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
        training.fit(model, optimizer, train_loader(make_arrays(), 10), cross_entropy, callbacks=())
        outcomes.append(np.asarray(model.outer.kernel[...]))
        assert (np.asarray(model.norm.mean[...]) != 0).all()
    assert (outcomes[0] == outcomes[1]).all()


def test_every_step_draws_another_dropout():
    class Gate(nnx.Module):
        def __init__(self):
            self.weight, self.dropout = nnx.Param(jnp.zeros(32)), nnx.Dropout(0.5)

    def loss(model, batch, rngs):
        value = model.dropout(model.weight[...], rngs=rngs).sum()
        return value, {"loss": (value, jnp.float32(1))}

    kept = []

    class Watch(Callback):
        def step(self, run):
            run.sync()
            kept.append(np.asarray(run.model.weight[...]).copy())

    model = Gate()
    optimizer = nnx.Optimizer(model, optax.sgd(1.0), wrt=nnx.Param)
    loader = train_loader({"x": np.zeros(4)}, 1)
    training.fit(model, optimizer, loader, loss, callbacks=[Watch()])
    masks = np.diff(np.array([np.zeros(32), *kept]), axis=0) != 0
    assert len({tuple(mask) for mask in masks}) == 4  # two equal ones out of 2 to the power 32: never by chance


def test_metrics_without_a_loss_are_refused():
    def nameless(model, batch, rngs):
        value, metrics = cross_entropy(model, batch, rngs)
        return value, {"accuracy": metrics["accuracy"]}

    with pytest.raises(ValueError, match=r'must hold "loss": \(sum, count\), got only \[\'accuracy\'\]'):
        training.fit(*make_pair(), train_loader(make_arrays(), 10), nameless, callbacks=())


@pytest.mark.parametrize("strategy", ["jit", "pmap", "shard_map", "sharding"])
def test_buffers_of_the_state_are_donated(strategy):
    graphdef, state = nnx.split(make_pair())
    leaves, treedef = jax.tree.flatten(state)
    step, placement = training.compiled_step(graphdef, treedef, cross_entropy, strategy), PLACEMENTS[strategy]
    batch = placement.batch(next(iter(train_loader(make_arrays(), 16))))
    leaves, _ = step(placement.state(leaves), batch, jax.random.key(0))  # pmap of JAX 0.7 moves its first input
    step(leaves, batch, jax.random.key(0))
    assert all(leaf.is_deleted() for leaf in leaves)


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


@pytest.mark.parametrize("content", [None, "notes.txt"])
def test_folder_that_is_no_checkpoint_is_named(tmp_path, content):
    if content:
        (tmp_path / content).write_text("not weights")
    with pytest.raises(ValueError, match=f"{tmp_path} is no folder that save\\(\\) made"):
        checkpoint.load(tmp_path, nnx.state(make_pair()[0]))


def test_checkpoint_never_overwrites_and_names_a_missing_folder(tmp_path):
    state = nnx.state(make_pair()[0])
    checkpoint.save(tmp_path / "weights", state)
    with pytest.raises(FileExistsError, match="exists already"):
        checkpoint.save(tmp_path / "weights", state)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        checkpoint.load(tmp_path / "none", state)
