"""One step, five ways to run it: the numbers must be those of one device."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import ADAM, Net, largest_difference, last_gradient_nan, leaves_of, make_arrays, make_loaders, make_pair

from common import training
from common.data import evaluation_loader, train_loader
from common.losses import cross_entropy
from common.run import NonFiniteLoss

SHARED = ("pmap", "shard_map", "sharding")


def train(strategy, *, dropout=0.0, key=None, loss=cross_entropy, arrays=None):
    """Return (history, arrays of model and optimizer) after 20 steps of Adam."""
    model, optimizer = make_pair(dropout=dropout)
    loader, check = make_loaders(epochs=4)
    if arrays is not None:
        loader = train_loader(arrays, 32, epochs=4)
    settings = {"strategy": strategy, "key": key, "callbacks": ()}
    history = training.fit(model, optimizer, loader, loss, validation=check, **settings)
    assert int(optimizer.step[...]) == 20
    return history, leaves_of(model, optimizer)


@pytest.fixture(scope="module")
def reference():
    return train("jit")


def test_eight_devices_are_there():
    assert jax.device_count() == 8


@pytest.mark.parametrize("strategy", SHARED)
def test_shared_batches_give_the_numbers_of_one_device(strategy, reference):
    history, arrays = train(strategy)
    assert largest_difference(arrays, reference[1]) <= 1e-6
    for name, values in reference[0].items():
        np.testing.assert_allclose(history[name], values, atol=1e-6, rtol=0)


def test_first_member_of_an_ensemble_gives_the_numbers_of_one_model(reference):
    models, optimizers = map(list, zip(*(make_pair(seed) for seed in range(3)), strict=True))
    loader, check = make_loaders(epochs=4)
    history = training.fit(models, optimizers, loader, cross_entropy, validation=check, callbacks=())
    assert largest_difference(leaves_of(models[0], optimizers[0]), reference[1]) <= 1e-6
    for name, values in reference[0].items():
        np.testing.assert_allclose([epoch[0] for epoch in history[name]], values, atol=1e-6, rtol=0)


def without_mean_over_devices(graphdef, loss):
    """Make a wrong step on purpose: the copy of `make_step` that a beginner writes, each device on its own."""

    def step(state, batch, key):
        model, optimizer = nnx.merge(graphdef, state)
        grads = nnx.grad(lambda model: loss(model, batch, nnx.Rngs(key))[0])(model)
        optimizer.update(model, grads)
        return nnx.state((model, optimizer))

    return jax.pmap(step, in_axes=(0, 0, None), out_axes=None)


def test_a_step_without_the_mean_over_devices_is_caught(reference):
    graphdef, state = nnx.split(make_pair())
    step = without_mean_over_devices(graphdef, cross_entropy)
    for batch in make_loaders(epochs=4)[0]:
        state = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (8, *leaf.shape)), state)
        shards = {name: array.reshape(8, -1, *array.shape[1:]) for name, array in batch.items()}
        state = step(state, shards, jax.random.key(0))
    wrong = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    assert largest_difference(wrong, reference[1]) > 1e-3


def uneven_arrays():
    """Return examples of which very different parts are masked: a mean of the devices' means would be wrong."""
    rng = np.random.default_rng(1)
    arrays = make_arrays()
    return arrays | {"mask": rng.random(160) < np.where(np.arange(160) % 7 < 3, 0.1, 0.9)}


@pytest.mark.parametrize("strategy", SHARED)
def test_masked_examples_do_not_count_on_any_device(strategy):
    expected, found = (train(name, arrays=uneven_arrays()) for name in ("jit", strategy))
    assert largest_difference(found[1], expected[1]) <= 1e-6
    np.testing.assert_allclose(found[0]["loss"], expected[0]["loss"], atol=1e-6, rtol=0)


