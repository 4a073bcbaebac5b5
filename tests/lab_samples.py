"""A small lab and notebooks that students might hand in, for the tests of `tools.labs`."""

import json
import tempfile
from pathlib import Path

import nbformat

from tools.labs_source import read_lab
from tools.nb_schema import ROOT, read_repository, setup_source

SOURCE = [
    ("markdown", "# Lab contoh\n\nTiga tugas.", None),
    ("code", setup_source(read_repository(ROOT)), None),
    ("code", "import numpy as np", None),
    ("code", '# Identitas\nNIM = "00000000"\nNAMA = "Nama Lengkap"', None),
    ("code", 'offset = sum(map(ord, NIM)) % 7\nsecret_free = "diberikan"', None),
    (
        "code",
        "# Tugas kuadrat\ndef square(x):\n"
        "    # BEGIN SOLUTION: kalikan x dengan dirinya\n    answer_of_the_source = x * x\n"
        "    return answer_of_the_source\n    # END SOLUTION",
        None,
    ),
    (
        "code",
        "# Periksa kuadrat\nassert square(2) == 4, 'kuadrat 2 harus 4'\n"
        "# BEGIN HIDDEN TESTS\nassert np.allclose(square(np.array([-3.0, 5.0])), [9, 25]), 'kuadrat -3 harus 9'\n"
        "# END HIDDEN TESTS",
        {"points": 60, "seconds": 2, "hint": "Gunakan perkalian.", "lesson": "../01-gradient-descent.ipynb"},
    ),
    (
        "code",
        "# Tugas geser\n# BEGIN SOLUTION: tambahkan 10 pada offset\nshifted = offset + 10\n# END SOLUTION",
        None,
    ),
    (
        "code",
        "# Periksa geser\nassert isinstance(shifted, int), 'shifted harus bilangan bulat'\n# BEGIN HIDDEN TESTS\n"
        "assert shifted == offset + 10, f'untuk NIM {NIM} harus {offset + 10}'\n# END HIDDEN TESTS",
        {"points": 30, "seconds": 2},
    ),
    ("code", "# Peragaan\nprint(square(3), shifted)", None),
    (
        "markdown",
        "**Jawaban alasan.**\n\nMengapa?\n\n<!-- BEGIN SOLUTION -->\nKarena perkalian.\n<!-- END SOLUTION -->\n"
        "<!-- BEGIN RUBRIC -->\n10: menyebut perkalian.\n<!-- END RUBRIC -->",
        {"points": 10},
    ),
]
RIGHT = {
    "kuadrat": "# Tugas kuadrat\ndef square(x):\n    return x * x",
    "geser": "# Tugas geser\nshifted = offset + 10",
}


def write_lab(folder):
    """Write the small lab below a folder and return it as a `Lab`."""
    path = folder / "2-contoh" / "lab" / "lab-2-contoh-solution.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = []
    for number, (kind, source, facts) in enumerate(SOURCE):
        make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        cell = make(source, id=f"c{number}")
        if facts:
            cell.metadata["lab"] = facts
        cells.append(cell)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return read_lab(path)


def hand_in(folder, name, code=(), *, number="13521001", written="Karena perkalian.", everything=True):
    """Write a submission: the student edition with these answers.

    Args:
        folder: Path.
        name: of the file.
        code: `{task: source}` in place of the answer cells, or a list of sources to put behind all others.
        number: the student's number.
        written: the written answer.
        everything: False leaves the check cells out.

    Returns:
        Path of the file.
    """
    with tempfile.TemporaryDirectory() as source:
        lab = write_lab(Path(source))
    answers = code if isinstance(code, dict) else {}
    cells = []
    for part in lab.cells:
        source = answers.get(part.task, part.student_source) if part.kind == "answer" else part.student_source
        if part.kind == "identity":
            source = f'# Identitas\nNIM = "{number}"\nNAMA = "Siti Aminah"'
        if part.kind == "written":
            source = source.replace("*Tulis jawaban Anda di sini.*", written)
        if part.kind != "check" or everything:
            cells.append({"cell_type": "markdown" if part.kind in ("text", "written") else "code", "source": source})
    cells += [{"cell_type": "code", "source": source} for source in code] if not answers else []
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}), encoding="utf-8")
    return path
