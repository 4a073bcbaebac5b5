"""Measure the loaders' throughput from memory: `python -m benchmarks.loader`."""

import time

import numpy as np

from common.data import RandomFlip, RandomShift, train_loader

BATCH_SIZE = 128
COUNT = 10_000  # images, 28 x 28 as in Fashion-MNIST
REPEATS = 5


def images_per_second(transforms, epochs):
    """Return the median number of images a second over `REPEATS` runs of `epochs` epochs."""
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28, 1), dtype=np.uint8)
    arrays = {"x": images, "y": np.arange(COUNT, dtype=np.int32) % 10}
    rates = []
    for _ in range(REPEATS):
        loader = train_loader(arrays, BATCH_SIZE, epochs=epochs, transforms=transforms)
        start = time.perf_counter()
        count = sum(len(batch["y"]) for batch in loader)
        rates.append(count / (time.perf_counter() - start))
    return float(np.median(rates))


def main():
    """Print one line for plain batches and one for augmented ones."""
    for label, transforms, epochs in (
        ("plain", (), 40),
        ("shift and flip", (RandomShift(2), RandomFlip()), 5),
    ):
        print(f"{label:>15}: {images_per_second(transforms, epochs):>12,.0f} images/s at batch {BATCH_SIZE}")


if __name__ == "__main__":
    main()
