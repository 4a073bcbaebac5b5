"""Loading from memory: this course's Grain loader, Grain by single records, and PyTorch's DataLoader.

A contender is a function without arguments that reads one shuffled epoch of COUNT images in batches.
"""

import itertools

import grain
import numpy as np

from common.data import RandomFlip, RandomShift, train_loader

BATCH_SIZE = 128
COUNT = 10_000  # images, 28 x 28 as in Fashion-MNIST
MANY = 1_000_000  # epochs: more than any measurement reads


def make_arrays():
    """Return random images and their labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT, 28, 28, 1), dtype=np.uint8)
    return {"x": images, "y": rng.integers(0, 10, COUNT)}


def _read_on(loader):
    batches = iter(loader)
    return lambda: sum(len(batch["y"]) for batch in itertools.islice(batches, COUNT // BATCH_SIZE))


def make_common(transforms=()):
    """Return the loader of this course."""
    return _read_on(train_loader(make_arrays(), BATCH_SIZE, epochs=MANY, transforms=transforms))


def make_augmented():
    """Return the loader of this course with random shifts and flips."""
    return make_common((RandomShift(2), RandomFlip()))


def make_records():
    """Return Grain as its tutorial writes it: a source of single records, shuffled, then batched."""
    arrays = make_arrays()

    class Records:
        def __len__(self):
            return COUNT

        def __getitem__(self, index):
            return {name: array[index] for name, array in arrays.items()}

    dataset = grain.MapDataset.source(Records()).seed(0).shuffle().batch(BATCH_SIZE, drop_remainder=True)
    return _read_on(dataset.repeat(MANY).to_iter_dataset())


def make_torch(by_batch=False):
    """Return PyTorch's DataLoader, example by example or by lists of indices."""
    from torch import from_numpy
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

    dataset = TensorDataset(*map(from_numpy, make_arrays().values()))
    if by_batch:
        sampler = BatchSampler(RandomSampler(dataset), BATCH_SIZE, drop_last=True)
        loader = DataLoader(dataset, sampler=sampler, batch_size=None)
    else:
        loader = DataLoader(dataset, BATCH_SIZE, shuffle=True, drop_last=True)
    return lambda: sum(len(y) for _, y in loader)


CONTENDERS = {
    "common": make_common,
    "common, augmented": make_augmented,
    "Grain by records": make_records,
    "torch": make_torch,
    "torch by batches": lambda: make_torch(by_batch=True),
}
