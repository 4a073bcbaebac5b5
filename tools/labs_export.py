"""Write labs as a course of nbgrader, for campuses that run JupyterHub."""

import copy

import nbformat

from tools.labs_source import PLACEHOLDER, RUBRIC

CONFIG = """\
# Kursus nbgrader yang ditulis `python -m tools.labs export`. Jalankan dari folder ini:
#   nbgrader generate_assignment {first}    edisi mahasiswa, ke release/
#   nbgrader autograde {first}              nilai yang terkumpul di submitted/
#   nbgrader export                         tabel nilai, ke grades.csv
import os
import sys

os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]  # nbgrader memanggil alembic
c = get_config()
c.CourseDirectory.course_id = "{course}"
c.ClearSolutions.code_stub = {{"python": 'raise NotImplementedError("tulis jawaban Anda di sini")'}}
c.ClearSolutions.text_stub = {placeholder!r}
c.ExecutePreprocessor.timeout = 120  # detik untuk satu sel
"""
SOLVED, GRADED = {"answer", "written"}, {"check", "written"}


def export_course(labs, folder):
    """Write the tree that nbgrader expects.

    Args:
        labs: list of `Lab`.
        folder: Path of the course; files of the same names are replaced.

    Returns:
        Paths of the files written.
    """
    config = folder / "nbgrader_config.py"
    paths = [config, *(folder / "source" / lab.name / f"{lab.name}.ipynb" for lab in labs)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    text = CONFIG.format(first=labs[0].name, course="dl-jax101", placeholder=PLACEHOLDER.strip())
    config.write_text(text, encoding="utf-8")
    for lab, path in zip(labs, paths[1:], strict=True):
        nbformat.write(instructor_edition(lab), path)
    return paths


def instructor_edition(lab):
    """Return the notebook from which nbgrader makes the student edition; rubrics stay behind, it has no place for them.

    Args:
        lab: `Lab`.

    Returns:
        A notebook with nbgrader's metadata, schema 3.
    """
    notebook = copy.deepcopy(lab.notebook)
    for number, (cell, part) in enumerate(zip(notebook.cells, lab.cells, strict=True)):
        cell.source = RUBRIC.sub("", part.source)
        cell.metadata.pop("lab", None)
        is_free = part.kind in ("identity", "demo")  # the student may change it, nobody marks it
        if is_free:
            continue
        facts = {
            "schema_version": 3,
            "grade_id": f"{part.kind}-{part.task}" if part.task else f"sel-{number}",
            "grade": part.kind in GRADED,
            "solution": part.kind in SOLVED,
            "locked": part.kind not in SOLVED,
            "task": False,
        }
        if part.kind in GRADED:
            facts |= {"points": part.facts["points"], "cell_type": cell.cell_type}
        cell.metadata["nbgrader"] = facts
    return notebook
