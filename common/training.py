"""One training step, the loop around it, and the only jit, vmap and pmap of the package."""

import contextlib
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from .callbacks import Checkpoint, Progress
from .device import DATA_AXIS, compiler_options, data_mesh, keep_freed_memory
from .interrupt import held_interrupts
from .losses import as_input
from .metrics import summarize
from .modules import modules_of
from .run import NonFiniteLoss, Run, split_members
from .settings import check_settings

PROBES = 4  # updates tried to see which way a transformation goes


def make_step(graphdef, loss, axis_name=None):
    """Make the pure training step of a model and its optimizer.

    Args:
        graphdef: from `nnx.split((model, optimizer))`.
        loss: `(model, batch, rngs) -> (scalar, metrics)`; metrics are (sum, count) pairs, one of them named "loss".
            The scalar is a mean over the examples which that pair counts, plus terms of the weights alone.
        axis_name: axis of `jax.pmap` or `jax.shard_map` over which devices share a batch: gradients, metrics and the
            statistics of `nnx.BatchNorm` are then those of the whole batch, other statistics the mean over devices.
            Of integer variables those of the first device count: right for a number of steps, which is the same
            everywhere, wrong for a number of examples. None: there is no such axis.

    Returns:
        `step(state, batch, key) -> (state, metrics)`, a pure function ready for `jax.jit`.

    Raises:
        ValueError: when traced, the metrics of the loss lack "loss".
    """

    def step(state, batch, key):
        model, optimizer = nnx.merge(graphdef, state)
        model.train()
        key = jax.random.fold_in(key, optimizer.step[...])  # a fresh key each step, the same after a restart
        if axis_name is not None:
            key = jax.random.fold_in(key, jax.lax.axis_index(axis_name))  # other dropout on every device
            for module in modules_of(model):
                if isinstance(module, nnx.BatchNorm):
                    module.axis_name = axis_name
        model_graph, params, own_keys, rest = nnx.split(model, optimizer.wrt, nnx.RngKey, ...)

        def loss_of(params):
            keys, variables = (jax.tree.map(lambda leaf: leaf, tree) for tree in (own_keys, rest))  # not the outer ones
            if axis_name is not None:
                keys = jax.tree.map(lambda key: _fold_in_index(key, axis_name), keys)
            model = nnx.merge(model_graph, params, keys, variables)
            value, metrics = loss(model, batch, nnx.Rngs(key))
            if "loss" not in metrics:
                raise ValueError(f'the metrics of a loss must hold "loss": (sum, count), got only {sorted(metrics)}.')
            if axis_name is not None:  # the mean over the whole batch: a device weighs as much as it has examples
                total = jax.lax.psum(metrics, axis_name)
                count = total["loss"][1]
                value, metrics = value * metrics["loss"][1] / jnp.where(count > 0, count, 1), total
            return value, (metrics, nnx.state(model, nnx.Not(nnx.Any(optimizer.wrt, nnx.RngKey))))

        grads, (metrics, new_rest) = jax.grad(loss_of, has_aux=True)(params)
        if axis_name is not None:
            grads = jax.lax.psum(grads, axis_name)
            new_rest = jax.tree.map(lambda old, new: _move_together(old, new, axis_name), rest, new_rest)
        nnx.update(model, new_rest)
        optimizer.update(model, grads)
        return nnx.state((model, optimizer)), metrics

    return step


def _fold_in_index(keys, axis_name):
    """Make keys of any shape differ between devices."""
    index = jax.lax.axis_index(axis_name)
    return jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys.reshape(-1), index).reshape(keys.shape)


def _move_together(old, new, axis_name):
    """Return the mean of the new values over the devices; what none of them changed stays as it is, to the bit."""
    if not jnp.issubdtype(new.dtype, jnp.floating):
        return new
    is_changed = jax.lax.pmax((new != old).astype(jnp.int8), axis_name) > 0
    return jnp.where(is_changed, jax.lax.pmean(new, axis_name), old)


@functools.lru_cache(maxsize=16)  # training on with the same model and optimizer compiles nothing again
def compiled_step(graphdef, treedef, loss, strategy):
    """Compile the training step; it uses its state up ("donates" the buffers).

    The state comes and goes as a list of arrays, for JAX takes a tree of Flax variables apart in Python, at every call.

    Args:
        graphdef, loss: as in `make_step`.
        treedef: structure of the state, from `jax.tree.flatten`.
        strategy: as in `fit`; for "vmap" the state and the keys have a first axis, one entry a member.

    Returns:
        `step(leaves, batch, key) -> (leaves, metrics)`, leaves and batch placed by `common.device.PLACEMENTS`.
    """
    keep_freed_memory()
    is_per_device = strategy in ("pmap", "shard_map")
    step = _on_leaves(make_step(graphdef, loss, DATA_AXIS if is_per_device else None), treedef)
    if strategy == "pmap":
        return jax.pmap(step, DATA_AXIS, in_axes=(0, 0, None), out_axes=(0, None), donate_argnums=0)
    settings = {"donate_argnums": 0, "compiler_options": compiler_options()}
    if strategy == "vmap":
        step = jax.vmap(step, in_axes=(0, None, 0))
    elif strategy == "shard_map":
        whole, split = PartitionSpec(), PartitionSpec(DATA_AXIS)
        specs = {"in_specs": (whole, split, whole), "out_specs": whole}
        # With check_vma=True, jax.grad would already add up over the devices, and the step would do so once more.
        step = jax.shard_map(step, mesh=data_mesh(), **specs, check_vma=False)
    elif strategy == "sharding":
        settings["out_shardings"] = NamedSharding(data_mesh(), PartitionSpec())
    return jax.jit(step, **settings)


