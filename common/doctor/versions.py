"""Examine Python and the installed libraries."""

import importlib.util
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution, distributions, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from .finding import Finding, Level

COURSE = "dl-jax101"
SHOWN = ("jax", "jaxlib", "flax", "optax", "grain", "orbax-checkpoint", "numpy")
NOTEBOOK = {"ipykernel": "notebook tidak dapat dijalankan", "matplotlib": "gambar tidak dapat dibuat"}


def examine_versions():
    """Compare what is installed with what the course and its libraries ask for.

    Returns:
        List of `Finding`.
    """
    try:
        course = distribution(COURSE)
    except PackageNotFoundError:
        cure = "Di folder repositori jalankan `make install`; di Colab jalankan sel persiapan."
        return [Finding(Level.PROBLEM, f"paket {COURSE} belum terpasang", cure)]
    findings = [_python(course.metadata["Requires-Python"])]
    asked = requirements(course)
    for name in sorted({canonicalize_name(requirement.name) for requirement in asked}):
        if _installed(name):
            asked += requirements(distribution(name))
    broken = [finding for requirement in asked if (finding := check(requirement))]
    broken += [finding for name, harm in NOTEBOOK.items() if (finding := _missing_module(name, harm))]
    broken += accelerator_plugins({canonicalize_name(d.metadata["Name"]): d.version for d in distributions()})
    broken += _unseen_by_notebooks()
    shown = ", ".join(f"{name} {_installed(name) or 'tidak ada'}" for name in SHOWN)
    return [*findings, Finding(Level.GOOD, shown), *dict.fromkeys(broken)]


def requirements(package):
    """List what an installed distribution asks for here, without its extras.

    Args:
        package: `importlib.metadata.Distribution`.

    Returns:
        List of `packaging.requirements.Requirement`.
    """
    every = map(Requirement, package.requires or ())
    return [one for one in every if one.marker is None or one.marker.evaluate({"extra": ""})]


def check(requirement):
    """Return a `Finding` when what is installed does not meet a requirement, else None."""
    found = _installed(requirement.name)
    if found and requirement.specifier.contains(found, prereleases=True):
        return None
    wanted = f"{requirement.name}{requirement.specifier}"
    text = f"{requirement.name} {found}, padahal diminta {wanted}" if found else f"{wanted} belum terpasang"
    return Finding(Level.PROBLEM, text, f'{install_command()} "{wanted}"')


def accelerator_plugins(versions):
    """Find JAX plugins that do not belong to the installed jaxlib: JAX passes over them without a word.

    Args:
        versions: dict from canonical name to version of every installed distribution.

    Returns:
        List of `Finding`.
    """
    jaxlib = versions.get("jaxlib")
    odd = [(n, v) for n, v in versions.items() if n.startswith("jax-cuda") and n.endswith("-plugin") and v != jaxlib]
    return [
        Finding(
            Level.PROBLEM,
            f"{name} {other} tidak cocok dengan jaxlib {jaxlib}, sehingga GPU tidak terpakai",
            f'{install_command()} "jax[{name.split("-")[1]}]=={jaxlib}"; di Colab, mulai ulang dengan mesin baru',
        )
        for name, other in odd
    ]


def install_command():
    """Return the command that installs into the Python that runs this."""
    return f"{sys.executable} -m pip install"


def _unseen_by_notebooks():
    """Find out whether Python knows the course in any folder; in the repository's own it always does."""
    command = [sys.executable, "-c", "import common"]
    if subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True).returncode == 0:
        return []
    cure = f"Di akar repositori: {install_command()} --no-deps -e ."
    return [Finding(Level.PROBLEM, "notebook tidak menemukan paket common, mungkin karena foldernya pindah", cure)]


def _python(bounds):
    running = ".".join(map(str, sys.version_info[:3]))
    if SpecifierSet(bounds).contains(running):
        return Finding(Level.GOOD, f"Python {running} di {sys.prefix}")
    cure = "Pasang Python 3.12, lalu `make install PYTHON=python3.12` sesudah menghapus folder .venv."
    return Finding(Level.PROBLEM, f"Python {running}; kursus ini meminta {bounds}", cure)


def _installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _missing_module(name, harm):
    if importlib.util.find_spec(name):
        return None
    return Finding(Level.PROBLEM, f"{name} tidak ada: {harm}", f"{install_command()} {name}")
