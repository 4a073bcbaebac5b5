"""Build a small repository with one lesson that passes every check, for the tests to break."""

import base64
import io
import json
import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tools.nb_format import format_notebook, write_text
from tools.nb_metadata import code_hash
from tools.nb_results import SEEDS_FILE
from tools.nb_schema import ROOT, read_repository
from tools.nb_table import write_tables

NAME = "2-mlp/03-percobaan.ipynb"
RESULTS = {"akurasi_uji": {"label": "akurasi uji", "at_least": 0.86, "tolerance": 0.02, "value": 0.874}}
PROSE = (
    "Bobot sebuah lapisan diperbarui dengan gradien, lalu galat pada data validasi dihitung kembali. "
    "Perhatikan bahwa larik itu tidak berubah bentuk, sehingga kompilasi cukup terjadi satu kali. "
)
HINT = "<details><summary>Petunjuk</summary>\n\nMulailah dari bentuk larik.\n\n</details>"


def picture(size=8, colour="white"):
    """Return a PNG of one colour as base64 text."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def good_lesson():
    """Return a notebook that passes `check` once it is formatted; its outputs are made by hand."""
    cells = [
        new_markdown_cell(
            "# Percobaan kecil\n\nWaktu sekitar 45 menit. Prasyarat: [lab pertama](../1-maths/lab/lab-1.ipynb)."
        ),
        new_markdown_cell("## Tujuan belajar\n\n- Menghitung gradien."),
        new_markdown_cell("## Persiapan"),
        new_code_cell("SEED = 0\nEPOCHS = 3"),
        *_section("Intuisi", 2, "**Tebak dulu.** Apakah galat turun?"),
        *_section("Matematika", 1, "$$y = Wx$$"),
        *_section("Dari nol: dua lapisan", 4, ""),
        *_section("Cek", 1, ""),
        *_section("Di balik layar JAX", 1, ""),
        *_section("Versi pustaka", 1, ""),
        *_section("Latih dan diagnosa", 2, ""),
        *_section("Klinik bug", 1, ""),
        new_markdown_cell("## Latihan\n\n" + "\n\n".join([HINT] * 4)),
        new_markdown_cell("## Kuis konsep\n\n" + "\n\n".join([HINT] * 5)),
        new_markdown_cell("## Ringkasan\n\nGradien menunjuk arah.\n\n## Istilah\n\n| lapisan | *layer* |"),
        new_markdown_cell("## Rujukan\n\nRumelhart, D., Learning representations, 1986."),
        new_markdown_cell("## Pemeriksaan akhir"),
        new_code_cell('{"akurasi_uji": 0.874}', outputs=[_result("{'akurasi_uji': 0.874}")]),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata["lesson"] = nbformat.from_dict(
        {
            "title": "Percobaan kecil",
            "minutes": 45,
            "seconds": 30,
            "level": "dasar",
            "hardware": "CPU",
            "data": "0 MB",
            "builds": "jaringan dua lapisan",
            "prerequisites": ["1-maths/lab/lab-1"],
            "results": RESULTS,
        }
    )
    return notebook


def make_root(folder, notebook):
    """Write a repository around `notebook` into `folder`: the lesson formatted, its tables and seeds in place.

    Returns:
        (root Path, lesson Path).
    """
    root = Path(folder)
    path = root / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "pyproject.toml", root / "pyproject.toml")
    (root / "1-maths/lab").mkdir(parents=True)
    (root / "1-maths/lab/lab-1.ipynb").touch()  # only something to link to
    for folder in (root, path.parent):
        (folder / "README.md").write_text("# Kursus\n\n<!-- lessons:begin -->\n<!-- lessons:end -->\n")
    finish(notebook, path, root=root)
    seeds = {
        NAME: {
            "code_hash": code_hash(notebook),
            "results": {"akurasi_uji": [0.874, 0.87, 0.88]},
            "seconds": [2600, 2650, 2750],
        }
    }
    (root / "benchmarks").mkdir(exist_ok=True)
    (root / SEEDS_FILE).write_text(json.dumps(seeds))
    refresh_tables(root)
    return root, path


def finish(notebook, path, *, root):
    """Number, format and hash `notebook` as an executed lesson, and write it to `path`."""
    repository = read_repository(root)
    name = path.relative_to(root).as_posix()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
    format_notebook(notebook, name, repository=repository)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1  # the setup cell has come in
    notebook.metadata["lesson"]["code_hash"] = code_hash(notebook)
    path.write_text(write_text(format_notebook(notebook, name, repository=repository)), encoding="utf-8")


def tiny_lesson(*code):
    """Return a notebook of few cells for executing: not a lesson that would pass `check`."""
    notebook = good_lesson()
    cells = [new_code_cell(source) for source in code]
    notebook.cells = [new_markdown_cell("# Kecil"), new_markdown_cell("## Persiapan"), *cells]
    notebook.metadata["lesson"]["prerequisites"] = []
    return notebook


def refresh_tables(root):
    """Bring the tables of the repository up to date."""
    return write_tables(root, read_repository(root))


def _section(heading, figures, text):
    yield new_markdown_cell(f"## {heading}\n\n{text}\n\n{PROSE * 4}")
    for number in range(figures):
        plot = new_output("display_data", {"image/png": picture(), "text/plain": "<Figure size 80x80 with 1 Axes>"})
        yield new_code_cell(f"plt.plot([{number}, 1]);", outputs=[plot])
        yield new_markdown_cell(PROSE)


def _result(text):
    return new_output("execute_result", {"text/plain": text}, execution_count=1)
