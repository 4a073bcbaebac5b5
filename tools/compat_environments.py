"""Prepare the Python environments in which `tools.compat` runs the course.

Each context manager yields an Environment that is ready for tests and lessons: `pinned` is the environment of
requirements.txt, `newest` has the newest libraries that pyproject.toml allows on the newest Python found.
The third one, a likeness of Google Colab, is in `tools.compat_colab`.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.nb_schema import ROOT

NEWEST_FIRST = ("3.13", "3.12", "3.11")
FLAX_TREE_MODE = {"NNX_GRAPH_MODE": "false", "NNX_GRAPH_UPDATES": "false"}
# Only the course and the libraries that it teaches must be free of deprecated calls. PYTHONWARNINGS knows no patterns
# and would stop the kernel's own dependencies too, so a startup file of IPython sets the filter in every kernel.
WARNING_FILTER = """\
import warnings

warnings.filterwarnings(
    "error", category=DeprecationWarning, module=r"(__main__|common|jax|jaxlib|flax|optax|grain|orbax)(\\.|$)"
)
del warnings
"""


class CompatError(Exception):
    """Say, in Indonesian, why an environment does not do what it should."""


@dataclass(frozen=True)
class Environment:
    """Hold what it takes to run something in an environment.

    Attributes:
        python: Path of its interpreter.
        variables: environment variables to add.
        has_tools: whether the development tools of the project belong there.
    """

    python: Path
    variables: dict[str, str] = field(default_factory=dict)
    has_tools: bool = True


@contextmanager
def pinned(folder: Path) -> Iterator[Environment]:
    """Yield the environment that runs this: the Makefile made it from requirements.txt."""
    yield Environment(Path(sys.executable), strict_kernels(folder))


@contextmanager
def tree(folder: Path) -> Iterator[Environment]:
    """Yield the pinned environment with the default that Flax announces: modules as plain trees, not graphs."""
    yield Environment(Path(sys.executable), strict_kernels(folder) | FLAX_TREE_MODE)


@contextmanager
def newest(folder: Path) -> Iterator[Environment]:
    """Make an environment with the newest libraries within the bounds of pyproject.toml, in `folder`."""
    python = make_venv(folder / "venv")
    pip_install(python, "--upgrade", "--editable", f"{ROOT}[lab,dev]")
    yield Environment(python, strict_kernels(folder))


def newest_python() -> str:
    """Find the newest supported Python that runs and can make environments.

    Returns:
        Path of an interpreter: on PATH, from pyenv, or the one that runs this.
    """
    for version in NEWEST_FIRST:
        pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for candidate in (shutil.which(f"python{version}"), *map(str, pyenv)):
            if candidate and _is_usable(candidate, version):
                return candidate
    return sys.executable


def _is_usable(python: str, version: str) -> bool:
    program = (
        "import ensurepip, sys; print(*sys.version_info[:2], sep='.')"  # a shim may name a Python that is not there
    )
    answer = subprocess.run([python, "-c", program], capture_output=True, text=True)
    return answer.returncode == 0 and answer.stdout.strip() == version


def make_venv(folder: Path) -> Path:
    """Make an empty virtual environment with the newest Python, replacing one that is there.

    Returns:
        Path of its interpreter.
    """
    subprocess.run([newest_python(), "-m", "venv", "--clear", str(folder)], check=True)
    return folder / "bin" / "python"


def pip_install(python: Path, *arguments: str) -> None:
    """Install with the pip of an environment, quietly.

    Raises:
        subprocess.CalledProcessError: pip failed; its message is on stderr.
    """
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def strict_kernels(folder: Path) -> dict[str, str]:
    """Write an IPython profile that turns deprecation warnings of the course and its libraries into errors.

    Returns:
        The environment variables that make kernels use it.
    """
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "00-warnings.py").write_text(WARNING_FILTER)
    return {"IPYTHONDIR": str(folder / "ipython")}