def masks_of_one_step(strategy, owns_stream=False):
    """Return which of 32 examples dropout let through in one step: only their weights get a gradient."""

    class Gate(nnx.Module):
        def __init__(self):
            self.weight = nnx.Param(jnp.zeros(32))
            self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0) if owns_stream else None)

    def kept(model, batch, rngs):
        passed = model.dropout(jnp.ones(batch["x"].shape), rngs=None if owns_stream else rngs)
        value = (passed * model.weight[...][batch["x"]]).sum() / len(batch["x"])
        return value, {"loss": (value * len(batch["x"]), jnp.float32(len(batch["x"])))}

    model = Gate()
    optimizer = nnx.Optimizer(model, optax.sgd(1.0), wrt=nnx.Param)
    loader = train_loader({"x": np.arange(32)}, 32)
    training.fit(model, optimizer, loader, kept, strategy=strategy, callbacks=())
    return np.asarray(model.weight[...]) != 0


@pytest.mark.parametrize("owns_stream", [False, True])
@pytest.mark.parametrize("strategy", SHARED)
def test_dropout_differs_between_devices(strategy, owns_stream):
    kept = masks_of_one_step(strategy, owns_stream)
    order = next(iter(train_loader({"x": np.arange(32)}, 32)))["x"]
    per_device = kept[order].reshape(8, 4)
    assert 8 <= kept.sum() <= 24  # binomial(32, 1/2): four standard deviations would be 11
    assert len({tuple(row) for row in per_device}) > 2  # 8 draws out of 16 patterns; equal keys would give one


class Centred(nnx.Module):
    """Linear, and the mean of the last input as a statistic of its own kind."""

    def __init__(self, rngs):
        self.linear, self.mean = nnx.Linear(4, 3, rngs=rngs), nnx.BatchStat(jnp.zeros(4))
        self.calls = nnx.Variable(0)

    def __call__(self, x, rngs=None):
        self.mean[...] = x.mean(axis=0)
        return self.linear(x)


@pytest.mark.parametrize("strategy", SHARED)
def test_statistics_of_any_kind_are_those_of_the_whole_batch(strategy):
    states = []
    for name in ("jit", strategy):
        model = Centred(nnx.Rngs(0))
        optimizer = nnx.Optimizer(model, ADAM, wrt=nnx.Param)
        training.fit(model, optimizer, make_loaders(1)[0], cross_entropy, strategy=name, callbacks=())
        states.append(np.asarray(model.mean[...]))
    np.testing.assert_allclose(states[1], states[0], atol=1e-6)


class Largest(nnx.Module):
    """Linear, with the largest input so far, which begins at minus infinity, and a number of steps."""

    def __init__(self, rngs):
        self.linear, self.steps = nnx.Linear(4, 3, rngs=rngs), nnx.BatchStat(jnp.int32(0))
        self.largest, self.untouched = nnx.BatchStat(jnp.full(4, -jnp.inf)), nnx.BatchStat(jnp.full(4, -jnp.inf))

    def __call__(self, x, rngs=None):
        self.largest[...] = jnp.maximum(self.largest[...], x.max(axis=0))
        self.steps[...] = self.steps[...] + 1
        return self.linear(x)


@pytest.mark.parametrize("strategy", ["pmap", "shard_map"])
def test_statistic_that_starts_at_minus_infinity_becomes_the_mean_over_devices(strategy):
    model = Largest(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, ADAM, wrt=nnx.Param)
    loader = make_loaders(1)[0]
    expected = np.full((8, 4), -np.inf)
    for batch in loader:
        expected[:] = np.maximum(expected, batch["x"].reshape(8, 4, 4).max(axis=1)).mean(axis=0)
    training.fit(model, optimizer, loader, cross_entropy, strategy=strategy, callbacks=())
    np.testing.assert_allclose(model.largest[...], expected[0], rtol=1e-6)
    assert np.isneginf(model.untouched[...]).all() and int(model.steps[...]) == 5


@pytest.mark.parametrize("strategy", ["jit", "pmap"])
def test_only_what_the_optimizer_is_given_is_trained(strategy):
    class Adapter(nnx.Param):
        """Trained; everything else is frozen."""

    model = Net(nnx.Rngs(0))
    model.outer.bias = Adapter(model.outer.bias[...])
    before = leaves_of(model.inner)
    optimizer = nnx.Optimizer(model, ADAM, wrt=Adapter)
    training.fit(model, optimizer, make_loaders(1)[0], cross_entropy, strategy=strategy, callbacks=())
    assert largest_difference(leaves_of(model.inner), before) == 0
    assert np.abs(model.outer.bias[...]).min() > 0


