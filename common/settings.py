"""What `fit` is given, checked before anything is trained."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx

from .device import PLACEMENTS

PROBES = 4  # updates tried to see which way a transformation goes


def check_settings(model, optimizer, loader, validation, key, strategy):
    """Check what `fit` was given and choose the strategy if it is None.

    Returns:
        The name of the strategy.

    Raises:
        ValueError: as listed for `fit`.
    """
    has_members, processes = isinstance(model, list), jax.process_count()
    if has_members != isinstance(optimizer, list) or (has_members and not len(model) == len(optimizer) > 0):
        raise ValueError("expected one optimizer for a model, or two lists of equal length, at least 1.")
    if strategy is None:
        strategy = "vmap" if has_members else "sharding" if processes > 1 else "jit"
    if strategy not in PLACEMENTS:
        raise ValueError(f"unknown strategy {strategy!r}; expected one of {', '.join(PLACEMENTS)} or None.")
    if has_members != (strategy == "vmap"):
        raise ValueError(f'strategy "vmap" and a list of models belong together, got {strategy!r}.')
    if processes > 1 and strategy not in ("sharding", "shard_map"):
        raise ValueError(f'{processes} processes train together by "sharding" or "shard_map", got {strategy!r}.')
    if not hasattr(loader, "steps_per_epoch"):
        raise ValueError(f"expected a loader of common.data.train_loader(...), got {type(loader).__name__}.")
    for name, one in {"loader": loader, "validation loader": validation}.items():
        if one is not None and not len(one):
            raise ValueError(
                f"the {name} holds no batch; expected at least one example in each batch, see common.data."
            )
    if not (hasattr(key, "dtype") and jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ()):
        raise ValueError(f"key must be one key of jax.random.key(seed), got {key!r}.")
    first_model, first_optimizer = (model[0], optimizer[0]) if has_members else (model, optimizer)
    _check_descent(first_optimizer.tx, nnx.state(first_model, first_optimizer.wrt))
    for one in optimizer if has_members else [optimizer]:
        _check_injected_rates(one)
    return strategy


def _check_injected_rates(optimizer):
    """Raise ValueError when a rate that was set by hand, the way of `optax.inject_hyperparams`, is below 0."""
    for path, variable in nnx.to_flat_state(nnx.state(optimizer)):
        if {"hyperparams", "learning_rate"} <= set(path) and (rate := float(jnp.min(variable[...]))) < 0:
            raise ValueError(f"the learning rate must be at least 0, got {rate:.3g} in {'.'.join(map(str, path))}.")


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
