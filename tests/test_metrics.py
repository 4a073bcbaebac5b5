"""Metrics against NumPy and scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
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


def test_frechet_distance_of_normal_features_by_scipy_and_by_hand():
    rng = np.random.default_rng(2)
    one, two = rng.normal(size=(400, 3)), rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3)) + 1
    S, T = np.cov(one.T), np.cov(two.T)
    expected = np.square(one.mean(0) - two.mean(0)).sum() + np.trace(S + T - 2 * scipy.linalg.sqrtm(S @ T).real)
    assert metrics.frechet_distance(one, two) == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet_distance(two, one) == pytest.approx(expected, rel=1e-9)
    a, b = one[:, :1], 3 * one[:, :1] + 2  # in one dimension (m - m')^2 + (s - s')^2
    hand = (2 + 2 * a.mean()) ** 2 + (2 * a.std(ddof=1)) ** 2
    assert metrics.frechet_distance(a, b) == pytest.approx(hand, rel=1e-9)


def test_frechet_distance_is_zero_for_equal_sets_even_where_a_feature_is_dead():
    features = np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)
    features[:, 2] = 0
    assert metrics.frechet_distance(features, features[::-1]) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_refuses_what_does_not_fit():
    x = np.zeros((3, 2))
    for one, two in ((x, x[:, :1]), (x[:1], x), (x[0], x)):
        with pytest.raises(ValueError, match=r"expected \(N, D\) and \(M, D\), N and M at least 2"):
            metrics.frechet_distance(one, two)
    with pytest.raises(ValueError, match="expected finite features"):
        metrics.frechet_distance(x, x * np.nan)
