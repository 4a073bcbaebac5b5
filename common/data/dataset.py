"""What `load_dataset` returns: arrays, names and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, repr=False)
class Dataset:
    """Hold the train and test arrays of one dataset with its class names and its provenance.

    Attributes:
        name: name given to `load_dataset`.
        train: `{"x": array, "y": array}`, first axis the examples; `y` is missing where there is nothing to predict.
        test: same keys as `train`; opened once, at the end of a lesson.
        classes: Indonesian class names, `classes[label]`; empty where `y` is not a class.
        classes_original: the names that the dataset's authors gave, same order.
        kind: "real", "generated", "simulated" or "synthesised".
        source: where the content comes from.
        licence: under which terms it may be used.
        extra: what only this dataset has (columns of `rumah`, sampling rate of `gamelan`, ...).
    """

    name: str
    train: Mapping[str, np.ndarray]
    test: Mapping[str, np.ndarray]
    kind: str
    source: str
    licence: str
    classes: tuple[str, ...] = ()
    classes_original: tuple[str, ...] = ()
    extra: Mapping = field(default_factory=dict)

    def __repr__(self):
        """Say in one line what was loaded."""
        sizes = f"{len(self.train['x']):,} train + {len(self.test['x']):,} test"
        return f"{self.name} ({self.kind}): {sizes}; source: {self.source}; licence: {self.licence}"


def split_validation(arrays, fraction, *, seed=0):
    """Split off a validation set at random; the test set is never involved.

    Args:
        arrays: `{"x": (N, ...), "y": (N, ...), ...}`, arrays with the same first axis.
        fraction: share of the examples for validation, in (0, 1).
        seed: integer that fixes the split.

    Returns:
        (train, validation), two dictionaries with the keys of `arrays`.

    Raises:
        ValueError: `fraction` is not between 0 and 1, or leaves one part empty; the arrays differ in length.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}; 0.1 keeps a tenth for validation.")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"expected arrays with the same first axis, got lengths {lengths}.")
    count = next(iter(lengths.values()))
    validation_count = round(count * fraction)
    if not 0 < validation_count < count:
        raise ValueError(f"fraction {fraction} of {count} examples leaves one part empty; use more data.")
    order = np.random.default_rng(seed).permutation(count)
    parts = order[validation_count:], order[:validation_count]
    return tuple({name: array[part] for name, array in arrays.items()} for part in parts)
