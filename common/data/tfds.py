"""Full datasets through TensorFlow Datasets (TFDS), without TensorFlow: download, prepare once, read.

The download happens here, with time limits, since TFDS itself waits for minutes on an absent network and
for ever on a silent server. TFDS then finds the files in its folder for manual downloads, checks them, and
writes the array_record data that its official builder would write.
"""

import contextlib
import gzip
import io
import os
import struct
import tarfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from .download import File, obtain
from .embedded import CorruptDataError

BATCH = 1000  # records read at a time: many, for speed, yet few enough that the bar moves


@dataclass(frozen=True)
class Source:
    """Describe where one dataset comes from.

    Attributes:
        builder: name of the official class in `tensorflow_datasets.image_classification`.
        version: version of that class, which is also the name of the prepared folder.
        parse: paths of the files -> ({"train": (images, labels), "test": ...}, class names or None).
        offline: what to propose to somebody without a network.
        files: the original files, in the order that `parse` takes.
    """

    builder: str
    version: str
    parse: Callable
    offline: str
    files: tuple[File, ...]


def _parse_idx(paths):
    """Read the four IDX files of MNIST and its relatives: training images and labels, then those of the test."""

    def array(path):
        content = gzip.decompress(Path(path).read_bytes())
        axes = content[3]  # bytes 0 to 2: zero, zero, 8 for uint8; then the length of each axis, big-endian
        shape = struct.unpack_from(f">{axes}I", content, offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)

    train_x, train_y, test_x, test_y = map(array, paths)  # (N, H, W) and (N,)
    return {"train": (train_x, train_y), "test": (test_x, test_y)}, None


def _parse_cifar(paths):
    """Read the binary archive of CIFAR-10, the only one of `paths`."""
    with tarfile.open(paths[0]) as archive:  # in one pass: going back would decompress from the start again
        files = {Path(m.name).name: archive.extractfile(m).read() for m in archive if m.isfile()}

    def arrays(names):
        content = np.frombuffer(b"".join(files[name] for name in names), np.uint8)
        records = content.reshape(-1, 1 + 3 * 32 * 32)  # a label, then the red, green and blue planes
        return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]  # (N, H, W, C), (N,)

    train = arrays([f"data_batch_{number}.bin" for number in range(1, 6)])
    return {"train": train, "test": arrays(["test_batch.bin"])}, files["batches.meta.txt"].decode().split()


def _idx_files(folder, *checks):
    names = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    return tuple(File(folder + name, *check) for name, check in zip(names, checks, strict=True))


SOURCES = {
    "mnist": Source(
        *("MNIST", "3.0.1", _parse_idx, 'load_dataset("mnist") or load_dataset("fashion_mnist")'),
        _idx_files(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
    ),
    "fashion_mnist": Source(
        *("FashionMNIST", "3.0.1", _parse_idx, 'load_dataset("fashion_mnist")'),
        _idx_files(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
    ),
    "cifar10": Source(
        *("Cifar10", "3.0.2", _parse_cifar, 'load_dataset("batik")'),
        (
            File(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                *(170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
            ),
        ),
    ),
}


def read_tfds(name, *, data_dir=None):
    """Read a full dataset into memory; download and prepare it on first use.

    Prepared data are read without a network. The originals can also be brought by hand: put them into
    `<data_dir>/downloads/manual/<name>/`. TensorFlow is never imported.

    Args:
        name: "mnist", "fashion_mnist" or "cifar10".
        data_dir: folder of the TFDS data; None takes $TFDS_DATA_DIR, else ~/tensorflow_datasets, as TFDS does.

    Returns:
        (train, test), each `{"x": (N, H, W, C) uint8, "y": (N,) int32}`, in the order of TFDS, which shuffles
        once, in the same way on every machine.

    Raises:
        ValueError: unknown name.
        DownloadError: the data are not there and cannot be fetched; said within 1 s when there is no network,
            within 8 s when the server is silent.
        CorruptDataError: the prepared data cannot be read.
    """
    if name not in SOURCES:
        raise ValueError(f"Unknown dataset {name!r}; expected one of {', '.join(SOURCES)}.")
    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    prepared = root / name / SOURCES[name].version
    if not prepared.exists():  # TFDS gives the folder this name when it is complete
        originals = root / "downloads" / "manual" / name
        obtain(SOURCES[name].files, originals, purpose=name, offline=SOURCES[name].offline)
        _prepare(name, root, originals)
    try:
        return _read_split(prepared, "train"), _read_split(prepared, "test")
    except (AttributeError, ImportError, MemoryError, TypeError):  # versions or memory, not the files
        raise
    except Exception as error:  # damage shows as many types: from JSON, array_record, protobuf or pillow
        raise CorruptDataError(
            f"{prepared} cannot be read as {name} in the array_record format ({type(error).__name__}: {error}); "
            "delete that folder, or pass another data_dir, and call again."
        ) from error


def _prepare(name, root, originals):
    """Write the files in `originals` as array_record data under `root`."""
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(manual_dir=originals, try_download_gcs=False, force_checksums_validation=True)
    tfds.disable_progress_bar()  # its bars count wrongly; ours remain
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints a line before and after
            builder = _builder_class(SOURCES[name])(data_dir=root, file_format="array_record")
            builder.download_and_prepare(download_config=config)
    finally:
        tfds.enable_progress_bar()


def _builder_class(source):
    """Return the official builder, changed to unpack and to make PNG pictures without TensorFlow."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets import image_classification
    from tensorflow_datasets.core.download.checksums import UrlInfo

    official = getattr(image_classification, source.builder)

    class Builder(official, skip_registration=True):
        name = official.name
        __module__ = official.__module__  # recorded beside the data
        url_infos = {f.url: UrlInfo(tfds.core.utils.Size(f.size), f.sha256, f.name) for f in source.files}

        def _split_generators(self, dl_manager):
            splits, class_names = source.parse(dl_manager.download([file.url for file in source.files]))
            if class_names:
                self.info.features["label"].names = class_names
            return {split: self._generate_examples(split, *arrays) for split, arrays in splits.items()}

        def _generate_examples(self, split, images, labels):
            pairs = zip(images, labels, strict=True)
            for index, (image, label) in enumerate(tqdm(pairs, f"prepare {split}", len(images))):
                example = {"image": _png(image), "label": int(label)}
                if "id" in self.info.features:
                    example["id"] = f"{split}_{index:05d}"
                yield index, example

    return Builder


def _png(image):
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, format="PNG")
    return encoded.getvalue()


def _read_split(folder, split):
    """Return all images and labels of one prepared split."""
    import tensorflow_datasets as tfds

    with warnings.catch_warnings():  # TFDS asks a field for its label, which protobuf 6 deprecates
        warnings.filterwarnings("ignore", r"label\(\) is deprecated", DeprecationWarning)
        builder = tfds.builder_from_directory(folder)
    keep_png = {"image": tfds.decode.SkipDecoding()}  # TFDS would take OpenCV where installed, and warn if not
    records = builder.as_data_source(split, decoders=keep_png)
    x = np.empty((len(records), *builder.info.features["image"].shape), np.uint8)
    y = np.empty(len(records), np.int32)
    with tqdm(total=len(records), desc=f"read {split}") as bar:
        for start in range(0, len(records), BATCH):
            batch = records.__getitems__(range(start, min(start + BATCH, len(records))))
            part = slice(start, start + len(batch))
            x[part] = [np.asarray(Image.open(io.BytesIO(r["image"]))).reshape(x.shape[1:]) for r in batch]
            y[part] = [r["label"] for r in batch]
            bar.update(len(batch))
    return {"x": x, "y": y}
