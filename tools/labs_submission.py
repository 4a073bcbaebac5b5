"""Read what a student handed in, however damaged: code cells, written answers, name and number."""

import ast
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from tools.labs_source import PLACEHOLDER, WRITTEN_TITLE, parsed, title_of
from tools.nb_schema import SETUP_MARK, strip_source

MAX_BYTES = 50 * 2**20
NUMBER = re.compile(r"\d{5,}")
MOODLE = re.compile(r"_\d+_assignsubmission_(?:file|onlinetext)_?")  # in its archives: a number that is no student's
UNSET = {"", "00000000", "Nama Lengkap"}


class NoNotebook(Exception):
    """The file cannot be read as a notebook; the text says why."""


@dataclass(frozen=True)
class Submission:
    """What one file holds.

    Attributes:
        path: of the file.
        digest: SHA-256 of its bytes.
        code: sources of the code cells, in order.
        written: `{task: answer in Markdown}`.
        number, name: of the student, as the notebook says; the number else as the file name says.
        notes: what the instructor should know.
    """

    path: Path
    digest: str
    code: tuple[str, ...]
    written: dict
    number: str
    name: str
    notes: tuple[str, ...]


def read_submission(path):
    """Read a file.

    Args:
        path: Path.

    Returns:
        `Submission`.

    Raises:
        NoNotebook: it is none.
    """
    if path.stat().st_size > MAX_BYTES:
        raise NoNotebook(f"berkas lebih besar dari {MAX_BYTES // 2**20} MB")
    data = path.read_bytes()
    cells = list(_cells(data))
    code = tuple(source for kind, source in cells if kind == "code")
    texts = [source for kind, source in cells if kind == "markdown"]
    identity, notes = _identity(code), []
    number, name = (str(identity.get(key, "")).strip() for key in ("NIM", "NAMA"))
    if number in UNSET:
        number = number_in_name(path)
        notes.append("NIM di dalam notebook belum diisi; dipakai dari nama berkas")
    elif (found := NUMBER.search(path.stem)) and found[0] != number:
        notes.append(f"NIM di dalam notebook ({number}) berbeda dari nama berkas ({found[0]})")
    name = "" if name in UNSET else name
    return Submission(path, digest_of(data), code, _written(texts), number, name, tuple(notes))


def number_in_name(path):
    """Return the student number that the name of a file or of its folder holds, else the name itself."""
    found = NUMBER.search(MOODLE.sub("_", path.stem)) or NUMBER.search(MOODLE.sub("_", f"{path.parent.name}_"))
    return found[0] if found else path.stem


def digest_of(data):
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path):
    """SHA-256 of a file, "" if it cannot be read."""
    try:
        return digest_of(path.read_bytes())
    except OSError:
        return ""


def student_cells(submission, lab):
    """Choose the cells to run: all code that the student has written, nothing that was given.

    Args:
        submission: `Submission`.
        lab: `Lab`.

    Returns:
        List of (name for messages, source), in the order of the notebook.
    """
    given = {strip_source(cell.student_source) for cell in lab.cells if cell.kind != "text"}
    given |= {strip_source(cell.code) for cell in lab.cells if cell.kind in ("given", "demo", "check")}
    chosen = []
    for number, source in enumerate(submission.code, 1):
        kind, task = title_of(source)
        if strip_source(source) in given or kind == "identity" or SETUP_MARK in source or not source.strip():
            continue
        name = {"answer": f"Tugas {task}", "check": f"Periksa {task}"}.get(kind, f"sel kode {number}")
        chosen.append((name, source))
    return chosen


def _cells(data):
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise NoNotebook("bukan notebook: isinya bukan JSON") from None
    if not isinstance(notebook, dict):
        raise NoNotebook("bukan notebook: tidak ada sel di dalamnya")
    cells = notebook.get("cells")
    if cells is None:  # nbformat 3
        sheets = notebook.get("worksheets")
        if isinstance(sheets, list):
            parts = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
            cells = [cell for part in parts if isinstance(part, list) for cell in part]
    if not isinstance(cells, list):
        raise NoNotebook("bukan notebook: tidak ada sel di dalamnya")
    for cell in cells:
        if not isinstance(cell, dict):
            continue
        source = cell.get("source", cell.get("input", ""))
        if isinstance(source, list):
            source = "".join(part for part in source if isinstance(part, str))
        if isinstance(source, str):
            yield cell.get("cell_type"), source.replace("\r\n", "\n")


def _identity(code):
    found = {}
    for source in code:
        for node in parsed(source):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and _is_short(node.value.value):
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id in ("NIM", "NAMA"):
                        found[target.id] = node.value.value
    return found


def _is_short(value):
    """Tell whether a number or name of a student is one: Python refuses to write an integer of very many digits."""
    return isinstance(value, str) or (isinstance(value, int) and value < 10**30)


def _written(texts):
    answers = {}
    for text in texts:
        first, _, rest = text.strip().partition("\n")
        if found := WRITTEN_TITLE.match(first):
            rest = rest.replace(PLACEHOLDER.strip(), "").strip()
            answers[found[1]] = max(answers.get(found[1], ""), rest, key=len)  # an empty copy does not count
    return answers
