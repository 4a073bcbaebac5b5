"""Augmentation of image batches as Grain transforms."""

from dataclasses import dataclass

import grain
import numpy as np


@dataclass(frozen=True)
class RandomShift(grain.transforms.RandomMap):
    """Move every image of a batch by up to `pixels` in each direction; what comes in is black.

    Attributes:
        pixels: largest shift, at least 0.
    """

    pixels: int

    def __post_init__(self):
        if self.pixels < 0:
            raise ValueError(f"pixels must be at least 0, got {self.pixels}.")

    def random_map(self, element, rng):
        """Return the batch with `x` (B, H, W, C) shifted; `rng` is a NumPy generator that Grain supplies."""
        images, p = element["x"], self.pixels
        B, H, W, _ = images.shape
        padded = np.pad(images, ((0, 0), (p, p), (p, p), (0, 0)))
        shifted = np.empty_like(images)
        for image, (top, left) in enumerate(rng.integers(0, 2 * p + 1, (B, 2))):
            shifted[image] = padded[image, top : top + H, left : left + W]
        return element | {"x": shifted}


@dataclass(frozen=True)
class RandomFlip(grain.transforms.RandomMap):
    """Mirror about half of the images of a batch left to right."""

    def random_map(self, element, rng):
        """Return the batch with `x` (B, H, W, C) mirrored at random; `rng` is a NumPy generator."""
        images = element["x"]
        flipped = rng.random(len(images)) < 0.5  # a fair coin per image
        return element | {"x": np.where(flipped[:, None, None, None], images[:, :, ::-1], images)}
