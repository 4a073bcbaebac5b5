"""Execute a lesson in a fresh kernel, with other constants where asked, and say what it reached."""

import ast
import sys
import time
from dataclasses import dataclass

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from tools.nb_format import CELL_TIMEOUT, format_notebook, write_text
from tools.nb_metadata import bound_text, code_hash, decimal, final_results, meets_bound
from tools.nb_outputs import ANSI, tidy_outputs
from tools.nb_schema import LessonError, is_setup_cell
from tools.nb_sections import section_of

TRACEBACK_LINES = 15
QUIET = ["--log-level=CRITICAL"]  # kernels warn about unencrypted loopback, and complain when stopped


@dataclass(frozen=True)
class Run:
    """Hold what one execution gave: the wall time in seconds and the results by name."""

    seconds: float
    results: dict


def constants(notebook):
    """Find the plain constants of a lesson: top-level `NAME = literal`, the name in capitals.

    Returns:
        Dict from name to (cell index from 0, the ast node of the value), the last assignment of each.
    """
    found = {}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or is_setup_cell(cell):
            continue
        for node in _statements(cell.source):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if name.isupper() and _is_literal(node.value):
                    found[name] = (index, node.value)
    return found


def set_constants(notebook, settings):
    """Replace constants of `notebook`, in place.

    Args:
        notebook: a NotebookNode.
        settings: list of "NAME=VALUE", VALUE a Python literal.

    Raises:
        LessonError: no such constant, or VALUE is no literal.
    """
    for setting in settings:
        name, _, text = (part.strip() for part in setting.partition("="))
        known = constants(notebook)
        if name not in known:
            raise LessonError(
                f"--set {setting}: tidak ada konstanta {name!r}; yang ada: {', '.join(known) or 'tidak satu pun'}"
            )
        try:
            ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise LessonError(
                f"--set {setting}: literal Python diharapkan, ternyata {text!r}; tulis NAMA=NILAI"
            ) from None
        index, node = known[name]
        notebook.cells[index].source = _replace(notebook.cells[index].source, node, text)


def execute(notebook, folder, *, limit=None, report=None):
    """Execute `notebook` in place, in a fresh kernel.

    Args:
        notebook: a NotebookNode.
        folder: Path that the kernel works in.
        limit: seconds for the whole run; None leaves only the limit of each cell.
        report: called with (cell number from 1, cells, section, seconds so far) before each code cell.

    Returns:
        Wall time in seconds.

    Raises:
        LessonError: a cell failed or ran too long; the message names cell, section and error.
    """
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=QUIET,
        resources={"metadata": {"path": str(folder)}},
    )
    began = time.perf_counter()
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            elapsed = time.perf_counter() - began
            if report and cell.cell_type == "code":
                report(index + 1, len(notebook.cells), section_of(notebook, index + 1), elapsed)
            if limit is not None and elapsed >= limit:
                raise LessonError(f"belum selesai setelah {limit:g} detik; percepat atau naikkan --limit")
            client.timeout = CELL_TIMEOUT if limit is None else max(1, round(limit - elapsed))
            _execute_cell(client, notebook, index)
    return time.perf_counter() - began


def _execute_cell(client, notebook, index):
    try:
        client.execute_cell(notebook.cells[index], index)
    except CellExecutionError as error:
        lines = ANSI.sub("", error.traceback).rstrip().split("\n")[-TRACEBACK_LINES:]
        problem = f"{error.ename}: {error.evalue}\n" + "\n".join(f"    {line}" for line in lines)
    except CellTimeoutError:
        problem = f"belum selesai setelah {client.timeout} detik; percepat atau naikkan --limit"
    except DeadKernelError:
        problem = "kernel mati; periksa memori"
    else:
        return
    raise LessonError(f"sel {index + 1} (bagian {section_of(notebook, index + 1)!r}): {problem}")


def run_lesson(notebook, folder, *, limit=None, report=None):
    """Execute `notebook` in place and read its results; see `execute`.

    Returns:
        A Run; no results where the metadata names none.
    """
    seconds = execute(notebook, folder, limit=limit, report=report)
    expected = set(notebook.metadata.get("lesson", {}).get("results", {}))
    results = final_results(notebook) if expected else {}
    if set(results) != expected:
        raise LessonError(f"hasil {sorted(expected)} diharapkan, ternyata {sorted(results)}; samakan namanya")
    return Run(seconds, results)


def store(notebook, run, *, path, root, repository):
    """Write an executed lesson to `path`: outputs made small, results and code hash in the metadata."""
    lesson = notebook.metadata["lesson"]
    for name, value in run.results.items():
        lesson["results"][name]["value"] = value
    tidy_outputs(notebook)
    format_notebook(notebook, path.relative_to(root).as_posix(), repository=repository)
    lesson["code_hash"] = code_hash(notebook)
    path.write_text(write_text(notebook), encoding="utf-8", newline="\n")


def summary(notebook, run):
    """Say what a run reached.

    Returns:
        (list of lines, True if every bound is kept).
    """
    lesson = notebook.metadata.get("lesson", {})
    lines, kept = [], True
    for name, value in run.results.items():
        spec = lesson["results"][name]
        good = meets_bound(spec, value)
        kept &= good
        verdict = "tercapai" if good else "GAGAL   "
        lines.append(f"{verdict}  {spec['label']}: {decimal(value)} (batas {bound_text(spec)})")
    budget = f" dari anggaran {lesson['seconds']} s" if "seconds" in lesson else ""
    over = " (melewati anggaran)" if run.seconds > lesson.get("seconds", float("inf")) else ""
    return [*lines, f"waktu     {decimal(round(run.seconds, 1))} s{budget}{over}"], kept


def terminal_report():
    """Make a report for `execute`: one living line on a terminal, elsewhere one line a section."""
    live, seen = sys.stderr.isatty(), []

    def report(number, cells, section, seconds):
        line = f"[{number:2d}/{cells}] {seconds:6.1f} s  {section}"
        if live:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif section not in seen:
            seen.append(section)
            print(line, file=sys.stderr, flush=True)

    return report


def _statements(source):
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []  # the kernel will say more when it comes to this cell


def _is_literal(node):
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _replace(source, node, text):
    lines = source.encode().split(b"\n")  # ast counts columns in bytes
    before = b"\n".join([*lines[: node.lineno - 1], lines[node.lineno - 1][: node.col_offset]])
    after = b"\n".join([lines[node.end_lineno - 1][node.end_col_offset :], *lines[node.end_lineno :]])
    return (before + text.encode() + after).decode()
