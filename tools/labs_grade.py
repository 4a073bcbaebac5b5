"""Mark a folder of collected notebooks, in parallel; what is marked already and was not stopped is kept."""

import json
import multiprocessing
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tools import labs_cage
from tools.labs_judge import STOPPED, mark_file, unmarked_row
from tools.labs_submission import digest_of, digest_of_file
from tools.nb_schema import ROOT, LessonError

DETAILS = "rincian"
SECTION = re.compile(r"(?m)^# %% ([a-z0-9-]+)\s*$")


@dataclass(frozen=True)
class Batch:
    """What to mark and where the results go.

    Attributes:
        lab: `Lab`.
        folder: Path that holds the notebooks, at any depth.
        out: Path for the results.
        settings: `labs_judge.Settings`.
        jobs: how many submissions at once.
    """

    lab: object
    folder: Path
    out: Path
    settings: object
    jobs: int = 2


def mark_all(batch):
    """Mark every notebook below the folder.

    Args:
        batch: `Batch`.

    Returns:
        Rows as of `labs_judge.mark_file`, sorted by file; "chosen" tells the best one of each student.
    """
    paths = submissions(batch.folder, batch.out)
    details = batch.out / DETAILS
    details.mkdir(parents=True, exist_ok=True)
    rows, waiting = {}, []
    for path in paths:
        row = _known_row(details / _detail_name(path, batch.folder), path, batch)
        rows |= {path: row} if row else {}
        waiting += [] if row else [path]
    with tqdm(total=len(paths), initial=len(rows), unit="berkas", desc="Menilai") as bar:
        for path, row in _marked(waiting, batch):
            _write(details / _detail_name(path, batch.folder), row | {"settings": _settings_digest(batch)})
            rows[path] = row
            bar.update()
    return _choose([rows[path] | {"file": _readable(path.relative_to(batch.folder))} for path in paths])


def submissions(folder, out):
    """List the notebooks below a folder, without those below `out` and Jupyter's copies.

    Raises:
        LessonError: there is none.
    """
    found = sorted(
        path
        for path in folder.rglob("*.ipynb")
        if path.is_file() and out not in path.parents and ".ipynb_checkpoints" not in path.parts
    )
    if not found:
        raise LessonError(f"{folder}: tidak ada berkas .ipynb; kumpulkan notebook mahasiswa ke dalam folder itu")
    return found


def read_extra_checks(folder, lab):
    """Read the instructor's own checks: `FOLDER/<name of the lab>.py`, a section `# %% task` for each task.

    Args:
        folder: Path, or None.
        lab: `Lab`.

    Returns:
        `{task: code}`.

    Raises:
        LessonError: the file is missing or names a task that the lab has not.
    """
    if folder is None:
        return {}
    path = folder / f"{lab.name}.py"
    if not path.is_file():
        raise LessonError(f"{path} tidak ada; --extra-tests mengharapkan satu berkas .py dengan nama lab di folder itu")
    parts = SECTION.split(path.read_text(encoding="utf-8"))
    checks = dict(zip(parts[1::2], parts[2::2], strict=True))
    if unknown := checks.keys() - {cell.task for cell in lab.checks}:
        raise LessonError(f"{path}: tugas {', '.join(sorted(unknown))} tidak ada di {lab.name}")
    return checks


def walls_or_consent(ask, *private):
    """Find out whether student code can be isolated here; if not, ask the user.

    Args:
        ask: function of a question that returns the answer.
        private: Paths that student code must not see.

    Returns:
        Whether to isolate.

    Raises:
        LessonError: it is impossible and the user declined.
    """
    obstacle = labs_cage.obstacle()
    visible = [*labs_cage.SYSTEM, *labs_cage.folders_to_show()]
    for path in (ROOT / "tools", *private):
        inside = next((place for place in visible if Path(place) in path.resolve().parents), None)
        obstacle = obstacle or (f"{path} terletak di dalam {place_name(inside)}" if inside else "")
    if not obstacle:
        return True
    print(
        f"Kode mahasiswa tidak dapat dikurung di sini: {obstacle}.\n"
        "Tanpa kurungan, kode itu dapat membaca berkas Anda, juga jawaban dan notebook lain, dan memakai jaringan.\n"
        "Batas waktu, memori, dan keluaran tetap berlaku. Gunakan komputer sekali pakai, atau Linux (WSL pun dapat).",
        file=sys.stderr,
    )
    if ask("Lanjutkan tanpa kurungan? [y/T] ").strip().lower() not in ("y", "ya"):
        raise LessonError("Dibatalkan; tidak ada yang dijalankan.")
    return False


def place_name(path):
    """Say what a visible folder is."""
    return f"{path}, yang harus terlihat oleh Python"


def _marked(paths, batch):
    """Yield (path, row) as they come; a judge that dies costs only its own files, which are tried once more alone."""
    failed, context = [], multiprocessing.get_context("spawn")
    for is_last, jobs, chosen in ((False, batch.jobs, paths), (True, 1, failed)):
        for group in [chosen] if jobs > 1 else [[path] for path in chosen]:
            with ProcessPoolExecutor(min(jobs, max(1, len(group))), mp_context=context) as pool:
                tasks = {pool.submit(mark_file, batch.lab.path, path, batch.settings): path for path in group}
                for task in as_completed(tasks):
                    try:
                        yield tasks[task], task.result()
                    except BrokenProcessPool:
                        if is_last:
                            reason = "Penilai berhenti pada berkas ini; periksa memori komputer, lalu nilai lagi."
                            yield tasks[task], unmarked_row(batch.lab, tasks[task], reason)
                        else:
                            failed.append(tasks[task])


def _known_row(detail, path, batch):
    try:
        row = json.loads(detail.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = row.get("sha256") == digest_of_file(path) and row.get("lab_sha256") == batch.lab.digest
    stopped = any(entry["status"] == STOPPED for entry in row.get("tasks", ()))  # a less busy machine may let it end
    return row if same and not stopped and row.get("settings") == _settings_digest(batch) else None


def _settings_digest(batch):
    return digest_of(repr((sorted(batch.settings.extra.items()), batch.settings.walls)).encode())


def _detail_name(path, folder):
    relative = str(path.relative_to(folder))
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', path.stem)[:40]}-{digest_of(os.fsencode(relative))[:8]}.json"


def _readable(path):
    """Return a path as text that a file can hold, whatever bytes its name is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def _write(path, row):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(row, ensure_ascii=False, indent=1), encoding="utf-8")
    temporary.replace(path)  # whole or not at all


def _choose(rows):
    """Mark the best row of each student as the one that counts; the first of equal ones."""
    best = {}
    for row in rows:
        total = sum(entry["earned"] for entry in row["tasks"])
        if row["number"] not in best or total > best[row["number"]][0]:
            best[row["number"]] = total, row["file"]
    counts = [row["number"] for row in rows]
    for row in rows:
        row["chosen"] = best[row["number"]][1] == row["file"]
        if counts.count(row["number"]) > 1:
            others = "dipakai, nilai terbaik" if row["chosen"] else f"tidak dipakai, lihat {best[row['number']][1]}"
            row["notes"] = [*row["notes"], f"{counts.count(row['number'])} berkas dengan NIM ini; {others}"]
    return rows
