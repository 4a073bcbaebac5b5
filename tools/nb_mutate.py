"""Test a lesson's own checks: put small bugs into its section "Dari nol" and see that each one is noticed."""

import contextlib
import copy
import io
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from unittest import mock

import jax
import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from tools.nb_mutants import mutants
from tools.nb_schema import LessonError, read_notebook
from tools.nb_sections import segments

SECTION = "Dari nol"
PATIENCE = 5  # a mutant may take this many times what the unchanged rest of the lesson takes,
LEAST_SECONDS = 10  # and at least this long


class OutOfTime(BaseException):
    """Stop a mutant; not an Exception, so that no `except Exception` of a lesson swallows it."""


@dataclass(frozen=True)
class Cell:
    """Hold one code cell: its number from 1, section and source."""

    number: int
    section: str
    source: str


def mutate_lesson(path, *, list_only):
    """Try every mutant of the lesson at `path`.

    Args:
        path: Path of the notebook.
        list_only: only print the mutants.

    Returns:
        0 if the lesson notices every mutant, else 1 after printing the survivors.

    Raises:
        LessonError: the unchanged lesson fails, or its cells cannot be executed twice.
    """
    pieces = segments(read_notebook(path))
    cells = [Cell(p.cell, p.section, p.source) for p in pieces if p.kind in ("code", "setup")]
    work = [(i, m) for i, cell in enumerate(cells) if cell.section == SECTION for m in _mutants(cell)]
    if list_only or not work:
        for index, mutant in work:
            print(describe(cells[index], mutant))
        print(f"{len(work)} perubahan")
        return 0
    if not hasattr(signal, "SIGALRM"):
        raise LessonError("mutate memerlukan Linux atau macOS (signal.SIGALRM); jalankan di WSL")
    with contextlib.chdir(path.parent), _quiet():
        outcomes = _try_all(cells, work)
    survivors = [(i, m) for (i, m), outcome in zip(work, outcomes, strict=True) if outcome is None]
    for index, mutant in survivors:
        print(f"LOLOS {describe(cells[index], mutant)}")
    kinds = sorted({outcome for outcome in outcomes if outcome})
    counts = ", ".join(f"{kind} {outcomes.count(kind)}" for kind in kinds)
    print(f"{len(work)} perubahan, {len(work) - len(survivors)} ketahuan ({counts}), {len(survivors)} lolos")
    return 1 if survivors else 0


def describe(cell, mutant):
    """Write one line about a mutant: cell, line, expression before and after."""
    return f"sel {cell.number} baris {mutant.line}: {mutant.before}  ->  {mutant.after}"


def _mutants(cell):
    try:
        return mutants(cell.source)
    except SyntaxError as error:
        raise LessonError(f"sel {cell.number} tidak dapat diurai: {error.msg} (baris {error.lineno})") from error


def _try_all(cells, work):
    namespace, before = {"__name__": "__main__", "display": lambda *objects: None}, []
    began = {}
    for index, cell in enumerate(cells):
        before.append(_snapshot(namespace))
        began[index] = time.perf_counter()
        try:
            _run(compile(cell.source, f"<sel {cell.number}>", "exec"), namespace)
        except Exception as error:
            raise LessonError(f"sel {cell.number}: {type(error).__name__}: {error}; betulkan dahulu") from error
    rest = time.perf_counter() - began[work[0][0]]
    control = _outcome(cells, work[0][0], None, namespace, before)
    if control:
        raise LessonError(f"tanpa perubahan pun gagal bila diulang dari bagian {SECTION!r}: {control}")
    outcomes = []
    for number, (index, mutant) in enumerate(work, 1):
        if sys.stderr.isatty():
            print(f"\r[{number}/{len(work)}] sel {cells[index].number}", end="", file=sys.stderr, flush=True)
        limit = max(LEAST_SECONDS, PATIENCE * rest)
        with _alarm(limit):
            outcomes.append(_outcome(cells, index, mutant, namespace, before))
    return outcomes


def _outcome(cells, start, mutant, namespace, before):
    """Execute from cell `start`, the mutant in its place; return the name of what stopped it, or None."""
    namespace.clear()
    namespace.update(_snapshot(before[start]))
    jax.clear_caches()
    try:
        for index in range(start, len(cells)):
            changed = mutant is not None and index == start
            source = mutant.tree if changed else cells[index].source
            _run(compile(source, f"<sel {cells[index].number}>", "exec"), namespace)
    except OutOfTime:
        return "waktu habis"
    except Exception as error:
        return type(error).__name__
    finally:
        plt.close("all")
    return None


def _run(code, namespace):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        exec(code, namespace)


def _snapshot(namespace):
    """Copy a namespace: what lessons change in place is copied deeply, everything else is shared."""
    return {name: _copy(value) for name, value in namespace.items()}


def _copy(value):
    if not isinstance(value, list | dict | set | np.ndarray):
        return value
    try:
        return copy.deepcopy(value)
    except Exception:  # something inside cannot be copied (a lock, a generator): keep the container apart at least
        return copy.copy(value)


@contextlib.contextmanager
def _quiet():
    matplotlib.use("Agg")
    with mock.patch.object(plt, "show", lambda *_, **__: None), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _alarm(seconds):
    def stop(*_):
        raise OutOfTime

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
