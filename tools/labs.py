"""Run labs: `python -m tools.labs VERB`, with messages in Indonesian.

list  build  check  grade  export
"""

import argparse
import sys
from pathlib import Path

from tools.command import run_verb
from tools.labs_source import FULL_POINTS, lab_paths, problems_of, read_lab, student_edition, with_standard_setup
from tools.nb_schema import ROOT, LessonError

RESUME = "Dihentikan. Yang sudah dinilai tersimpan; ulangi perintahnya untuk melanjutkan."
EPILOG = """\
Dari soal sampai nilai, untuk satu bab:

  1. Bagikan 2-mlp/lab/lab-2-mlp.ipynb (edisi mahasiswa); di Colab ia berjalan apa adanya.
  2. Kumpulkan notebook yang sudah diisi ke dalam satu folder, misalnya kumpulan/.
  3. python -m tools.labs grade 2-mlp kumpulan/ --out hasil/
  4. Baca hasil/kelas.html, unggah hasil/nilai.csv, kirim hasil/umpan-balik/.
  5. Isi kolom nilai pada hasil/tertulis.csv, lalu ulangi langkah 3: hanya nilai tertulis yang ditambahkan.

Penjelasan lengkap: docs/pengajar.md
"""


def main(arguments=None, root=ROOT):
    """Run one verb.

    Args:
        arguments: list of words; None reads the command line.
        root: Path of the repository.

    Returns:
        Exit status: 0 all well, 1 problems, 130 interrupted.
    """
    return run_verb(_parser().parse_args(arguments), root, farewell=RESUME)


def show(options, root):
    """Print labs, tasks and points, and what is wrong with their form."""
    status = 0
    for lab in _labs(options.labs, root):
        points, written = lab.points
        print(f"{lab.name}: {lab.title} ({points} otomatis + {written} tertulis)")
        for cell in lab.of("check", "written"):
            kind = "tertulis" if cell.kind == "written" else f"{cell.facts.get('seconds', 10)} s"
            print(f"  {cell.task:<24} {cell.facts.get('points', 0):>3}  {kind}")
        for problem in problems_of(lab):
            print(f"  MASALAH: {problem}")
            status = 1
    return status


def build(options, root):
    """Write the student editions, and the outputs of sources that have changed."""
    import nbformat

    from tools.labs_check import has_own_outputs, store_outputs

    for lab in map(with_standard_setup, _labs(options.labs, root)):
        if problems := problems_of(lab):
            raise LessonError(f"{lab.name}: " + "; ".join(problems))
        if not has_own_outputs(lab):
            print(f"{lab.path.relative_to(root)}: dijalankan", flush=True)
            store_outputs(lab)
        text = nbformat.v4.writes(student_edition(lab), indent=1) + "\n"
        is_same = lab.student_path.is_file() and lab.student_path.read_text(encoding="utf-8") == text
        lab.student_path.write_text(text, encoding="utf-8")
        print(f"{lab.student_path.relative_to(root)}: {'tetap' if is_same else 'ditulis'}")
    return 0


def check(options, root):
    """Try solution, student edition and known wrong answers of every lab."""
    from tools.labs_check import lab_faults

    faults = [fault for lab in _labs(options.labs, root) for fault in lab_faults(lab, root)]
    print(*faults, sep="\n", end="\n" if faults else "")
    print("Semua lab lulus." if not faults else f"{len(faults)} masalah")
    return 1 if faults else 0


def grade(options, root):
    """Mark a folder of notebooks."""
    from tools.labs_grade import Batch, mark_all, read_extra_checks, walls_or_consent
    from tools.labs_judge import Settings
    from tools.labs_report import write_reports

    (lab,) = _labs([options.lab], root)
    if not options.folder.is_dir():
        raise LessonError(f"{options.folder} bukan folder; sebutkan folder yang berisi notebook mahasiswa")
    extra = read_extra_checks(options.extra_tests, lab)
    walls = walls_or_consent(input, options.folder, *([options.extra_tests] if options.extra_tests else []))
    out = (options.out or options.folder / "hasil").resolve()
    out.mkdir(parents=True, exist_ok=True)
    batch = Batch(lab, options.folder.resolve(), out, Settings(walls, extra), options.jobs)
    chosen = write_reports(mark_all(batch), lab, out)
    full = lab.points[0]
    print(f"{len(chosen)} mahasiswa, rata-rata {sum(row['earned'] for row in chosen) / len(chosen):.1f} dari {full}")
    print(f"Hasil di {out}: kelas.html, nilai.csv, umpan-balik/" + (", tertulis.csv" if full < FULL_POINTS else ""))
    return 0


def export(options, root):
    """Write a course tree for nbgrader."""
    from tools.labs_export import export_course

    for path in export_course(_labs(options.labs, root), options.out):
        print(path)
    return 0


def _labs(names, root):
    """Return the labs of these chapters or lab names, all if none is given."""
    labs = [read_lab(path) for path in lab_paths(root)]
    known = {name: lab for lab in labs for name in (lab.name, lab.name.removeprefix("lab-"))}
    if unknown := [name for name in names if name not in known]:
        raise LessonError(f"lab tidak dikenal: {', '.join(unknown)}; yang ada: {', '.join(lab.name for lab in labs)}")
    return [known[name] for name in names] or labs


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m tools.labs",
        description="Lab: edisi mahasiswa, penilaian, dan umpan balik.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="PERINTAH")
    for verb, name, text in (
        (show, "list", "tampilkan lab, tugas, dan nilainya; periksa bentuknya"),
        (build, "build", "jalankan notebook sumber yang berubah, lalu tulis edisi mahasiswanya"),
        (check, "check", "uji: jawaban 100, edisi mahasiswa 0, jawaban salah ditolak"),
        (export, "export", "tulis pohon kursus untuk nbgrader"),
    ):
        part = verbs.add_parser(name, help=text, description=text)
        part.add_argument("labs", nargs="*", metavar="LAB", help="misalnya 2-mlp; bawaan: semua")
        part.set_defaults(verb=verb)
        if verb is export:
            part.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder kursus yang ditulis")
    _add_grade(verbs.add_parser("grade", help="nilai satu folder notebook", description="Nilai satu folder notebook."))
    return parser


def _add_grade(part):
    part.add_argument("lab", metavar="LAB", help="misalnya 2-mlp")
    part.add_argument("folder", type=Path, metavar="FOLDER", help="notebook mahasiswa, boleh di dalam subfolder")
    part.add_argument("--out", type=Path, metavar="FOLDER", help="tempat hasil; bawaan: hasil/ di dalam FOLDER")
    part.add_argument("--extra-tests", type=Path, metavar="FOLDER", help="pemeriksaan Anda: FOLDER/lab-2-mlp.py")
    part.add_argument("--jobs", type=int, default=2, metavar="N", help="berkas yang dinilai sekaligus (bawaan: 2)")
    part.set_defaults(verb=grade)


if __name__ == "__main__":
    sys.exit(main())