def _on_leaves(step, treedef):
    def step_on_leaves(leaves, batch, key):
        state, metrics = step(jax.tree.unflatten(treedef, leaves), batch, key)
        return jax.tree.leaves(state), metrics

    return step_on_leaves


@functools.lru_cache(maxsize=16)
def _compiled_evaluation(graphdef, function, has_members):
    def evaluate_batch(state, batch):
        model = nnx.merge(graphdef, state)
        model.eval()  # on the merged copy: the caller's model keeps its mode
        return function(model, batch, None)

    function_of_batch = jax.vmap(evaluate_batch, in_axes=(0, None)) if has_members else evaluate_batch
    return jax.jit(function_of_batch, compiler_options=compiler_options())


def fit(model, optimizer, loader, loss, *, validation=None, key=None, strategy=None, callbacks=None):
    """Train a model on every batch of a loader; model and optimizer are updated in place.

    Args:
        model: `nnx.Module`; or a list of M of them, an ensemble whose members see the same batches.
        optimizer: `nnx.Optimizer(model, tx, wrt=nnx.Param)`; a list for an ensemble, all made with one `tx`.
        loader: `common.data.train_loader(...)`; its `epochs` say how long.
        loss: `(model, batch, rngs) -> (scalar, metrics)`, for instance `common.losses.cross_entropy`.
        validation: loader evaluated after every epoch, or None.
        key: PRNG key for dropout and the like; None takes `jax.random.key(0)`. Member m of an ensemble gets
            `fold_in(key, m)`.
        strategy: "jit" (one device), "vmap" (an ensemble), or one that shares every batch among all devices: "pmap",
            "shard_map", "sharding" (jit, the arrays sharded over a mesh). None takes "vmap" for a list, "sharding"
            when several processes run, else "jit".
        callbacks: `common.callbacks.Callback` objects; None draws a progress bar, () is silent.

    Returns:
        History `{"loss": [...], "accuracy": [...], "validation_loss": [...], ...}`, one float an epoch (for an
        ensemble a list of M). Training metrics are means over the epoch, taken while the weights still change.

    Raises:
        ValueError: unknown strategy, empty loader, batch not divisible by the devices, ensemble members that differ,
            nothing to train, a learning rate below 0, a transformation that needs more than gradients and parameters,
            a key that is not of `jax.random.key`, labels out of range. Those of training are noticed when the metrics
            are read, at the latest after 2 * `common.run.REPORT` steps.
        NonFiniteLoss: the loss, or a weight after the last step, became NaN or infinite (in an ensemble: that of every
            member).
        KeyboardInterrupt: passed on after the step under way; model and optimizer then hold that step, or the model
            its best epoch if there is an `EarlyStopping`.
    """
    key = jax.random.key(0) if key is None else key
    strategy = check_settings(model, optimizer, loader, validation, key, strategy)
    first_model, first_optimizer = (model[0], optimizer[0]) if isinstance(model, list) else (model, optimizer)
    _check_descent(first_optimizer.tx, nnx.state(first_model, first_optimizer.wrt))
    callbacks = (Progress(),) if callbacks is None else callbacks
    callbacks = sorted(callbacks, key=lambda callback: isinstance(callback, Checkpoint))  # it saves what others did
    run = Run(model, optimizer, loader, key, strategy)
    step = compiled_step(run.graphdef, run.treedef, loss, strategy)
    measure = (lambda: {}) if validation is None else (lambda: evaluate(model, validation, loss))
    with held_interrupts() as hold, contextlib.ExitStack() as ends:
        for callback in callbacks[::-1]:  # a Checkpoint first: the others see what it restored
            callback.start(run)
            ends.callback(callback.end, run)
        ends.callback(_sync, run, hold)
        try:
            _train(run, step, hold, callbacks, measure)
        except NonFiniteLoss as error:
            run.sync()
            _name_bad_input(model[0] if run.has_members else model, loader, error.step - 1, loss, nnx.Rngs(key))
            raise
    return run.history