@pytest.mark.parametrize("strategy", SHARED)
def test_dropout_trains_and_follows_the_key(strategy):
    runs = [train(strategy, dropout=0.3, key=jax.random.key(seed)) for seed in (0, 0, 1)]
    assert largest_difference(runs[0][1], runs[1][1]) == 0
    assert largest_difference(runs[0][1], runs[2][1]) > 1e-3
    assert runs[0][0]["loss"][-1] < runs[0][0]["loss"][0]


def test_every_member_equals_its_own_run():
    seeds, key = range(8), jax.random.key(5)
    models, optimizers = map(list, zip(*(make_pair(seed, dropout=0.3) for seed in seeds), strict=True))
    loader, check = make_loaders(epochs=4)
    history = training.fit(models, optimizers, loader, cross_entropy, validation=check, key=key, callbacks=())
    for seed, model, optimizer in zip(seeds, models, optimizers, strict=True):
        alone, its_optimizer = make_pair(seed, dropout=0.3)
        settings = {"validation": check, "key": jax.random.fold_in(key, seed), "callbacks": ()}
        own = training.fit(alone, its_optimizer, loader, cross_entropy, **settings)
        assert largest_difference(leaves_of(model, optimizer), leaves_of(alone, its_optimizer)) <= 1e-5
        np.testing.assert_allclose([epoch[seed] for epoch in history["loss"]], own["loss"], atol=1e-5)
    assert largest_difference(leaves_of(models[0]), leaves_of(models[1])) > 0.1


def test_ensemble_of_learning_rates():
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
    rates = [0.0, 0.01, 0.1]
    models, optimizers = map(list, zip(*(make_pair(0, tx) for _ in rates), strict=True))
    for optimizer, rate in zip(optimizers, rates, strict=True):
        optimizer.opt_state.hyperparams["learning_rate"][...] = jnp.float32(rate)
    loader, _ = make_loaders()
    history = training.fit(models, optimizers, loader, cross_entropy, callbacks=())
    model, optimizer = make_pair(0, optax.sgd(0.1))
    alone = training.fit(model, optimizer, loader, cross_entropy, callbacks=())
    assert largest_difference(leaves_of(models[0].outer), leaves_of(make_pair(0)[0].outer)) == 0
    assert largest_difference(leaves_of(models[2]), leaves_of(model)) <= 1e-5
    assert history["loss"][-1][2] == pytest.approx(alone["loss"][-1], abs=1e-5)
    assert history["loss"][-1][0] > history["loss"][-1][1] > history["loss"][-1][2]


@pytest.mark.parametrize("wrap", [lambda tx: tx, lambda tx: optax.chain(optax.clip(1.0), tx)], ids=["bare", "chained"])
def test_negative_learning_rate_set_in_any_member_is_refused(wrap):
    tx = wrap(optax.inject_hyperparams(optax.sgd)(learning_rate=0.1))
    models, optimizers = map(list, zip(*(make_pair(0, tx) for _ in range(3)), strict=True))
    state = optimizers[2].opt_state
    state = state if hasattr(state, "hyperparams") else state[1]
    state.hyperparams["learning_rate"][...] = jnp.float32(-0.25)
    message = r"learning rate must be at least 0, got -0\.25 in opt_state\..*hyperparams\.learning_rate"
    for pair in ((models, optimizers), (models[2], optimizers[2])):
        with pytest.raises(ValueError, match=message):
            training.fit(*pair, make_loaders()[0], cross_entropy, callbacks=())


def test_one_diverging_member_does_not_stop_the_others():
    models, optimizers = map(list, zip(*(make_pair(seed) for seed in range(2)), strict=True))
    models[1].outer.bias[...] = jnp.full(3, jnp.inf)
    history = training.fit(models, optimizers, make_loaders(epochs=2)[0], cross_entropy, callbacks=())
    assert np.isfinite([epoch[0] for epoch in history["loss"]]).all() and np.isnan(history["loss"][-1][1])


