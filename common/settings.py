"""What `fit` is given, checked before anything is trained."""

import jax
import jax.numpy as jnp
from flax import nnx

from .device import PLACEMENTS


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
    for one in optimizer if has_members else [optimizer]:
        _check_injected_rates(one)
    return strategy


def _check_injected_rates(optimizer):
    """Raise ValueError when a rate that was set by hand, the way of `optax.inject_hyperparams`, is below 0."""
    for path, variable in nnx.to_flat_state(nnx.state(optimizer)):
        if {"hyperparams", "learning_rate"} <= set(path) and (rate := float(jnp.min(variable[...]))) < 0:
            raise ValueError(f"the learning rate must be at least 0, got {rate:.3g} in {'.'.join(map(str, path))}.")
