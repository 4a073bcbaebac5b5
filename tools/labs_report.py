"""Write what a marked batch is for: marks, feedback for each student, the class at a glance, written answers."""

import base64
import csv
import io
import os
import re
import statistics
from collections import Counter
from pathlib import Path

import jinja2
import matplotlib.pyplot as plt

from common import plots
from tools.labs_judge import FAILED, MISSING, PASSED, STOPPED
from tools.labs_submission import digest_of
from tools.nb_schema import ROOT, LessonError, read_repository

MARKS, WRITTEN, CLASS, FEEDBACK = "nilai.csv", "tertulis.csv", "kelas.html", "umpan-balik"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute what begins so


def write_reports(rows, lab, out):
    """Write all files of a batch.

    Args:
        rows: from `labs_grade.mark_all`.
        lab: `Lab`.
        out: Path of the folder.

    Returns:
        The rows that count, each with "earned" and, where it is known, "written_earned".

    Raises:
        LessonError: a mark in the table of written answers is no number or out of range.
    """
    marks = read_written_marks(out / WRITTEN, lab)
    chosen = sorted((row for row in rows if row["chosen"]), key=lambda row: row["number"])
    for row in rows:
        row["earned"] = sum(task["earned"] for task in row["tasks"])
        given = [marks.get((row["number"], cell.task)) for cell in lab.of("written")]
        row["written_earned"] = None if not given or None in given else sum(given)
    _write_marks(chosen, lab, out / MARKS)
    _write_written(chosen, lab, out, marks)
    _write_class(chosen, lab, len(rows), out / CLASS)
    (out / FEEDBACK).mkdir(exist_ok=True)
    for row in rows:
        (out / FEEDBACK / _feedback_name(row)).write_text(feedback(row, lab), encoding="utf-8")
    return chosen


def feedback(row, lab):
    """Return the HTML page for one student."""
    points, written_points = lab.points
    return _render(
        "umpan-balik.html",
        row=row,
        lab=lab,
        earned=row["earned"],
        possible=points,
        written_points=written_points,
        written_earned=row["written_earned"],
        lesson_url=lambda link: _lesson_url(lab, link),
    )


def read_written_marks(path, lab):
    """Read the marks that the instructor has put into the table of written answers.

    Returns:
        `{(number, task): points}`; empty if there is no table.

    Raises:
        LessonError: a mark is no number or out of range.
    """
    if not path.is_file():
        return {}
    limits = {cell.task: cell.facts["points"] for cell in lab.of("written")}
    marks = {}
    text = path.read_text(encoding="utf-8-sig")
    delimiter = ";" if text.split("\n", 1)[0].count(";") > text.split("\n", 1)[0].count(",") else ","
    for line, row in enumerate(csv.DictReader(io.StringIO(text), delimiter=delimiter), 2):
        text = (row.get("nilai") or "").strip().replace(",", ".")
        if not text or row.get("tugas") not in limits:
            continue
        limit = limits[row["tugas"]]
        try:
            mark = float(text)
        except ValueError:
            mark = -1.0
        if not 0 <= mark <= limit:
            raise LessonError(f"{path}, baris {line}: nilai {text!r} harus bilangan dari 0 sampai {limit}")
        marks[row["NIM"].lstrip("'"), row["tugas"]] = int(mark) if mark == int(mark) else mark
    return marks


def _write_marks(rows, lab, path):
    tasks = [cell.task for cell in lab.checks]
    heads = ["NIM", "Nama", *tasks, "otomatis", "tertulis", "total", "catatan", "berkas"]
    lines = []
    for row in rows:
        earned = {task["task"]: task["earned"] for task in row["tasks"]}
        written = row["written_earned"]
        total = row["earned"] + (written or 0)
        marks = [earned[task] for task in tasks]
        lines.append(
            [
                *(row["number"], row["name"], *marks, row["earned"], "" if written is None else written, total),
                *("; ".join(row["notes"]), row["file"]),
            ]
        )
    _write_table(path, [heads, *lines])


def _write_written(rows, lab, out, marks):
    questions = lab.of("written")
    if not questions:
        return
    lines = [["NIM", "Nama", "tugas", "jawaban", "rubrik", "paling banyak", "nilai"]]
    for cell in questions:
        for row in rows:
            answer, mark = row["written"].get(cell.task, ""), marks.get((row["number"], cell.task), "")
            lines.append([row["number"], row["name"], cell.task, answer, cell.rubric, cell.facts["points"], mark])
    _write_table(out / WRITTEN, lines)
    page = _render("tertulis.html", lab=lab, questions=questions, rows=rows)
    (out / WRITTEN).with_suffix(".html").write_text(page, encoding="utf-8")


def _write_class(rows, lab, files, path):
    tasks = []
    for cell in lab.checks:
        entries = [next(task for task in row["tasks"] if task["task"] == cell.task) for row in rows]
        states = Counter(entry["status"] for entry in entries)
        messages = Counter(entry["message"].split("\n")[0][:160] for entry in entries if entry["status"] != PASSED)
        facts = {status: states[status] for status in (PASSED, FAILED, MISSING, STOPPED)}
        seconds = round(statistics.mean(entry["seconds"] for entry in entries), 1)
        common = messages.most_common(1)[0][0] if messages else ""
        tasks.append(facts | {"task": cell.task, "seconds": seconds, "message": common})
    earned = [row["earned"] for row in rows]
    page = _render(
        "kelas.html",
        lab=lab,
        rows=rows,
        files=files,
        tasks=sorted(tasks, key=lambda task: task[PASSED]),
        possible=lab.points[0],
        mean=round(statistics.mean(earned), 1),
        median=statistics.median(earned),
        figure=_class_figure(earned, tasks, lab.points[0]),
    )
    path.write_text(page, encoding="utf-8")


def _class_figure(earned, tasks, possible):
    with plt.rc_context():
        plots.use_style()
        figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
        axes[0].hist(earned, bins=range(0, possible + 11, 10))
        axes[0].set(xlabel="nilai otomatis", ylabel="mahasiswa")
        shares = [100 * task[PASSED] / len(earned) for task in tasks]
        axes[1].barh([task["task"] for task in tasks], shares)
        axes[1].invert_yaxis()
        axes[1].set(xlabel="mahasiswa yang lulus (%)", xlim=(0, 100))
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        plt.close(figure)
    return base64.b64encode(picture.getvalue()).decode()


def _write_table(path, lines):
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # the mark tells Excel that it is UTF-8
        csv.writer(file).writerows([[_harmless(value) for value in line] for line in lines])


def _harmless(value):
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _feedback_name(row):
    """Return the name of a student's page: readable, and another one for every file."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", Path(row["file"]).with_suffix("").as_posix())[-60:].strip("-")
    return f"{readable}-{digest_of(os.fsencode(row['file']))[:8]}.html"


def _lesson_url(lab, link):
    repository = read_repository(ROOT)
    path = (lab.path.parent / link).resolve()
    place = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else link
    return f"{repository.url}/blob/main/{place}"


def _render(template, **values):
    loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(template).render(values)
