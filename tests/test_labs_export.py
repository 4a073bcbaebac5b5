"""The exported course works with nbgrader itself."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from lab_samples import RIGHT, write_lab

from tools.labs_export import export_course

pytestmark = pytest.mark.slow


def nbgrader(folder, *words):
    command = [Path(sys.executable).parent / "nbgrader", *words]
    environment = os.environ | {"PATH": "/usr/bin:/bin"}  # as where no environment is activated
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


def test_nbgrader_generates_marks_and_exports(tmp_path):
    lab = write_lab(tmp_path)
    course = tmp_path / "kursus"
    export_course([lab], course)
    nbgrader(course, "generate_assignment", lab.name)
    released = course / "release" / lab.name / f"{lab.name}.ipynb"
    notebook = nbformat.read(released, 4)
    text = "\n".join(cell.source for cell in notebook.cells)
    for secret in ("BEGIN", "answer_of_the_source", "[9, 25]", "Karena perkalian", "menyebut perkalian"):
        assert secret not in text
    for student, answers in (("siti", RIGHT), ("budi", {"geser": RIGHT["geser"]}), ("ani", {})):
        for cell in notebook.cells:
            task = cell.source.split("\n")[0].removeprefix("# Tugas ")
            if task in answers:
                cell.source = answers[task]
        path = course / "submitted" / student / lab.name / f"{lab.name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        notebook = nbformat.read(released, 4)
    nbgrader(course, "autograde", lab.name)
    nbgrader(course, "export", "--to", "nilai.csv")
    with (course / "nilai.csv").open() as file:
        marks = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)}
    assert marks == {"siti": (90, 100), "budi": (30, 100), "ani": (0, 100)}
