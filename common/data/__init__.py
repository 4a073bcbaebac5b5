"""Named datasets with provenance, Grain loaders and text."""

from .augment import RandomFlip, RandomShift
from .byte_pairs import BytePairs
from .dataset import Dataset, split_validation
from .download import DownloadError
from .embedded import CorruptDataError
from .loaders import Loader, evaluation_loader, train_loader
from .recall import COLOURS, RECALL_SYMBOLS, SHAPES, recall_task
from .registry import dataset_names, load_dataset
from .text import Vocabulary, scoring_windows, windows

__all__ = [
    "COLOURS",
    "RECALL_SYMBOLS",
    "SHAPES",
    "BytePairs",
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
    "recall_task",
    "scoring_windows",
    "split_validation",
    "train_loader",
    "windows",
]
