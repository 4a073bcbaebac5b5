"""Know the metadata of a lesson (`notebook.metadata["lesson"]`) and the results it records.

    {"title": str, "minutes": int, "seconds": int (the budget of a run), "level": one of LEVELS, "hardware": str,
     "data": str, "builds": str, "prerequisites": ["2-mlp/03-mlp-pure-jax", ...], "code_hash": str,
     "results": {name: {"label": str, "at_least" or "at_most": number, "tolerance": number, "value": number}}}

`run --write` writes `value` and `code_hash`, the author the rest.
"""

import ast
import hashlib
import math

import nbformat

from tools.nb_schema import LessonError, is_setup_cell, strip_source

LEVELS = ("dasar", "menengah", "lanjut")

FIELDS = {
    "title": str,
    "minutes": int,
    "seconds": int,
    "level": str,
    "hardware": str,
    "data": str,
    "builds": str,
    "prerequisites": list,
    "results": dict,
}

_RESULT_FIELDS = ("label", "at_least", "at_most", "tolerance", "value")


def code_hash(notebook):
    """Hash the code cells but for the setup cell, so that stale outputs show.

    Returns:
        The first 16 hexadecimal digits of a SHA-256.
    """
    cells = [strip_source(c.source) for c in notebook.cells if c.cell_type == "code" and not is_setup_cell(c)]
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()[:16]


def final_results(notebook):
    """Read the results that the last code cell of an executed notebook shows.

    Returns:
        Dict from result name to float.

    Raises:
        LessonError: the last code cell does not end in a dict of plain finite numbers.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = cells[-1].get("outputs", []) if cells else []
    texts = [o.data.get("text/plain", "") for o in outputs if o.output_type == "execute_result"]
    shown = texts[-1] if texts else "tidak ada"
    try:
        results = ast.literal_eval(shown)
        if not all(isinstance(name, str) and math.isfinite(value) for name, value in results.items()):
            raise ValueError
        return {name: float(value) for name, value in results.items()}
    except (ValueError, SyntaxError, AttributeError, TypeError):
        raise LessonError(
            "sel kode terakhir harus berakhir dengan dict {nama: float biasa}, "
            f"ternyata {shown[:80]!r}; bungkus setiap nilai dengan float()"
        ) from None


def meets_bound(spec, value):
    """Tell whether `value` keeps the bound ("at_least" or "at_most") of a result's `spec`."""
    return value >= spec["at_least"] if "at_least" in spec else value <= spec["at_most"]


def bound_text(spec):
    """Write the bound of a result for people, with a decimal comma."""
    sign, bound = (">=", spec["at_least"]) if "at_least" in spec else ("<=", spec["at_most"])
    return f"{sign} {decimal(bound)}"


def decimal(value):
    """Write a number with at most three significant decimals and a decimal comma."""
    text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace(".", ",")


def metadata_problems(lesson):
    """Validate the dict `notebook.metadata["lesson"]`.

    Returns:
        List of messages, empty when all is well.
    """
    if not isinstance(lesson, dict):
        return ["metadata `lesson` tidak ada; isi menurut tools/nb_metadata.py"]
    problems = [
        f"metadata lesson.{name}: {kind.__name__} diharapkan, ternyata {lesson.get(name)!r}"
        for name, kind in FIELDS.items()
        if type(lesson.get(name)) not in _kinds(kind) or (kind is str and not lesson[name].strip())
    ]
    unknown = sorted(set(lesson) - set(FIELDS) - {"code_hash"})
    problems += [f"metadata lesson.{name}: tidak dikenal, hapus" for name in unknown]
    problems += [
        f"metadata lesson.{name}: bilangan positif diharapkan, ternyata {lesson[name]}"
        for name in ("minutes", "seconds")
        if isinstance(lesson.get(name), int) and lesson[name] <= 0
    ]
    if isinstance(lesson.get("level"), str) and lesson["level"] not in LEVELS:
        problems.append(f"metadata lesson.level: {', '.join(LEVELS)} diharapkan, ternyata {lesson['level']!r}")
    results = lesson.get("results")
    for name, spec in results.items() if isinstance(results, dict) else ():
        problems += [f"metadata lesson.results.{name}: {problem}" for problem in _result_problems(spec)]
    return problems


def _kinds(kind):
    return (kind, nbformat.NotebookNode) if kind is dict else (kind,)


def _result_problems(spec):
    if not isinstance(spec, dict):
        return [f"dict diharapkan, ternyata {spec!r}"]
    problems = [f"{name!r} tidak dikenal" for name in spec if name not in _RESULT_FIELDS]
    if not isinstance(spec.get("label"), str):
        problems.append("label (teks) tidak ada")
    if ("at_least" in spec) == ("at_most" in spec):
        problems.append("tepat satu dari at_least dan at_most diharapkan")
    numbers = ("at_least", "at_most", "tolerance", "value")
    wrong = [name for name in numbers if name in spec and type(spec[name]) not in (int, float)]
    problems += [f"{name}: bilangan diharapkan, ternyata {spec[name]!r}" for name in wrong]
    if "tolerance" not in spec:
        problems.append("tolerance (bilangan) tidak ada")
    return problems
