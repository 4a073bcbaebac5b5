"""Mark one submission: the checks run here, the student's code in a process that cannot reach them."""

import contextlib
import io
import json
import re
import time
import traceback
import warnings
from dataclasses import dataclass, field

from tools.labs_forbidden import forbidden_in
from tools.labs_source import bound_names, loaded_names, read_lab
from tools.labs_student import CORES, Limits, Student, StudentError, StudentLate, StudentStopped
from tools.labs_submission import NoNotebook, digest_of_file, number_in_name, read_submission, student_cells
from tools.nb_schema import LessonError

CHECK_SECONDS = 10  # for a check that says nothing else
PASSED, FAILED, MISSING, STOPPED = "lulus", "belum", "kosong", "terhenti"


@dataclass(frozen=True)
class Settings:
    """How to mark.

    Attributes:
        walls: whether to isolate the student's code.
        extra: `{task: code}`, checks of the instructor's own that run after those of the lab.
        limits: `Limits` of the student's process.
    """

    walls: bool = True
    extra: dict = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


def mark_file(lab_path, path, settings):
    """Mark one file.

    Args:
        lab_path: Path of the lab's source.
        path: Path of the submission.
        settings: `Settings`.

    Returns:
        JSON data: "file", "sha256", "lab_sha256", "number", "name", "notes", "written" and "tasks", a list of {"task",
        "points", "earned", "status", "message", "hint", "lesson", "seconds"}.
    """
    lab = read_lab(lab_path)
    try:
        row = _mark(lab, path, settings)
    except NoNotebook as error:
        row = unmarked_row(lab, path, str(error), MISSING)
    except LessonError:  # of this machine, not of the file
        raise
    except Exception as error:  # a notebook so strange that it is not foreseen must not cost the others their marks
        row = unmarked_row(lab, path, f"Tidak dapat dinilai: {type(error).__name__}: {error}")
    return _writable(row)


def unmarked_row(lab, path, reason, status=STOPPED):
    """Return a row as of `mark_file` for a file without marks, with the same reason at every task."""
    row = {"file": str(path), "lab_sha256": lab.digest, "written": {}, "name": "", "number": number_in_name(path)}
    tasks = [_entry(cell, status, reason, 0) for cell in lab.checks]
    return row | {"sha256": digest_of_file(path), "notes": [reason], "tasks": tasks}


def _mark(lab, path, settings):
    submission = read_submission(path)
    row = {"file": str(path), "lab_sha256": lab.digest, "written": submission.written, "sha256": submission.digest}
    tasks, notes = mark_code(lab, student_cells(submission, lab), submission.number, settings)
    who = {"number": submission.number, "name": submission.name}
    return row | who | {"notes": [*submission.notes, *notes], "tasks": tasks}


def _writable(data):
    """Replace what no file can hold, half of a surrogate pair, in all texts of JSON data."""
    return json.loads(json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))


def mark_code(lab, cells, number, settings, only=None):
    """Run a student's cells, then the checks.

    Args:
        lab: `Lab`.
        cells: list of (name, source).
        number: the student's number, which decides the variant.
        settings: `Settings`.
        only: tasks to check; None: all.

    Returns:
        (tasks, notes) as in `mark_file`.
    """
    chosen = [cell for cell in lab.checks if only is None or cell.task in only]
    try:
        namespace = given_namespace(lab, number)
    except Exception as error:  # for instance a number that is none
        message = f"Sel yang diberikan gagal untuk NIM {number!r}: {type(error).__name__}: {error}"
        return [_entry(cell, MISSING, message, 0) for cell in chosen], [message]
    desk = Desk(lab, cells, number, settings)
    try:
        return [desk.mark(cell, namespace) for cell in chosen], desk.notes
    finally:
        desk.close()


def given_namespace(lab, number):
    """Run what the lab gives, here, for the checks.

    Args:
        lab: `Lab`.
        number: the student's number.

    Returns:
        A namespace.
    """
    namespace = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for name, source in given_cells(lab, number):
            exec(compile(source, f"<{name}>", "exec"), namespace)
    return namespace


def given_cells(lab, number):
    """List what both sides run first: (name, source) of setup, identity with this number, and given cells."""
    cells = []
    for place, cell in enumerate(lab.cells, 1):
        if cell.kind in ("setup", "given", "identity"):
            cells.append((f"sel {place}", _with_number(cell, number)))
    return cells


