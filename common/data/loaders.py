"""Grain loaders over arrays in memory: the source hands out whole batches, which is what makes them fast."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import grain
import numpy as np


@dataclass(frozen=True)
class BatchSource:
    """Random access to batches: item `i` is batch `i % steps` of epoch `i // steps`.

    A source of single examples would make Grain handle every image on its own; indexing a whole batch out of one
    array costs a few microseconds instead.

    Attributes:
        arrays: `{"x": (N, ...), ...}`, the same N everywhere.
        batch_size: examples in one batch over all processes.
        epochs: passes over the data.
        seed: integer that fixes the order of every epoch; None keeps the stored order and pads the last batch.
        shard: (index, count) of this process; each process reads its own part of every batch.
    """

    arrays: Mapping[str, np.ndarray]
    batch_size: int
    epochs: int = 1
    seed: int | None = None
    shard: tuple[int, int] = (0, 1)

    def __post_init__(self):
        sizes = {name: len(array) for name, array in self.arrays.items()}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"arrays must share their first axis and not be empty, got lengths {sizes}.")
        if self.batch_size < 1 or self.epochs < 1:
            raise ValueError(f"batch_size and epochs must be at least 1, got {self.batch_size} and {self.epochs}.")
        if self.seed is not None and self.batch_size > self.count:
            raise ValueError(f"batch_size {self.batch_size} exceeds the {self.count} examples; use a smaller batch.")
        index, count = self.shard
        if not 0 <= index < count or self.batch_size % count:
            raise ValueError(
                f"shard {self.shard} does not fit: expected 0 <= index < count, and batch_size {self.batch_size} "
                "divisible by count."
            )
        object.__setattr__(self, "_order", (-1, np.arange(self.count)))  # (epoch, its permutation)

    @property
    def count(self):
        """Number of examples."""
        return len(next(iter(self.arrays.values())))

    @property
    def steps_per_epoch(self):
        """Batches in one epoch: training drops the ragged rest, evaluation pads it."""
        if self.seed is None:
            return -(-self.count // self.batch_size)  # rounded up
        return self.count // self.batch_size

    def __len__(self):
        return self.steps_per_epoch * self.epochs

    def __getitem__(self, item):
        epoch, step = divmod(int(item), self.steps_per_epoch)
        index, count = self.shard
        size = self.batch_size // count
        start = step * self.batch_size + index * size
        if self.seed is not None:
            chosen = self._epoch_order(epoch)[start : start + size]
            return {name: array[chosen] for name, array in self.arrays.items()}
        positions = np.arange(start, start + size)
        is_example = positions < self.count
        chosen = np.where(is_example, positions, 0)  # padding repeats example 0, and the mask leaves it out
        batch = {name: array[chosen] for name, array in self.arrays.items()}
        mask = batch.get("mask", np.ones(size, bool)).astype(bool)  # (B,) or, for tokens, (B, T)
        return batch | {"mask": mask & is_example.reshape(size, *[1] * (mask.ndim - 1))}

    def _epoch_order(self, epoch):
        known, order = self._order
        if known != epoch:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.count)
            object.__setattr__(self, "_order", (epoch, order))
        return order


@dataclass(frozen=True)
class Loader:
    """Iterate over batches `{"x": (B, ...), "y": (B, ...), ...}` of NumPy arrays.

    `iter(loader)` is a Grain iterator: `get_state()` gives its position, `set_state(position)` goes back there.

    Attributes:
        source: where the batches come from.
        transforms: Grain transforms applied to each batch in turn.
    """

    source: BatchSource
    transforms: tuple[grain.transforms.Map | grain.transforms.RandomMap, ...] = ()

    @property
    def steps_per_epoch(self):
        """Batches in one epoch."""
        return self.source.steps_per_epoch

    @property
    def epochs(self):
        """Passes over the data."""
        return self.source.epochs

    @property
    def identity(self):
        """What fixes the order of the examples: `{"count": ..., "batch_size": ..., "seed": ...}`, plain integers."""
        seed = self.source.seed
        return {
            "count": self.source.count,
            "batch_size": int(self.source.batch_size),
            "seed": None if seed is None else int(seed),
        }

    def __len__(self):
        return len(self.source)

    def __iter__(self) -> Iterator:
        seed = 0 if self.source.seed is None else self.source.seed
        dataset = grain.MapDataset.source(self.source).seed(seed + self.source.shard[0])
        for transform in self.transforms:
            is_random = isinstance(transform, grain.transforms.RandomMap)
            dataset = dataset.random_map(transform) if is_random else dataset.map(transform)
        # One batch takes microseconds, so handing it over from another thread would cost more than making it.
        return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)))

    def shard(self, index, count):
        """Return the loader of one of several processes; together they read each batch exactly once.

        Args:
            index: this process, `jax.process_index()`.
            count: all processes, `jax.process_count()`; divides the batch size.

        Returns:
            A `Loader` whose batches hold `batch_size / count` examples.

        Raises:
            ValueError: the index is out of range or the batch size is not divisible by `count`.
        """
        return replace(self, source=replace(self.source, shard=(index, count)))


def train_loader(arrays, batch_size, *, seed=0, epochs=1, transforms=()):
    """Make a loader for training: every epoch in a new order fixed by the seed, the ragged last batch dropped.

    Args:
        arrays: `{"x": (N, ...), "y": (N, ...)}`.
        batch_size: examples in a batch.
        seed: integer; the same seed gives the same batches.
        epochs: passes over the data.
        transforms: Grain transforms of a batch, for instance `(RandomShift(2), RandomFlip())`.

    Returns:
        A `Loader` of `epochs * (N // batch_size)` batches.

    Raises:
        ValueError: sizes below 1, a batch larger than the data, arrays of unequal length.

    Example:
        Iterating twice starts over and gives the same batches; more epochs come from `epochs`, not from a second loop.
    """
    return Loader(BatchSource(arrays, batch_size, epochs, seed), tuple(transforms))


def evaluation_loader(arrays, batch_size):
    """Make a loader for evaluation: stored order, each example once, the last batch padded to full size.

    Args:
        arrays: `{"x": (N, ...), "y": (N, ...)}`.
        batch_size: examples in a batch.

    Returns:
        A `Loader` of `ceil(N / batch_size)` batches with an entry `mask`: (B,) bool, False on padding; a mask among
        the arrays keeps its shape and becomes False there.

    Raises:
        ValueError: a size below 1, arrays of unequal length.
    """
    return Loader(BatchSource(arrays, batch_size))
