"""Metrics as exact (sum, count) pairs, so that batches of any size add up to the value over all examples."""

import functools

import jax.numpy as jnp
import numpy as np


def sum_and_count(values, mask=None):
    """Return the sum of the values and how many there are.

    Args:
        values: (B, ...) float or bool array, one value an example (or token).
        mask: array of the same shape, or of its first axes, False where values must not count; None counts all.

    Returns:
        (sum, count), two float32 scalars.

    Raises:
        ValueError: the mask has another shape.
    """
    mask = jnp.ones(values.shape, bool) if mask is None else mask.astype(bool)
    check_mask(mask, values.shape)
    mask = jnp.broadcast_to(mask.reshape(*mask.shape, *[1] * (values.ndim - mask.ndim)), values.shape)
    return jnp.where(mask, values, 0).sum(dtype=jnp.float32), mask.sum(dtype=jnp.float32)


def check_mask(mask, shape):
    """Raise ValueError unless a mask has a shape, or that of its first axes."""
    if mask.shape != shape[: mask.ndim]:
        raise ValueError(f"expected a mask of shape {shape}, or of its first axes, got {mask.shape}.")


def accuracy(logits, labels, mask=None):
    """Count right answers: the largest logit at the label.

    Args:
        logits: (B, ..., K) float array.
        labels: (B, ...) integers in [0, K).
        mask: (B, ...), (B,) or None, as in `sum_and_count`.

    Returns:
        (number right, number counted), two float32 scalars.
    """
    return sum_and_count(logits.argmax(-1) == labels, mask)


def add_up(totals, pairs):
    """Add the metrics of one more batch to the totals.

    Args:
        totals: `{name: (2, ...) float64 array}`, sums and counts so far; {} at the beginning.
        pairs: `{name: (sum, count)}` of the batch; scalars, or (M,) arrays for an ensemble of M.

    Returns:
        New totals.
    """
    return {name: totals.get(name, 0.0) + np.asarray(pair, np.float64) for name, pair in pairs.items()}


def means(totals):
    """Divide sums by counts.

    Args:
        totals: from `add_up`.

    Returns:
        `{name: float}`, the mean over all counted examples; for an ensemble `{name: list of M floats}`.
    """
    return {name: (total / count).tolist() for name, (total, count) in totals.items()}


def summarize(pairs):
    """Add up the metrics of several batches and divide.

    Args:
        pairs: list of `{name: (sum, count)}`, one a batch, the same names everywhere.

    Returns:
        `{name: mean over all counted examples}`, as `means` gives it.

    Raises:
        ValueError: the list is empty.
    """
    if not pairs:
        raise ValueError("No batch to summarize; expected at least one, check the loader's length.")
    return means(functools.reduce(add_up, pairs, {}))


def confusion_matrix(labels, predictions, class_count):
    """Count the predictions of every true class.

    Args:
        labels: (N,) integers in [0, K), the truth.
        predictions: (N,) integers in [0, K).
        class_count: K.

    Returns:
        (K, K) int64 array; row: true class, column: predicted class.

    Raises:
        ValueError: the two arrays differ in shape, or a value is out of range.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(f"labels and predictions must have one shape, got {labels.shape} and {predictions.shape}.")
    both = np.stack([labels, predictions])
    if both.size and not 0 <= both.min() <= both.max() < class_count:
        raise ValueError(f"classes must lie in [0, {class_count}), got {both.min()} to {both.max()}.")
    matrix = np.zeros((class_count, class_count), np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


def frechet_distance(features, others):
    """Compute the squared Frechet distance between the normal distributions fitted to two sets of features.

    Args:
        features: (N, D) float array, for instance of real images.
        others: (M, D) float array, for instance of generated ones.

    Returns:
        Float >= 0: |m - m'|^2 + trace(S + S' - 2 (S^1/2 S' S^1/2)^1/2) of means m and covariances S; 0 for equal sets.
        Small sets raise it, so compare only sets of the same sizes.

    Raises:
        ValueError: the widths differ, a set has fewer than 2 rows, or a number is not finite.

    References:
        Heusel et al. (2017), equation 6 (there with features of the Inception network: "FID"); Dowson and Landau
        (1982).
    """
    features, others = (np.asarray(each, np.float64) for each in (features, others))
    for each in (features, others):
        if each.ndim != 2 or len(each) < 2 or each.shape[1] != features.shape[1]:
            raise ValueError(
                f"expected (N, D) and (M, D), N and M at least 2, got {features.shape} and {others.shape}."
            )
        if not np.isfinite(each).all():
            raise ValueError("expected finite features, got NaN or infinity; look at the images they come from.")
    covariances = [np.cov(each, rowvar=False).reshape(each.shape[1], -1) for each in (features, others)]  # (D, D)
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0)).sum()
    between_means = np.square(features.mean(0) - others.mean(0)).sum()
    return float(max(between_means + sum(map(np.trace, covariances)) - 2 * overlap, 0))