def _check_descent(tx, params):
    """Raise ValueError when the first updates of `tx` go up a constant gradient: its learning rate is negative.

    Accumulation and warm-up begin with updates of 0, and some methods look uphill before they descend, so that up to
    PROBES updates are added up before the verdict.
    """
    leaves, treedef = jax.tree.flatten(params)
    if not leaves:
        raise ValueError("the optimizer has nothing to train: no variable of the model fits its `wrt`.")
    _probe(tx, treedef, tuple((leaf.shape, leaf.dtype) for leaf in leaves))


@functools.lru_cache(maxsize=16)  # training on with the same transformation needs no second look
def _probe(tx, treedef, kinds):
    def tree_of(value):
        return jax.tree.unflatten(treedef, [jnp.full(shape, value, dtype) for shape, dtype in kinds])

    @jax.jit  # one program; run operation by operation, each shape would cost a compilation of its own
    def take_step(place, state):
        updates, state = tx.update(tree_of(1), state, tree_of(0))
        place = jax.tree.map(jnp.add, place, updates)
        return place, state, sum(leaf.sum() for leaf in jax.tree.leaves(place))

    place = tree_of(0)
    state = tx.init(place)
    for _ in range(PROBES):
        try:
            place, state, height = take_step(place, state)
        except TypeError as error:
            raise ValueError(
                f"fit gives an Optax transformation gradients and parameters only; this one expects more: {error}."
            ) from error
        if height < 0:
            return
    if height > 0:
        raise ValueError(
            f"the learning rate must be at least 0: for a constant gradient of 1 the first {PROBES} updates go up, by "
            f"{height / sum(leaf.size for leaf in jax.tree.leaves(place)):.3g} a parameter. To maximize, minimize the "
            "negative loss."
        )


def _train(run, step, hold, callbacks, measure):
    """Take the steps of a run; `measure()` gives the validation metrics of the epoch that ends."""
    while run.step < run.steps and not run.stop:
        batch = run.next_batch()
        with hold:
            run.leaves, metrics = step(run.leaves, batch, run.step_key)
            run.record(metrics)
        if run.epoch_ended:
            run.sync()
            run.finish_epoch(measure())
        for callback in callbacks:
            callback.step(run)
    run.read()
    run.check_weights()  # no loss was computed with those of the last step


def _sync(run, hold):
    with hold:
        run.sync()


def _name_bad_input(model, loader, number, loss, rngs):
    """Compute the loss of a failing batch eagerly, on a copy: it may raise an error that names the bad input."""
    copy = nnx.clone(model)
    if rngs is None:  # in evaluation
        copy.eval()
    for batch in itertools.islice(loader, number, number + 1):
        try:
            loss(copy, batch, rngs)
        except (ValueError, TypeError):
            raise
        except Exception:
            return  # an error of the replay alone would hide that of the training


def evaluate(model, loader, loss):
    """Compute the metrics of a model over a whole loader, in evaluation mode.

    Args:
        model: `nnx.Module`, or a list of M of them; not changed.
        loader: `common.data.evaluation_loader(...)`.
        loss: `(model, batch, rngs) -> (scalar, metrics)`; gets None as `rngs`.

    Returns:
        `{name: float}`, exact means over all examples; for a list of models, `{name: list of M floats}`.

    Raises:
        ValueError: the loader holds no batch; labels out of range.
    """
    graphdef, state = split_members(model)
    run = _compiled_evaluation(graphdef, loss, isinstance(model, list))
    metrics = jax.device_get([run(state, batch)[1] for batch in loader])
    broken = [~np.isfinite(np.atleast_1d(pairs.get("loss", (0,))[0])) for pairs in metrics]  # of each batch: (M,)
    if np.any(broken):
        number = int(np.argmax(np.sum(broken, axis=1)))  # bad input breaks every member, also the intact ones
        first = model[int(np.argmax(broken[number]))] if isinstance(model, list) else model
        _name_bad_input(first, loader, number, loss, None)
    return summarize(metrics)


def _forward(model, batch, rngs):
    return model(as_input(batch["x"]), rngs=rngs)


def predict(model, loader):
    """Compute the model's output for every example of a loader, in evaluation mode.

    Args:
        model: `nnx.Module`, or a list of M of them; not changed.
        loader: `common.data.evaluation_loader(...)`.

    Returns:
        (N, ...) NumPy array, without the padding of the last batch; for a list of models (M, N, ...).

    Raises:
        ValueError: the loader holds no batch.
    """
    if not len(loader):
        raise ValueError("expected a loader of at least one batch, got an empty one; look at the length of its arrays.")
    graphdef, state = split_members(model)
    has_members = isinstance(model, list)
    run = _compiled_evaluation(graphdef, _forward, has_members)
    outputs = [np.asarray(run(state, batch)) for batch in loader]
    count = loader.source.count
    return np.concatenate(outputs, axis=1)[:, :count] if has_members else np.concatenate(outputs)[:count]
