"""Run tests, lessons and labs on several sets of versions: `python -m tools.compat [pinned] [tree] [colab] [newest]`.

A deprecation warning is an error: in tests by the `filterwarnings` of pyproject.toml, in lessons by the filter of
`compat_environments`. On the likeness of Colab the tests of the development tools are left out, since nobody uses
these there.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.compat_colab import colab
from tools.compat_environments import CompatError, Environment, newest, pinned, tree
from tools.labs_source import lab_paths
from tools.nb_schema import ROOT, lesson_paths

SETS = {"pinned": pinned, "tree": tree, "colab": colab, "newest": newest}
FOLDER = ROOT / ".compat"
PACKAGES = ("jax", "flax", "numpy")
HEADING = ("set", "Python", *PACKAGES, "pengujian", "pelajaran", "lab", "detik", "hasil")
VERSIONS_PROGRAM = """\
import platform, sys
from importlib.metadata import version
print(platform.python_version(), *map(version, sys.argv[1:]))
"""
TAIL = 40  # lines of a failed log to show
IMPORTS_TOOLS = re.compile(r"^\s*(?:from|import) (?:tools|benchmarks)\b", re.MULTILINE)


@dataclass
class Outcome:
    """Collect what one set of versions did."""

    name: str
    versions: tuple[str, ...] = ("?",) * (1 + len(PACKAGES))
    tests: str = "-"
    lessons: str = "-"
    labs: str = "-"
    seconds: float = 0.0
    failed: bool = False

    def row(self) -> tuple[str, ...]:
        """Return the cells of this set's row under HEADING."""
        verdict = "GAGAL" if self.failed else "OK"
        return (self.name, *self.versions, self.tests, self.lessons, self.labs, f"{self.seconds:.0f}", verdict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen sets and print a table.

    Args:
        arguments: names of sets; none means all; None reads the command line.

    Returns:
        Exit status: 0 when everything passed, 1 otherwise.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.compat", description="Uji kursus pada set versi.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"bawaan: {' '.join(SETS)}")
    chosen = parser.parse_args(arguments).sets or list(SETS)
    if unknown := [name for name in chosen if name not in SETS]:
        parser.error(f"set tidak dikenal: {', '.join(unknown)}; pilih dari {', '.join(SETS)}")
    outcomes = [run_set(name) for name in chosen]
    print(format_table([HEADING, *(outcome.row() for outcome in outcomes)]))
    return int(any(outcome.failed for outcome in outcomes))


def run_set(name: str) -> Outcome:
    """Prepare one environment, run the tests and the lessons in it, and time all of it."""
    outcome = Outcome(name)
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    print(f"== {name}: menyiapkan lingkungan", flush=True)
    try:
        with SETS[name](folder) as environment:
            outcome.versions = read_versions(environment)
            outcome.tests = run_tests(environment, folder / "pytest.log", outcome)
            outcome.lessons = run_all(environment, ["tools.nb", "run"], lesson_paths(ROOT), folder, outcome)
            outcome.labs = run_all(
                environment, ["jupyter", "execute", "--timeout=600"], lab_paths(ROOT), folder, outcome
            )
    except (CompatError, subprocess.CalledProcessError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        outcome.failed = True
    outcome.seconds = time.perf_counter() - start
    return outcome


def read_versions(environment: Environment) -> tuple[str, ...]:
    """Return the versions of Python and of PACKAGES in an environment."""
    command = [environment.python, "-c", VERSIONS_PROGRAM, *PACKAGES]
    return tuple(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def run_tests(environment: Environment, log: Path, outcome: Outcome) -> str:
    """Run the test suite; return what its last line counts."""
    skipped = () if environment.has_tools else tool_tests(ROOT / "tests")
    ignored = [f"--ignore={path}" for path in skipped]
    command = ["-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider", *ignored]
    passed = _logged(environment, command, log)
    outcome.failed |= not passed
    last_line = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
    return ", ".join(re.findall(r"\d+ (?:passed|failed|errors?|skipped)", last_line)) or "gagal"


def tool_tests(folder: Path) -> list[Path]:
    """List the test modules in `folder` that import development tools."""
    return [path for path in sorted(folder.glob("test_*.py")) if IMPORTS_TOOLS.search(path.read_text(encoding="utf-8"))]


def run_all(environment: Environment, module: list[str], paths: list[Path], folder: Path, outcome: Outcome) -> str:
    """Execute notebooks in fresh kernels: a lesson, or a lab as a student with all the answers would.

    Args:
        environment: where.
        module: name of the module that executes one, and its first arguments.
        paths: of the notebooks.
        folder: for the logs.
        outcome: marked as failed when one of them fails.

    Returns:
        "passed/all".
    """
    passed = [
        _logged(environment, ["-m", *module, str(path)], folder / f"{path.parent.name}-{path.stem}.log")
        for path in paths
    ]
    outcome.failed |= not all(passed)
    return f"{sum(passed)}/{len(paths)}"


def _logged(environment: Environment, arguments: list[str], log: Path) -> bool:
    print(f"   python {' '.join(arguments)}", flush=True)
    scripts = f"{Path(environment.python).parent}{os.pathsep}{os.environ['PATH']}"  # jupyter calls its parts by name
    variables = os.environ | {"JAX_PLATFORMS": "cpu", "PATH": scripts} | environment.variables
    with log.open("w", encoding="utf-8") as stream:
        command = [environment.python, *arguments]
        status = subprocess.run(command, cwd=ROOT, env=variables, stdout=stream, stderr=subprocess.STDOUT).returncode
    if status != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        print(*lines[-TAIL:], f"   status {status}; selengkapnya di {log}", sep="\n")
    return status == 0


def format_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Align the columns of `rows` with spaces.

    Args:
        rows: tuples of equal length.

    Returns:
        One line a row.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


if __name__ == "__main__":
    sys.exit(main())
