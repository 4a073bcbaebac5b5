"""Named datasets with provenance, Grain loaders and text."""

from .augment import RandomFlip, RandomShift
from .dataset import Dataset, split_validation
from .download import DownloadError
from .embedded import CorruptDataError
from .loaders import Loader, evaluation_loader, train_loader
from .registry import dataset_names, load_dataset
from .text import Vocabulary, windows

__all__ = [
    "CorruptDataError",
    "Dataset",
    "DownloadError",
    "Loader",
    "RandomFlip",
    "RandomShift",
    "Vocabulary",
    "dataset_names",
    "evaluation_loader",
    "load_dataset",
    "split_validation",
    "train_loader",
    "windows",
]
