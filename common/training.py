"""One training step, and the loop around it."""

import functools
import sys

import jax
import numpy as np
from flax import nnx
from tqdm import tqdm

from .losses import as_input
from .metrics import summarize


def make_step(graphdef, loss):
    """Make the pure training step of a model and its optimizer.

    Args:
        graphdef: from `nnx.split((model, optimizer))`.
        loss: `(model, batch, rngs) -> (scalar, metrics)`.

    Returns:
        `step(state, batch, key) -> (state, metrics)`, a pure function ready for `jax.jit`.
    """

    def step(state, batch, key):
        model, optimizer = nnx.merge(graphdef, state)
        model.train()
        key = jax.random.fold_in(key, optimizer.step[...])  # a fresh key each step, the same after a restart
        model_graph, params, rest = nnx.split(model, nnx.Param, ...)

        def loss_of(params):
            own = jax.tree.map(lambda leaf: leaf, rest)  # new variables: those of an outer trace may not be changed
            model = nnx.merge(model_graph, params, own)
            value, metrics = loss(model, batch, nnx.Rngs(key))
            return value, (metrics, nnx.state(model, nnx.Not(nnx.Param)))

        grads, (metrics, rest) = jax.grad(loss_of, has_aux=True)(params)
        nnx.update(model, rest)
        optimizer.update(model, grads)
        return nnx.state((model, optimizer)), metrics

    return step


@functools.lru_cache(maxsize=16)  # training on with the same model and optimizer compiles nothing again
def _compiled_step(graphdef, loss):
    return jax.jit(make_step(graphdef, loss), donate_argnums=0)


@functools.lru_cache(maxsize=16)
def _compiled_evaluation(graphdef, function):
    def evaluate_batch(state, batch):
        model = nnx.merge(graphdef, state)
        model.eval()  # on the merged copy: the caller's model keeps its mode
        return function(model, batch, None)

    return jax.jit(evaluate_batch)


def fit(model, optimizer, loader, loss, *, validation=None, key=None, progress=True):
    """Train a model on every batch of a loader; model and optimizer are updated in place.

    Args:
        model: `nnx.Module`.
        optimizer: `nnx.Optimizer(model, tx, wrt=nnx.Param)`.
        loader: `common.data.Loader` for training; its `epochs` say how long.
        loss: `(model, batch, rngs) -> (scalar, metrics)`, for instance `common.losses.cross_entropy`.
        validation: loader evaluated after every epoch, or None.
        key: PRNG key for dropout and the like; None takes `jax.random.key(0)`.
        progress: whether to draw a progress bar.

    Returns:
        History `{"loss": [...], "accuracy": [...], "validation_loss": [...], ...}`, one float an epoch. Training
        metrics are means over the epoch, taken while the weights still change.

    Raises:
        KeyboardInterrupt: passed on; model and optimizer then hold the last finished step.
    """
    graphdef, state = nnx.split((model, optimizer))
    step = _compiled_step(graphdef, loss)
    key = jax.random.key(0) if key is None else key
    history, pairs = {}, []
    bar = tqdm(total=len(loader), unit="step", disable=not progress, file=sys.stdout, mininterval=0.5, ncols=100)
    try:
        for number, batch in enumerate(loader, start=1):
            state, metrics = step(state, batch, key)
            pairs.append(metrics)  # stays on the device: nothing waits here
            bar.update()
            if number % loader.steps_per_epoch == 0:
                results = summarize(jax.device_get(pairs))
                pairs = []
                if validation is not None:
                    nnx.update((model, optimizer), state)
                    results |= {f"validation_{k}": v for k, v in evaluate(model, validation, loss).items()}
                for name, value in results.items():
                    history.setdefault(name, []).append(value)
                bar.set_postfix({name: f"{value:.3f}" for name, value in results.items() if "loss" in name})
    finally:
        bar.close()
        nnx.update((model, optimizer), state)
    return history


def evaluate(model, loader, loss):
    """Compute the metrics of a model over a whole loader, in evaluation mode.

    Args:
        model: `nnx.Module`; not changed.
        loader: `common.data.evaluation_loader(...)`.
        loss: `(model, batch, rngs) -> (scalar, metrics)`.

    Returns:
        `{name: float}`, exact means over all examples.
    """
    graphdef, state = nnx.split(model)
    run = _compiled_evaluation(graphdef, loss)
    return summarize(jax.device_get([run(state, batch)[1] for batch in loader]))


def _forward(model, batch, rngs):
    return model(as_input(batch["x"]), rngs=rngs)


def predict(model, loader):
    """Compute the model's output for every example of a loader, in evaluation mode.

    Args:
        model: `nnx.Module`; not changed.
        loader: `common.data.evaluation_loader(...)`.

    Returns:
        (N, ...) NumPy array, without the padding of the last batch.
    """
    graphdef, state = nnx.split(model)
    run = _compiled_evaluation(graphdef, _forward)
    return np.concatenate([np.asarray(run(state, batch))[batch["mask"]] for batch in loader])
