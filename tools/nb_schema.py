"""Know what a lesson is: where it lies, its metadata, its sections, its setup cell and its badge."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
LESSON_PATTERN = "[1-6]-*/[0-9][0-9]-*.ipynb"
SETUP_ID = "setup"
SETUP_MARK = "COLAB_RELEASE_TAG"  # recognises the setup cell where an editor has dropped its id
SECTIONS = (
    "Tujuan belajar",
    "Persiapan",
    "Intuisi",
    "Matematika",
    "Dari nol",
    "Cek",
    "Di balik layar JAX",
    "Versi pustaka",
    "Latih dan diagnosa",
    "Klinik bug",
    "Latihan",
    "Kuis konsep",
    "Ringkasan",
    "Istilah",
    "Rujukan",
    "Pemeriksaan akhir",
)
SETUP_TEMPLATE = """\
import os
import sys
from importlib import import_module
from importlib.metadata import version

clouds = {{"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"}}
if "google.colab" in sys.modules or clouds & set(os.environ):
    # Colab/Kaggle: pasang paket kursus tanpa mengganti jax yang sudah ada di sana.
    import subprocess

    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    release = "{url}/releases/download/v{version}"
    wheel = f"{{release}}/{wheel}"
    wheel = os.environ.get("{variable}_WHEEL", wheel)
    packages = [f"jax=={{version('jax')}}", "{flax}", wheel]
    pip = [sys.executable, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, *packages], check=True)

try:
    import_module("common.data")
except ModuleNotFoundError as error:
    cure = "jalankan `make lab` dari akar repositori."
    raise ModuleNotFoundError(f"Paket {{error.name!r}} belum terpasang: {{cure}}") from None"""


class LessonError(Exception):
    """Say, in Indonesian, what is wrong with a lesson or with what was asked for it."""


@dataclass(frozen=True)
class Repository:
    """Hold what pyproject.toml says about the project: a fork changes it there and runs `fmt`."""

    name: str
    version: str
    url: str
    flax: str

    @property
    def slug(self):
        """Return "owner/repository"."""
        return "/".join(self.url.split("/")[-2:])


def read_repository(root):
    """Read name, version, address and flax requirement from `root`/pyproject.toml.

    Args:
        root: Path of the repository.

    Returns:
        A Repository.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    flax = next(line for line in project["dependencies"] if line.startswith("flax"))
    url = project["urls"]["Repository"].removesuffix(".git").rstrip("/")
    return Repository(project["name"], project["version"], url, flax)


def lesson_paths(root):
    """List the lessons under `root`, as sorted absolute paths."""
    return sorted(root.glob(LESSON_PATTERN))


def is_lesson(root, path):
    """Tell whether `path` is a lesson of the repository `root` (labs are not)."""
    return path in lesson_paths(root)


def read_notebook(path):
    """Read a notebook as it is, without the upgrade that would invent random cell ids.

    Args:
        path: Path of an .ipynb file of nbformat 4.

    Returns:
        A NotebookNode with joined lines.

    Raises:
        LessonError: the file is not a notebook of nbformat 4.
    """
    return parse_notebook(path.read_text(encoding="utf-8"), path)


def parse_notebook(text, path):
    """Parse the JSON `text` of the notebook at `path` (used in the message only)."""
    try:
        notebook = nbformat.v4.reads_json(text)
        major = notebook.nbformat
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise LessonError(f"{path}: bukan notebook Jupyter ({error}); periksa isi berkasnya") from error
    if major != 4:
        raise LessonError(f"{path}: nbformat 4 diharapkan, ternyata {major}; simpan ulang dari JupyterLab")
    return notebook


def setup_source(repository):
    """Return the source of the setup cell, the same in every lesson."""
    stem = re.sub(r"[-_.]+", "_", repository.name)
    return SETUP_TEMPLATE.format(
        url=repository.url,
        version=repository.version,
        variable=stem.upper(),
        wheel=f"{stem}-{repository.version}-py3-none-any.whl",
        flax=repository.flax,
    )


def is_setup_cell(cell):
    """Tell whether `cell` is the setup cell, by its id or, where that was lost, by its content."""
    if cell.cell_type != "code":
        return False
    return cell.get("id") == SETUP_ID or SETUP_MARK in cell.source


def badge(repository, path):
    """Return the Markdown of the Colab badge.

    Args:
        repository: a Repository.
        path: the lesson's path in the repository, with forward slashes.
    """
    picture = "https://colab.research.google.com/assets/colab-badge.svg"
    link = f"https://colab.research.google.com/github/{repository.slug}/blob/main/{path}"
    return f"[![Buka di Colab]({picture})]({link})"


def strip_source(source):
    """Drop white space at the ends of lines and empty lines at the end."""
    return "\n".join(line.rstrip() for line in source.split("\n")).rstrip("\n")