class Desk:
    """Keep a student's process ready: made anew, without the cells that ended it, whenever it has died."""

    def __init__(self, lab, cells, number, settings):
        self.lab, self.cells, self.number, self.settings = lab, list(cells), number, settings
        self.student, self.notes = None, []

    def close(self):
        """End the process."""
        if self.student is not None:
            self.student.stop()
            self.student = None

    def mark(self, check, namespace):
        """Run one check.

        Args:
            check: `LabCell`.
            namespace: from `given_namespace`; it is not changed.

        Returns:
            One entry of "tasks".
        """
        start = time.monotonic()
        try:
            self.make_ready()
            self.student.deadline = self.student.deadline_in(check.facts.get("seconds", CHECK_SECONDS))
            status, message = self.check(check, dict(namespace))
        except (StudentStopped, StudentLate) as error:
            if isinstance(error, StudentStopped):
                self.close()
            status, message = STOPPED, f"Kode Anda dihentikan: {error}."
        return _entry(check, status, message, time.monotonic() - start)

    def check(self, check, namespace):
        """Run one check in the process as it is, within `student.deadline`.

        Args:
            check: `LabCell`.
            namespace: of the given cells; it is changed.

        Returns:
            (status, message).

        Raises:
            StudentStopped: the process has ended.
            StudentLate: the code was interrupted.
        """
        code = "\n".join([check.code, self.settings.extra.get(check.task, "")])
        sources = [source for _, source in self.cells]
        if used := forbidden_in(sources, self.lab.names_of(check.task), check.facts.get("forbidden", ())):
            return FAILED, f"Tugas ini dikerjakan tanpa {', '.join(used)}, tetapi jawaban Anda memakainya."
        try:
            for name in sorted(loaded_names(code) & set(self.lab.names_of(check.task))):
                namespace[name] = self.student.get(name)
        except StudentLate:
            raise
        except StudentError as error:
            return MISSING, f"Belum ada: {error}"
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
                exec(compile(code, f"<Periksa {check.task}>", "exec"), namespace)
        except AssertionError as error:
            return FAILED, str(error).strip() or f"Tidak memenuhi: {_line_of(error, code)}"
        except (StudentStopped, StudentLate):
            raise
        except StudentError as error:
            status = MISSING if str(error).startswith("NotImplementedError") else FAILED
            return status, f"Kode Anda berhenti dengan {error}"
        except Exception as error:  # a result of a kind that the check cannot use
            return (
                FAILED,
                f"Hasilnya tidak dapat diperiksa ({type(error).__name__}: {error}) pada: {_line_of(error, code)}",
            )
        return PASSED, ""

    def make_ready(self):
        """Start a process and run the cells, if there is none."""
        while self.student is None:
            self.student = Student(walls=self.settings.walls, limits=self.settings.limits)
            for name, source in given_cells(self.lab, self.number):
                self.student.run(source, name, self.settings.limits.code)
            self._run_cells()

    def _run_cells(self):
        """Run the student's cells; those that fail are tried once more at the end, as they may stand in wrong order."""
        limits = self.settings.limits
        end, again = time.monotonic() + CORES * limits.code, []
        for attempt, cells in enumerate((list(self.cells), again)):
            for name, source in cells:
                left = min(limits.cell, end - time.monotonic())
                if left <= 0:
                    self._note("sel-selnya melewati batas waktu; sisanya tidak dijalankan")
                    return
                try:
                    self.student.run(source, name, left)
                except StudentError as error:
                    again += [(name, source)] if not attempt and bound_names(source) else []
                    self._note(f"{name}: {error}" if attempt or not bound_names(source) else "")
                except StudentStopped as error:
                    self._note(f"{name} dilewati: {error}")
                    self.cells.remove((name, source))
                    self.close()
                    return

    def _note(self, text):
        if text and text not in self.notes and "NotImplementedError" not in text:
            self.notes.append(text)


def _entry(check, status, message, seconds):
    facts = check.facts
    return {
        "task": check.task,
        "points": facts["points"],
        "earned": facts["points"] if status == PASSED else 0,
        "status": status,
        "message": message,
        "hint": facts.get("hint", ""),
        "lesson": facts.get("lesson", ""),
        "seconds": round(seconds, 1),
    }


def _line_of(error, code):
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<Periksa")
    ]
    return code.split("\n")[lines[-1] - 1].strip() if lines else "(tidak diketahui)"


def _with_number(cell, number):
    if cell.kind != "identity":
        return cell.source
    return re.sub(r"(?m)^NIM = .*$", lambda _: f"NIM = {number!r}", cell.source)
