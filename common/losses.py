"""Losses `(model, batch, rngs) -> (scalar, metrics)`; metrics are (sum, count) pairs."""

import jax.numpy as jnp
import optax

from .metrics import accuracy, sum_and_count


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
        model: callable, `model(x, rngs=rngs)` gives logits (B, K).
        batch: `{"x": (B, ...), "y": (B,) integers}` and, in evaluation, `mask`: (B,) bool.
        rngs: `nnx.Rngs` for dropout, or None.

    Returns:
        (loss in nats, `{"loss": (sum, count), "accuracy": (sum, count)}`), float32.
    """
    logits = model(as_input(batch["x"]), rngs=rngs)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"])
    mask = batch.get("mask")
    total, count = sum_and_count(losses, mask)
    return total / count, {"loss": (total, count), "accuracy": accuracy(logits, batch["y"], mask)}
