"""Losses `(model, batch, rngs) -> (scalar, metrics)`; metrics are (sum, count) pairs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from .metrics import accuracy, check_mask, sum_and_count
from .modules import modules_of


def as_input(x):
    """Return model input: uint8 images become float32 in [0, 1], everything else stays as it is.

    Args:
        x: (B, ...) array.

    Returns:
        (B, ...) array.
    """
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x  # 255: the largest uint8


def cross_entropy(model, batch, rngs=None):
    """Compute the mean softmax cross-entropy of a classifier.

    Args:
        model: callable, `model(x, rngs=rngs)` gives logits (B, ..., K).
        batch: `{"x": (B, ...), "y": (B, ...) integers in [0, K)}` and, where examples must not count, `mask`, of the
            shape of `y` or of its first axes.
        rngs: `nnx.Rngs` for dropout, or None.

    Returns:
        (loss in nats, `{"loss": (sum, count), "accuracy": (sum, count)}`), float32. Inside a compiled function, which
        cannot raise for values, a label out of range makes the loss NaN.

    Raises:
        ValueError: labels, logits or mask differ in shape; labels given as a NumPy array are out of range.
        TypeError: labels are not integers.
    """
    logits = model(as_input(batch["x"]), rngs=rngs)
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))  # bfloat16 is too coarse for a sum of exp
    labels, mask = batch["y"], batch.get("mask")
    _check_labels(labels, logits.shape, mask)
    labels = labels.astype(jnp.int32)  # K may be more than a small integer type can hold
    in_range = (labels >= 0) & (labels < logits.shape[-1])
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.where(in_range, labels, 0))
    total, count = sum_and_count(jnp.where(in_range, losses, jnp.nan), mask)
    return total / jnp.maximum(count, 1), {"loss": (total, count), "accuracy": accuracy(logits, labels, mask)}


def _check_labels(labels, logits_shape, mask):
    *shape, class_count = logits_shape
    if labels.shape != tuple(shape):
        raise ValueError(f"expected labels of shape {tuple(shape)} for logits {logits_shape}, got {labels.shape}.")
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"expected integer labels, got {labels.dtype}; one-hot labels: take argmax(-1) first.")
    if mask is not None:
        check_mask(mask, labels.shape)
    if not isinstance(labels, np.ndarray):
        return
    counted = labels if mask is None else labels[np.asarray(mask, bool)]
    if counted.size and not 0 <= counted.min() <= counted.max() < class_count:
        raise ValueError(
            f"expected labels in [0, {class_count}) for a model of {class_count} outputs, got {counted.min()} to "
            f"{counted.max()}."
        )


@functools.cache  # the same loss gives the same function, so that nothing is compiled twice
def in_bfloat16(loss):
    """Make a loss whose model computes in bfloat16 from float32 parameters ("mixed precision").

    Args:
        loss: `(model, batch, rngs) -> (scalar, metrics)`, for instance `cross_entropy`.

    Returns:
        A loss of the same kind. Parameters and input are rounded to bfloat16 on the way into the model; gradients
        arrive in float32, and the statistics of batch normalisation stay float32.

    References:
        Micikevicius et al. (2018), Mixed Precision Training; bfloat16 has the range of float32, so that no loss
        scaling is needed.
    """

    @functools.wraps(loss)
    def mixed(model, batch, rngs=None):
        graphdef, params, rest = nnx.split(model, nnx.Param, ...)
        rest = jax.tree.map(lambda leaf: leaf, rest)  # new variables, which the copy may change
        copy = nnx.merge(graphdef, jax.tree.map(_to_bfloat16, params), rest)
        for module in modules_of(copy):
            if "dtype" in vars(module):
                module.dtype = jnp.bfloat16  # else the float32 statistics of BatchNorm would make its output float32
        result = loss(copy, {**batch, "x": _to_bfloat16(as_input(batch["x"]))}, rngs)
        nnx.update(model, nnx.state(copy, nnx.Not(nnx.Param)))
        return result

    return mixed


def _to_bfloat16(x):
    return x.astype(jnp.bfloat16) if jnp.issubdtype(x.dtype, jnp.floating) else x
