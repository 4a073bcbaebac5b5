"""Read the data files inside the package, each checked by SHA-256 first."""

import csv
import gzip
import hashlib
import io
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "files"
SHA256 = {
    "fashion_mnist.npz": "28b968c3ae439710b0a770f585dc5f623865cb9cb4ecfce482b6fbce661daeee",
    "mnist.npz": "4a1034e86e419b3fb74ab7752786b287642f1c4895987c41a8fdc5db996d5c9e",
    "prosa.txt.gz": "bab97c0b0616b99507b6651c162c72754b8aa78617f5ab6c1af59f93466ccafa",
    "kecamatan.csv": "08f0c1014d43063d44bc4749539ab6548b598e99681ca0444b805cb0a5fff773",
}
VALIDATION_SHARE = 0.1  # the last tenth of `prosa`


class CorruptDataError(RuntimeError):
    """A data file is not the one that the course ships."""


def read_verified(file_name):
    """Return the bytes of an embedded file after checking its SHA-256.

    Args:
        file_name: a key of `SHA256`.

    Returns:
        The file as bytes.

    Raises:
        FileNotFoundError: the file is missing from the installation.
        CorruptDataError: its digest is not the expected one.
    """
    path = FOLDER / file_name
    if not path.exists():
        raise FileNotFoundError(f"Embedded data file {file_name} is missing from {FOLDER}; install the package again.")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[file_name]:
        raise CorruptDataError(
            f"Embedded data file {file_name} is damaged: expected SHA-256 {SHA256[file_name][:12]}..., got "
            f"{digest[:12]}...; restore it with `git checkout` or install the package again."
        )
    return content


def read_images(name):
    """Return the train and test images of `fashion_mnist` or `mnist`.

    Args:
        name: "fashion_mnist" or "mnist".

    Returns:
        (train, test), each `{"x": (N, 28, 28, 1) uint8, "y": (N,) int32}`.
    """
    with np.load(io.BytesIO(read_verified(f"{name}.npz")), allow_pickle=False) as arrays:
        return tuple(
            {"x": arrays[f"{split}_x"], "y": arrays[f"{split}_y"].astype(np.int32)} for split in ("train", "test")
        )


def read_kecamatan():
    """Return the district names with the island group of each.

    Returns:
        (train, test, groups): the first two `{"x": (N,) str, "y": (N,) int32, "province": (N,) str}`, the last the
        tuple of island groups in alphabetical order.
    """
    rows = list(csv.DictReader(io.StringIO(read_verified("kecamatan.csv").decode("utf-8"))))
    groups = tuple(sorted({row["island_group"] for row in rows}))
    splits = []
    for split in ("train", "test"):
        chosen = [row for row in rows if row["split"] == split]
        splits.append(
            {
                "x": np.array([row["name"] for row in chosen]),
                "y": np.array([groups.index(row["island_group"]) for row in chosen], np.int32),
                "province": np.array([row["province"] for row in chosen]),
            }
        )
    return *splits, groups


def read_prosa():
    """Return the prose as two strings: the first nine tenths for training, the last tenth held out.

    Returns:
        (train, held_out), split at the paragraph end nearest before 90 % of the characters.
    """
    text = gzip.decompress(read_verified("prosa.txt.gz")).decode("utf-8")
    boundary = text.rindex("\n", 0, round(len(text) * (1 - VALIDATION_SHARE))) + 1
    return text[:boundary], text[boundary:]
