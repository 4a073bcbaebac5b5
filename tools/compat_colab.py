"""Make a likeness of Google Colab for `tools.compat`, and complete it with the notebooks' own setup cell.

The packages that decide are those of compat_colab.txt. A module `google.colab` stands in for the real one, and the
wheel comes from a server on the loopback address, as it would come from a release.
"""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.compat_environments import CompatError, Environment, make_venv, pip_install, strict_kernels
from tools.nb_schema import ROOT, read_repository, setup_source

REQUIREMENTS = Path(__file__).with_name("compat_colab.txt")


@contextmanager
def colab(folder: Path) -> Iterator[Environment]:
    """Make a likeness of Colab in `folder`, run the notebooks' setup cell in it, twice, and check what that changed.

    Raises:
        CompatError: the setup cell moved a preinstalled package, or its second run changed something.
    """
    python = make_venv(folder / "venv")
    pip_install(python, "--requirement", str(REQUIREMENTS))
    wheel = build_wheel(folder / "wheel")
    with serve(wheel.parent) as address:
        variables = {f"{wheel.name.split('-')[0].upper()}_WHEEL": f"{address}/{wheel.name}"}
        before = installed(python)
        run_setup_cell(python, folder, variables)
        after = installed(python)
        check_setup(before, after, name=read_repository(ROOT).name)
        run_setup_cell(python, folder, variables)
        check_unchanged(after, installed(python))
        variables |= {"COLAB_RELEASE_TAG": "release-colab"} | strict_kernels(folder)
        yield Environment(python, variables, has_tools=False)


def installed(python: Path) -> dict[str, str]:
    """List the packages of an environment.

    Returns:
        Dict from package name to version.
    """
    command = [python, "-m", "pip", "list", "--disable-pip-version-check", "--format=json"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {package["name"]: package["version"] for package in json.loads(listing)}


def check_setup(before: dict[str, str], after: dict[str, str], *, name: str) -> None:
    """Check that the setup cell added `name` and moved flax, but no other package that was there before.

    Args:
        before, after: dicts from package name to version.
        name: the distribution of this project.

    Raises:
        CompatError: other packages moved or went away, or these did not change.
    """
    moved = {package for package in before if after.get(package) != before[package]}
    if moved != {"flax"} or name not in after.keys() - before.keys():
        raise CompatError(
            f"sel persiapan harus menambah {name} dan, dari yang sudah ada, menggeser flax saja; "
            f"yang bergeser: {sorted(moved)}, yang baru: {sorted(after.keys() - before.keys())}; "
            "longgarkan batas versi di pyproject.toml"
        )


def check_unchanged(before: dict[str, str], after: dict[str, str]) -> None:
    """Check that running the setup cell again changed nothing.

    Raises:
        CompatError: a package changed.
    """
    if before != after:
        changed = sorted({package for package, _ in before.items() ^ after.items()})
        raise CompatError(f"sel persiapan yang dijalankan lagi tidak boleh mengubah apa pun; yang berubah: {changed}")


def run_setup_cell(python: Path, folder: Path, variables: dict[str, str]) -> None:
    """Run the setup cell of the notebooks where a module `google.colab` is loaded, away from the repository.

    Raises:
        subprocess.CalledProcessError: the cell failed; its message is on stderr.
    """
    stand_in = folder / "google" / "colab"
    stand_in.mkdir(parents=True, exist_ok=True)
    (stand_in / "__init__.py").write_text("")
    cell = folder / "setup_cell.py"
    cell.write_text("import google.colab\n\n" + setup_source(read_repository(ROOT)), encoding="utf-8")
    subprocess.run([python, cell.name], cwd=folder, env=os.environ | variables, check=True)


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this project, as a release carries it.

    Returns:
        Path of the wheel in `folder`, which is emptied first.

    Raises:
        CompatError: the build failed, with all that it printed.
    """
    for stale in (folder, ROOT / "build" / "lib"):  # setuptools would pack deleted modules that lie in build/lib
        shutil.rmtree(stale, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    build = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if build.returncode != 0:
        raise CompatError(f"wheel harus dapat dibangun; {' '.join(command)} berkata:\n{build.stdout}")
    return next(folder.glob("*.whl"))


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve the files of `folder` on the loopback address, and yield that address."""
    handler = functools.partial(_QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Print nothing: the table of `tools.compat` should stay readable."""
