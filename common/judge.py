"""A judge of generated digits: the classifier of chapter 3 says what it sees, and in what features."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from .data import evaluation_loader
from .losses import as_input
from .pretrained import load_pretrained
from .training import predict

BATCH = 500


class Judgement(NamedTuple):
    """What the judge says of N images.

    Attributes:
        features: (N, 64) float32, the classifier's last features, for `common.metrics.frechet_distance`.
        classes: (N,) int64 in [0, 10), the likeliest digits.
        confidence: (N,) float32 in [0, 1], the probabilities of those digits.
    """

    features: np.ndarray
    classes: np.ndarray
    confidence: np.ndarray


def judge_digits(images):
    """Judge images of digits with the network "mnist_classifier".

    Args:
        images: (N, 28, 28, 1) array, uint8 or float in [0, 1].

    Returns:
        `Judgement`. Its classes are right for at least 98 of 100 real digits; it names a digit even where there is
        none, and may be sure of it: of uniform noise it says 8 with confidence 1. So look at classes, confidence and
        features together.

    Raises:
        ValueError: images of another shape, none, or floats outside [0, 1]; a generator's [-1, 1] needs `(x + 1) / 2`.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != (28, 28, 1) or not len(images):
        raise ValueError(f"expected images (N, 28, 28, 1), N at least 1, got {images.shape}.")
    if images.dtype != np.uint8 and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"expected images in [0, 1], got {images.min():.3g} to {images.max():.3g}; from [-1, 1] take (x + 1) / 2."
        )
    outputs = predict(_judge(), evaluation_loader({"x": images}, BATCH))
    features, logits = outputs[:, :-10], outputs[:, -10:]  # ten digits
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Judgement(features, logits.argmax(1), chances.max(1) / chances.sum(1))


class _Judge(nnx.Module):
    def __init__(self, classifier):
        self.classifier = classifier

    def __call__(self, x, rngs=None):
        features = self.classifier.features(as_input(x)).mean((1, 2))  # (B, 64)
        return jnp.concatenate([features, self.classifier.out(features)], axis=-1)


@functools.cache
def _judge():
    return _Judge(load_pretrained("mnist_classifier")[0])
