"""Metrics against NumPy and scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from common import metrics


def test_batches_of_any_size_give_the_same_accuracy():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(103, 5)), rng.integers(0, 5, 103)
    expected = (logits.argmax(1) == labels).mean()
    for size in (1, 10, 64, 103):
        pairs = [
            {"accuracy": metrics.accuracy(jnp.asarray(logits[i : i + size]), jnp.asarray(labels[i : i + size]))}
            for i in range(0, 103, size)
        ]
        assert metrics.summarize(pairs)["accuracy"] == pytest.approx(expected, abs=1e-12)


def test_mask_leaves_padding_out_even_where_it_is_not_finite():
    values, mask = jnp.array([1.0, 2.0, jnp.nan]), jnp.array([True, True, False])
    total, count = metrics.sum_and_count(values, mask)
    assert (float(total), float(count)) == (3.0, 2.0)


def test_nothing_to_summarize_is_refused():
    with pytest.raises(ValueError, match="No batch to summarize"):
        metrics.summarize([])


def test_confusion_matrix_equals_scikit_learn():
    rng = np.random.default_rng(1)
    labels, guesses = rng.integers(0, 4, (2, 200))
    expected = sklearn.metrics.confusion_matrix(labels, guesses)
    assert (metrics.confusion_matrix(labels, guesses, 4) == expected).all()


def test_confusion_matrix_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"one shape, got \(2,\) and \(3,\)"):
        metrics.confusion_matrix([0, 1], [0, 1, 1], 2)
    with pytest.raises(ValueError, match=r"in \[0, 2\), got 0 to 2"):
        metrics.confusion_matrix([0, 1], [0, 2], 2)