@pytest.mark.parametrize("strategy", ["jit", "vmap", *SHARED])
def test_gradient_that_is_nan_in_the_last_step_is_noticed(strategy):
    loss, loader = last_gradient_nan()
    model, optimizer = make_pair(tx=optax.sgd(0.1))
    pair = ([model], [optimizer]) if strategy == "vmap" else (model, optimizer)
    with pytest.raises(NonFiniteLoss, match="not finite at step 5: weights; the last finite loss was"):
        training.fit(*pair, loader, loss, strategy=strategy, callbacks=())


def test_ensemble_is_evaluated_at_once():
    models = [Net(nnx.Rngs(seed)) for seed in range(3)]
    check = evaluation_loader(make_arrays(), 64)
    outputs = training.predict(models, check)
    assert outputs.shape == (3, 160, 3)
    np.testing.assert_allclose(outputs[1], training.predict(models[1], check), atol=1e-6)
    together = training.evaluate(models, check, cross_entropy)
    for number, model in enumerate(models):
        alone = training.evaluate(model, check, cross_entropy)
        assert {name: values[number] for name, values in together.items()} == pytest.approx(alone, abs=1e-6)


def test_validation_labels_out_of_range_are_named():
    arrays = make_arrays()
    arrays["y"][100] = 7
    check, message = evaluation_loader(arrays, 64), r"labels in \[0, 3\) .*got 0 to 7"
    models, optimizers = map(list, zip(*(make_pair(seed) for seed in range(2)), strict=True))
    for model in (models[0], models):
        with pytest.raises(ValueError, match=message):
            training.evaluate(model, check, cross_entropy)
    with pytest.raises(ValueError, match=message):
        training.fit(models, optimizers, make_loaders(1)[0], cross_entropy, validation=check, callbacks=())
    assert int(optimizers[0].step[...]) == 5
    models[0].outer.bias[...] = jnp.full(3, jnp.nan)  # of no use from the first batch on; the other one still is
    with pytest.raises(ValueError, match=message):
        training.evaluate(models, check, cross_entropy)


def test_evaluation_of_a_broken_model_is_nan():
    model = Net(nnx.Rngs(0))
    model.outer.bias[...] = jnp.full(3, jnp.nan)
    check = make_loaders()[1]
    assert np.isnan(training.evaluate(model, check, cross_entropy)["loss"])
    losses = training.evaluate([Net(nnx.Rngs(0)), model], check, cross_entropy)["loss"]
    assert np.isfinite(losses).tolist() == [True, False] and not model.norm.use_running_average


def test_members_must_share_their_optimizer():
    models, optimizers = map(list, zip(*(make_pair(0, optax.adam(rate)) for rate in (0.1, 0.2)), strict=True))
    with pytest.raises(ValueError, match=r"sharing one optax transformation.*inject_hyperparams"):
        training.fit(models, optimizers, make_loaders()[0], cross_entropy, callbacks=())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "ddp"}, r"unknown strategy 'ddp'; expected one of jit, vmap, pmap, shard_map, sharding"),
        ({"strategy": "vmap"}, r'strategy "vmap" and a list of models belong together'),
        ({"strategy": "pmap", "batch_size": 30}, r"batch of 30 examples.*8 devices.*divisible by 8, for instance 32"),
        ({"strategy": "shard_map", "batch_size": 30}, r"batch of 30 examples.*8 devices"),
        ({"strategy": "sharding", "batch_size": 30}, r"batch of 30 examples.*8 devices"),
        ({"tx": optax.adam(-1e-3)}, r"learning rate must be at least 0: .* go up, by 0\.00\d+ a parameter"),
        ({"tx": optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(-0.5, momentum=0.9))}, r"at least 0: .* go up"),
        ({"tx": optax.MultiSteps(optax.sgd(-0.1), 4)}, r"at least 0: .* go up"),
        ({"tx": optax.sgd(optax.linear_schedule(0.0, -0.5, 5))}, r"at least 0: .* go up"),
        ({"tx": optax.lbfgs()}, r"gradients and parameters only; this one expects more: .*value"),
        ({"key": np.array([0, 1], np.uint32)}, r"jax\.random\.key\(seed\)"),
        ({"key": 3}, r"jax\.random\.key\(seed\)"),
        ({"loader": []}, r"expected a loader of common\.data\.train_loader\(\.\.\.\), got list"),
        ({"validation": evaluation_loader({"x": np.zeros((0, 4))}, 5)}, "the validation loader holds no batch"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, message):
    model, optimizer = make_pair(tx=settings.pop("tx", ADAM))
    before = leaves_of(model)
    loader = settings.pop("loader", make_loaders(batch_size=settings.pop("batch_size", 32))[0])
    with pytest.raises(ValueError, match=message):
        training.fit(model, optimizer, loader, cross_entropy, callbacks=(), **settings)
    assert largest_difference(before, leaves_of(model)) == 0


