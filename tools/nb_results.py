"""Keep the results of lessons honest: over several seeds, and against a fresh run of everything."""

import json
import math
import shutil
import statistics
import subprocess
import sys

from tools.nb_execute import constants, run_lesson, set_constants, terminal_report
from tools.nb_metadata import bound_text, code_hash, decimal, final_results, meets_bound
from tools.nb_schema import LessonError, lesson_paths, read_notebook

SEEDS_FILE = "benchmarks/seeds.json"
COPIES = "build/notebooks"
SEED_NAME = "SEED"
ENOUGH_SEEDS = 3
FASTER = 0.75  # of the time: one machine at rest takes that from one hour to the next
PYTEST = ("-m", "pytest", "--nbmake", "--overwrite", "-n", "2", "-p", "no:cacheprovider")


def record_seeds(paths, seeds, *, root):
    """Execute each lesson once per seed and keep the results in SEEDS_FILE; other entries stay.

    Args:
        paths: Paths of lessons; those without results in their metadata are passed over.
        seeds: list of ints for the constant SEED.
        root: Path of the repository.

    Returns:
        0, or 1 if a lesson failed or missed a bound at some seed.
    """
    status = 0
    for path in paths:
        name = path.relative_to(root).as_posix()
        if not _results(read_notebook(path)):
            continue
        try:
            entry = _run_seeds(path, seeds)
        except LessonError as error:
            print(f"{name}: {error}")
            status = 1
            continue
        saved = read_seeds(root)
        saved[name] = entry
        _write_seeds(root, saved)
        lines, kept = _seed_lines(read_notebook(path), entry)
        print(f"{name}: {decimal(max(entry['seconds']))} s paling lama", *lines, sep="\n  ")
        status |= not kept
    return int(status)


def read_seeds(root):
    """Read SEEDS_FILE: lesson path -> {"code_hash", "seeds", "seconds", "results": name -> values}."""
    path = root / SEEDS_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def seed_problems(lesson):
    """Yield (None, problem) where the seeds of a Lesson are missing, stale, out of bounds or took other minutes."""
    if not lesson.results:
        return
    again = f"jalankan `python -m tools.nb seeds {lesson.name}`"
    entry = read_seeds(lesson.root).get(lesson.name)
    if entry is None:
        yield None, f"belum ada di {SEEDS_FILE}; {again}"
        return
    if entry["code_hash"] != code_hash(lesson.notebook):
        yield None, f"kode berubah sejak seed dicoba; {again}"
    for name, spec in lesson.results.items():
        values = entry["results"].get(name, [])
        if len(values) < ENOUGH_SEEDS:
            yield None, f"hasil {name}: {ENOUGH_SEEDS} seed diharapkan, ternyata {len(values)}; {again}"
        elif not all(meets_bound(spec, value) for value in values):
            shown = "; ".join(decimal(value) for value in values)
            yield None, f"hasil {name}: {bound_text(spec)} di setiap seed diharapkan, ternyata {shown}"
    median, minutes = statistics.median(entry["seconds"]), lesson.notebook.metadata["lesson"]["minutes"]
    measured = math.ceil(median / 60)
    if not math.ceil(FASTER * median / 60) <= minutes <= measured:
        yield None, f"metadata lesson.minutes: {measured} diharapkan (median {median:.0f} detik), ternyata {minutes}"


def compare_results(folder, *, root):
    """Compare the executed copies of all lessons under `folder` with the saved results.

    Returns:
        0, or 1 after printing a table if a result is missing or differs by more than its tolerance.
    """
    rows = [row for path in lesson_paths(root) for row in _comparison(path, folder, root)]
    wrong = [row for row in rows if row[-1] != "sama"]
    for row in [("pelajaran", "hasil", "tersimpan", "baru", "toleransi", ""), *rows] if wrong else []:
        print(f"{row[0]:44} {row[1]:24} {row[2]:>10} {row[3]:>10} {row[4]:>10}  {row[5]}")
    print(f"{len(rows)} hasil dibandingkan, {len(wrong)} berbeda")
    return 1 if wrong else 0


def execute_copies(root):
    """Copy the lessons to COPIES, execute them there with nbmake, and compare the results.

    Returns:
        0, or 1 if a notebook failed or a result differs.
    """
    copies = root / COPIES
    shutil.rmtree(copies, ignore_errors=True)
    paths = lesson_paths(root)
    if not paths:
        print("belum ada pelajaran")
        return 0
    for path in paths:
        target = copies / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    # The suite turns warnings into errors; here those would be nbmake's own, not the lessons'.
    command = [sys.executable, *PYTEST, "-o", "filterwarnings=default", COPIES]
    failed = subprocess.run(command, cwd=root).returncode != 0
    return int(failed or compare_results(copies, root=root) != 0)


def _results(notebook):
    return notebook.metadata.get("lesson", {}).get("results", {})


def _run_seeds(path, seeds):
    runs = []
    for seed in seeds:
        notebook = read_notebook(path)
        original = code_hash(notebook)
        if SEED_NAME not in constants(notebook):
            raise LessonError(f"konstanta {SEED_NAME} tidak ada; tulis `{SEED_NAME} = 0` di sel konstanta")
        set_constants(notebook, [f"{SEED_NAME}={seed}"])
        print(f"{path.name}: seed {seed}", file=sys.stderr)
        try:
            runs.append(run_lesson(notebook, path.parent, report=terminal_report()))
        except LessonError as error:
            raise LessonError(f"seed {seed}: {error}") from error
        finally:
            print(file=sys.stderr)
    return {
        "code_hash": original,
        "seeds": list(seeds),
        "seconds": [round(run.seconds, 1) for run in runs],
        "results": {name: [run.results[name] for run in runs] for name in runs[0].results},
    }


def _seed_lines(notebook, entry):
    lines, kept = [], True
    for name, values in entry["results"].items():
        spec = _results(notebook)[name]
        good = all(meets_bound(spec, value) for value in values)
        kept &= good
        shown = "; ".join(decimal(value) for value in values)
        lines.append(f"{'tercapai' if good else 'GAGAL'}  {spec['label']}: {shown} (batas {bound_text(spec)})")
    return lines, kept


def _write_seeds(root, saved):
    path = root / SEEDS_FILE
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(saved, indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _comparison(path, folder, root):
    name = path.relative_to(root).as_posix()
    specs = _results(read_notebook(path))
    if not specs:
        return
    try:
        fresh = final_results(read_notebook(folder / name))
    except (LessonError, FileNotFoundError) as error:
        fresh, reason = {}, str(error).split("\n")[0]
    else:
        reason = "tidak ada"
    for result, spec in specs.items():
        old, new = spec.get("value"), fresh.get(result)
        if old is None or new is None:
            verdict = reason if new is None else "belum tersimpan"
        else:
            verdict = "sama" if abs(new - old) <= spec["tolerance"] else "BEDA"
        numbers = ["-" if number is None else decimal(number) for number in (old, new, spec["tolerance"])]
        yield name, result, *numbers, verdict
