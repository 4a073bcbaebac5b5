"""Print the report: `python -m common.doctor`."""

import argparse
import sys
import textwrap

from .finding import Finding, Level

try:
    from .machine import examine_device, examine_files, examine_machine
    from .versions import examine_versions
except ModuleNotFoundError as error:  # an installation that was broken off
    cure = f"{sys.executable} -m pip install -r requirements.txt"
    sys.exit(f"{error.name} belum terpasang. Di akar repositori jalankan: {cure}")

WIDTH = 88
PARTS = {
    "Python dan pustaka": examine_versions,
    "Mesin": examine_machine,
    "Perangkat": examine_device,
    "Berkas kursus": examine_files,
}


def main(arguments=None):
    """Examine this installation and print what was found, in Indonesian.

    Args:
        arguments: of the command line; None reads them from it.

    Returns:
        Exit status: 1 when a problem stands in the way of the lessons, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m common.doctor", description="Periksa pemasangan kursus.")
    parser.add_argument("--quick", action="store_true", help="jangan mengukur kecepatan (menghemat sekitar 10 detik)")
    options = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):  # a terminal or file that has no arrow must not end the report
        sys.stdout.reconfigure(errors="replace")
    findings = [finding for title, examine in PARTS.items() for finding in show(title, examined(examine))]
    if not options.quick and not any(finding.level is Level.PROBLEM for finding in findings):
        findings += show("Kecepatan", examined(examine_speed))
    return conclude(findings)


def examine_speed():
    """Measure this machine and foretell how long each chapter takes.

    Returns:
        List of `Finding`.
    """
    from .speed import CHAPTER_SECONDS, measure, slowness

    ratio = slowness(measure())
    comparison = f"{ratio:.1f} kali waktu mesin acuan (dua inti Xeon)".replace(".", ",")
    minutes = {chapter: seconds * ratio / 60 for chapter, seconds in CHAPTER_SECONDS.items()}
    chapters = ", ".join(f"{chapter} {max(1, round(each))}" for chapter, each in minutes.items())
    whole = f"menjalankan semua pelajaran kira-kira {round(sum(minutes.values()))} menit: {chapters}"
    level, cure = Level.GOOD, ""
    if ratio > 2:
        level, cure = Level.NOTICE, "Tutup program lain, sambungkan ke listrik, atau buka pelajaran di Colab."
    return [Finding(level, f"pelatihan kecil memakan {comparison}", cure), Finding(Level.GOOD, whole)]


def examined(examine):
    """Return the findings of an examination, or a problem when it broke, since a sick installation may break it."""
    try:
        return examine()
    except Exception as error:
        text = f"tidak dapat diperiksa: {type(error).__name__}: {error}"
        return [Finding(Level.PROBLEM, text, "Pasang ulang: hapus folder .venv, lalu jalankan `make install`.")]


def show(title, findings):
    """Print one part of the report.

    Args:
        title: its heading.
        findings: list of `Finding`.

    Returns:
        `findings`.
    """
    print(title)
    for finding in findings:
        sign = f"  {finding.level.value:<10}"
        print(_folded(finding.text, sign))
        if finding.cure:
            print(_folded(finding.cure, " " * 10 + "→ "))
    return findings


def _folded(text, sign):
    return textwrap.fill(text, WIDTH, initial_indent=sign, subsequent_indent=" " * 12, break_on_hyphens=False)


def conclude(findings):
    """Print the last line, and return the exit status that belongs to it."""
    problems = sum(finding.level is Level.PROBLEM for finding in findings)
    print(f"\n{problems} masalah: ikuti petunjuk di atas." if problems else "\nSemua siap. Selamat belajar.")
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())