@pytest.mark.parametrize(
    "tx",
    [
        optax.sm3(0.1),
        optax.noisy_sgd(0.1, 0.5, key=jax.random.key(0)),
        optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.05)),
        optax.MultiSteps(optax.adam(0.1), 10),
        optax.sgd(0.0),
        optax.adafactor(0.1),
    ],
    ids=["sm3", "noise", "sam", "accumulation", "rate 0", "adafactor"],
)
def test_transformations_that_do_not_climb_are_accepted(tx):
    model, optimizer = make_pair(tx=tx)
    history = training.fit(model, optimizer, make_loaders(1)[0], cross_entropy, callbacks=())
    assert np.isfinite(history["loss"]).all()


def test_lists_without_members_and_optimizers_without_parameters_are_refused():
    loader = make_loaders()[0]
    with pytest.raises(ValueError, match="two lists of equal length, at least 1"):
        training.fit([], [], loader, cross_entropy, callbacks=())
    model, _ = make_pair()
    optimizer = nnx.Optimizer(model, ADAM, wrt=nnx.LoRAParam)
    with pytest.raises(ValueError, match="nothing to train"):
        training.fit(model, optimizer, loader, cross_entropy, callbacks=())


def test_loader_that_ends_early_is_told():
    loader = make_loaders()[0]

    class Short:
        steps_per_epoch = 5

        def __len__(self):
            return 5

        def __iter__(self):
            return itertools.islice(loader, 3)

    with pytest.raises(ValueError, match=r"the loader ended after 3 batches, but its len\(\) is 5"):
        training.fit(*make_pair(), Short(), cross_entropy, callbacks=())


@pytest.mark.parametrize("strategy", ["pmap", "shard_map", "sharding"])
def test_batch_of_something_else_than_arrays_is_refused(strategy):
    loader = train_loader({"x": np.zeros((64, 4), np.float32), "y": np.zeros(64, int)}, 32)

    class Scalar:
        steps_per_epoch = 2

        def __len__(self):
            return 2

        def __iter__(self):
            return ({**batch, "weight": 1.0} for batch in loader)

    with pytest.raises(ValueError, match=r'expected arrays \(B, \.\.\.\) in a batch, got "weight": float'):
        training.fit(*make_pair(), Scalar(), cross_entropy, strategy=strategy, callbacks=())


@pytest.mark.slow
def test_key_reuse_is_nowhere():
    with jax.debug_key_reuse(True):
        for strategy in ("jit", *SHARED):
            train(strategy, dropout=0.3)
        models, optimizers = map(list, zip(*(make_pair(seed, dropout=0.3) for seed in range(2)), strict=True))
        training.fit(models, optimizers, make_loaders()[0], cross_entropy, callbacks=())


COMPILED = []  # one entry for everything that XLA compiles in this process
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **details: COMPILED.append(event) if event.endswith("/backend_compile_duration") else None
)


@pytest.mark.parametrize("strategy", [None, *SHARED])
def test_compiled_once_for_training_and_once_for_evaluation(strategy):
    def traces_and_compilations(count, epochs):
        traces = []

        def counting(model, batch, rngs):
            traces.append("evaluation" if rngs is None else "training")
            return cross_entropy(model, batch, rngs)

        loader, check = make_loaders(epochs, count=count)
        before = len(COMPILED)
        training.fit(*make_pair(), loader, counting, validation=check, strategy=strategy, callbacks=())
        return traces, len(COMPILED) - before

    traces_and_compilations(64, 1)  # compiles the small operations around the step
    for count, epochs in ((64, 1), (320, 3)):
        assert traces_and_compilations(count, epochs) == (["training", "evaluation"], 2)
