"""Simulate house prices that follow a linear model with known coefficients, to check a regression against the truth.

The houses are invented. Ranges and units are those of a middle-sized Indonesian city; the coefficients are round
numbers chosen for the course and say nothing about a real market.
"""

import numpy as np

FEATURES = (
    "luas tanah (m2)",
    "luas bangunan (m2)",
    "kamar tidur",
    "jarak ke pusat kota (km)",
    "umur (tahun)",
)
# Price in juta (million) rupiah = INTERCEPT + features @ COEFFICIENTS + noise of standard deviation NOISE.
COEFFICIENTS = np.array([5.0, 4.0, 30.0, -14.0, -5.0], dtype=np.float32)
COEFFICIENTS.flags.writeable = False
INTERCEPT = 300.0
NOISE = 75.0


def _draw_features(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw houses whose features are related as in life: far means more land, more building means more rooms."""
    distance = np.clip(rng.gamma(3.0, 3.0, count), 0.5, 20).round(1)
    land = np.clip(rng.lognormal(np.log(95), 0.4, count) * (1 + 0.015 * distance), 50, 400).round()
    building = np.clip(land * rng.uniform(0.4, 1.1, count), 30, 350).round()  # above 1: a second floor
    bedrooms = np.clip(np.rint(0.7 + building / 40 + rng.normal(0, 0.6, count)), 1, 8)
    age = rng.integers(0, 31, count)
    return np.stack([land, building, bedrooms, distance, age], axis=1)


def make_rumah(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Simulate houses and their prices.

    Land and building area, and building area and bedrooms, are correlated, so single coefficients are harder to
    estimate than the price itself.

    Args:
        count: number of houses, 0 or more.
        seed: the same seed gives the same houses.

    Returns:
        features: (count, 5) float32, the columns and units of `FEATURES`.
        price: (count,) float32, juta rupiah.

    Raises:
        ValueError: count is not a whole number of at least 0.
    """
    if not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"count must be a whole number of at least 0, got {count!r}: ask for 0 houses or more")
    rng = np.random.default_rng(seed)
    features = _draw_features(rng, count)
    price = INTERCEPT + features @ COEFFICIENTS.astype(np.float64) + NOISE * rng.standard_normal(count)
    return features.astype(np.float32), price.astype(np.float32)
