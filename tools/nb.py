"""Keep the notebooks in order: `python -m tools.nb VERB`, with messages in Indonesian.

fmt  check  run  seeds  compare  notebooks  mutate  table
"""

import argparse
import sys
from pathlib import Path

from tools.command import run_verb
from tools.nb_schema import ROOT, LessonError, is_lesson, lesson_paths, read_notebook, read_repository

DEFAULT_LESSON = "2-mlp/05-image-classification.ipynb"


def main(arguments=None, root=ROOT):
    """Run one verb.

    Args:
        arguments: list of words; None reads the command line.
        root: Path of the repository.

    Returns:
        Exit status: 0 all well, 1 problems, 130 interrupted.
    """
    return run_verb(_parser().parse_args(arguments), root)


def fmt(options, root):
    """Bring lessons into canonical form."""
    from tools.nb_format import format_file

    repository = read_repository(root)
    paths = _lessons(options.notebooks, root)
    changed = [path for path in paths if format_file(path, root=root, repository=repository)]
    for path in changed:
        print(f"{path.relative_to(root)}: dirapikan")
    print(f"{len(paths)} pelajaran, {len(changed)} berubah")
    return 0


def check(options, root):
    """Print every problem of the lessons."""
    from tools.nb_check import lesson_problems, table_problems

    repository = read_repository(root)
    paths = _lessons(options.notebooks, root)
    problems = [line for path in paths for line in lesson_problems(path, root=root, repository=repository)]
    if not options.notebooks:
        problems += table_problems(root, repository)
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(paths)} pelajaran, {len(problems)} masalah")
    return 1 if problems else 0


def run(options, root):
    """Execute one lesson and say what it reached."""
    from tools.nb_execute import run_lesson, set_constants, store, summary, terminal_report
    from tools.nb_metadata import metadata_problems

    if options.write and options.set:
        raise LessonError("--write menyimpan hasil pengaturan bawaan; jangan digabung dengan --set")
    path = _resolve(options.notebook, root)
    if options.write:
        _lessons([options.notebook], root)
    notebook = read_notebook(path)
    problems = metadata_problems(notebook.metadata.get("lesson")) if is_lesson(root, path) else []
    if problems:
        raise LessonError(f"{path.name}: {problems[0]}")
    set_constants(notebook, options.set)
    try:
        result = run_lesson(notebook, path.parent, limit=options.limit, report=terminal_report())
    finally:
        print(file=sys.stderr)
    lines, kept = summary(notebook, result)
    print(*lines, sep="\n")
    if options.write:
        store(notebook, result, path=path, root=root, repository=read_repository(root))
        print(f"{path.relative_to(root)}: keluaran dan hasil disimpan")
    return 0 if kept else 1


def seeds(options, root):
    """Execute lessons with several seeds and keep the results."""
    from tools.nb_results import record_seeds

    return record_seeds(_lessons(options.notebooks, root), options.seeds, root=root)


def compare(options, root):
    """Compare freshly executed copies with the saved results."""
    from tools.nb_results import compare_results

    return compare_results(Path(options.folder), root=root)


def notebooks(options, root):
    """Execute copies of all lessons with nbmake and compare them with what is saved."""
    from tools.nb_results import execute_copies

    return execute_copies(root)


def mutate(options, root):
    """Change the scratch cells of a lesson and expect its checks to notice."""
    from tools.nb_mutate import mutate_lesson

    return mutate_lesson(_resolve(options.notebook, root), list_only=options.list)


def table(options, root):
    """Rewrite the tables of lessons in the README files."""
    from tools.nb_table import write_tables

    return write_tables(root, read_repository(root))


def _lessons(names, root):
    paths = [_resolve(name, root) for name in names] if names else lesson_paths(root)
    for path in paths:
        if not is_lesson(root, path):
            raise LessonError(f"{path}: bukan pelajaran; nama [1-6]-bab/NN-judul.ipynb diharapkan")
    return paths


def _resolve(name, root):
    for path in (Path(name).resolve(), root / name):
        if path.is_file():
            return path
    raise LessonError(f"{name}: berkas tidak ada; sebut notebook dari akar repositori")


def _parser():
    parser = argparse.ArgumentParser(prog="python -m tools.nb", description="Merawat notebook kursus.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(function, text, *arguments):
        sub = verbs.add_parser(function.__name__, help=text, description=text)
        sub.set_defaults(verb=function)
        for name, settings in arguments:
            sub.add_argument(name, **settings)

    some = ("notebooks", {"nargs": "*", "metavar": "NB", "help": "pelajaran; tanpa ini semua"})
    one = (
        "notebook",
        {"nargs": "?", "metavar": "NB", "default": DEFAULT_LESSON, "help": f"bawaan: {DEFAULT_LESSON}"},
    )
    verb(fmt, "rapikan notebook ke bentuk baku", some)
    verb(check, "laporkan setiap masalah", some)
    verb(
        run,
        "jalankan satu pelajaran dari kernel baru",
        one,
        ("--set", {"nargs": "+", "default": [], "metavar": "NAMA=NILAI", "help": "ganti konstanta"}),
        ("--write", {"action": "store_true", "help": "simpan keluaran dan hasil"}),
        ("--limit", {"type": float, "metavar": "DETIK", "help": "batas waktu seluruhnya"}),
    )
    verb(
        seeds,
        "jalankan dengan beberapa seed dan catat hasilnya",
        some,
        (
            "--seeds",
            {"nargs": "+", "type": int, "default": [0, 1, 2], "metavar": "N", "help": "bawaan: 0 1 2"},
        ),
    )
    verb(compare, "bandingkan salinan yang baru dijalankan", ("folder", {"metavar": "DIR"}))
    verb(notebooks, "jalankan salinan semua pelajaran dengan nbmake, lalu bandingkan")
    verb(
        mutate,
        "ubah sel bagian 'Dari nol' dan harapkan pemeriksaan gagal",
        one,
        ("--list", {"action": "store_true", "help": "hanya daftar perubahan"}),
    )
    verb(table, "tulis ulang tabel pelajaran di README")
    return parser


if __name__ == "__main__":
    sys.exit(main())
