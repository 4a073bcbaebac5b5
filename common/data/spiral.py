"""Draw interleaved spirals in the plane: two inputs, a boundary that no straight line follows."""

import numpy as np

TURN = 2 * np.pi  # radians that each arm winds from its inner to its outer end
INNER = 0.1  # radius where the arms begin: nearer the centre they would touch


def make_spiral(count: int, *, classes: int = 3, noise: float = 0.25, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw points on interleaved spiral arms, one arm a class.

    The noise moves a point along its circle, so two arms stay 2 pi / classes apart in angle at every radius. With
    the default values half that gap is 4.2 standard deviations: the best possible classifier errs on about one
    point in 35,000.

    Args:
        count: number of points, 0 or more.
        classes: number of arms, 2 or more.
        noise: standard deviation of the angle, in radians, 0 or more.
        seed: the same seed gives the same points.

    Returns:
        points: (count, 2) float32, inside the unit circle.
        labels: (count,) int32 in [0, classes), shuffled; class sizes differ by at most 1.

    Raises:
        ValueError: count, classes or noise is out of range.
    """
    if not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"count must be a whole number of at least 0, got {count!r}: ask for 0 points or more")
    if not isinstance(classes, int | np.integer) or classes < 2:
        raise ValueError(f"classes must be a whole number of at least 2, got {classes!r}: use 2 arms or more")
    if not noise >= 0:
        raise ValueError(f"noise must be at least 0 radians, got {noise!r}: use 0 for clean arms")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    radius = rng.uniform(INNER, 1, count)
    angle = 2 * np.pi * labels / classes + TURN * radius + noise * rng.standard_normal(count)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points.astype(np.float32), labels.astype(np.int32)
