"""The judge of digits: right about real ones, the same as the classifier, strict about the range."""

import numpy as np
import pytest

from common import judge
from common.data import load_dataset
from common.judge import judge_digits
from common.metrics import frechet_distance
from common.pretrained import load_pretrained


def test_judge_is_right_about_real_digits_and_agrees_with_the_classifier():
    test = load_dataset("mnist").test
    found = judge_digits(test["x"])
    assert np.mean(found.classes == test["y"]) >= 0.98
    x = test["x"][:7].astype(np.float32) / 255
    classifier, _ = load_pretrained("mnist_classifier")
    logits = np.asarray(classifier(x), np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(found.confidence[:7], chances.max(1), atol=1e-4)
    np.testing.assert_array_equal(found.classes[:7], chances.argmax(1))
    np.testing.assert_allclose(judge_digits(x).features, classifier.features(x).mean((1, 2)), atol=1e-4)
    assert found.features.shape == (1000, 64)


def test_real_digits_are_near_real_digits_and_noise_is_far():
    data = load_dataset("mnist")
    real = judge_digits(data.test["x"]).features
    noise = np.random.default_rng(0).random((1000, 28, 28, 1), np.float32)
    floor = frechet_distance(judge_digits(data.train["x"][:1000]).features, real)
    assert floor < 1 and frechet_distance(judge_digits(noise).features, real) > 100 * floor


@pytest.mark.parametrize("count", [1, judge.BATCH, judge.BATCH + 1])
def test_any_number_of_images(count):
    assert judge_digits(np.zeros((count, 28, 28, 1), np.uint8)).features.shape == (count, 64)


def test_wrong_images_are_refused():
    for shape in ((3, 28, 28), (3, 32, 32, 1), (0, 28, 28, 1)):
        with pytest.raises(ValueError, match=r"expected images \(N, 28, 28, 1\), N at least 1, got \("):
            judge_digits(np.zeros(shape))
    for value in (-1.0, 1.5, np.nan):
        with pytest.raises(ValueError, match=r"expected images in \[0, 1\], got"):
            judge_digits(np.full((2, 28, 28, 1), value))
