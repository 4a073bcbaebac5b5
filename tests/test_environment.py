"""The promise of a fresh machine and two commands: requirements, Makefile, workflows, the cut network."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tools import compat_environments

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("linux", "darwin", "win32")
EXTRAS = PROJECT["optional-dependencies"]
PROBE = """\
import socket, sys, time
interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
if interfaces != ["lo"]:
    sys.exit(77)
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname(), timeout=5).close()
start = time.perf_counter()
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError:
    sys.exit(time.perf_counter() - start > 1)
sys.exit("192.0.2.1 can be reached")
"""


def pins(python, platform):
    """Return {name: version} of the lines of requirements.txt that hold for one Python and platform."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": platform,
        "os_name": "nt" if platform == "win32" else "posix",
        "implementation_name": "cpython",
    }
    chosen = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip().startswith("#"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(environment):
                name = canonicalize_name(requirement.name)
                assert name not in chosen, f"{name} is pinned twice for Python {python} on {platform}"
                (specifier,) = requirement.specifier
                assert specifier.operator == "==", line
                chosen[name] = specifier.version
    return chosen


def run(*command, **settings):
    """Run a command, untouched by a `make` that runs these tests, and capture what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, **settings)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_requirements_pin_every_direct_dependency_once(python, platform):
    pinned = pins(python, platform)
    for line in PROJECT["dependencies"] + EXTRAS["lab"] + EXTRAS["dev"]:
        requirement = Requirement(line)
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, line


def test_requirements_say_how_they_were_made():
    assert "make lock" in (ROOT / "requirements.txt").read_text(encoding="utf-8").split("absl")[0]


def test_supported_pythons_are_the_same_everywhere():
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [minor for minor in range(30) if f"3.{minor}" in supported] == [11, 12, 13]
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert tuple(workflow["jobs"]["test"]["strategy"]["matrix"]["python"]) == PYTHONS
    assert tuple(reversed(compat_environments.NEWEST_FIRST)) == PYTHONS


def test_gpu_requirements_have_no_second_pins():
    lines = (ROOT / "requirements_gpu.txt").read_text(encoding="utf-8").split()
    assert lines == ["-r", "requirements.txt", "jax[cuda13]"]


@pytest.mark.parametrize("extra", ["cuda12", "cuda13", "tpu"])
def test_accelerators_are_extras_of_jax_without_pins(extra):
    assert EXTRAS[extra] == [f"jax[{extra}]"]


def test_conda_brings_only_python_and_pip():
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert [line.split()[0] for line in conda] == ["python", "pip"]
    assert SpecifierSet(conda[0].split()[1]) == SpecifierSet(PROJECT["requires-python"])
    assert pip == {"pip": ["-r requirements.txt", "-e ."]}


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_read_only_and_pin_actions(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) if "uses" in step else step["run"]


def test_release_carries_the_wheel_that_notebooks_ask_for():
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    stem = PROJECT["name"].replace("-", "_")
    assert f"vX.Y.Z/{stem}-X.Y.Z-py3-none-any.whl" in text
    assert 'test "v$version" = "$GITHUB_REF_NAME"' in text


def test_ci_runs_make_test():
    script = ROOT / ".ci" / "run"
    assert script.read_text(encoding="utf-8").rstrip().endswith("\nmake test")
    assert run("bash", "-n", str(script)).returncode == 0


@pytest.mark.skipif(not shutil.which("make"), reason="needs GNU make")
def test_make_help_lists_every_command():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    shown = re.findall(r"^  ([a-z-]+) +\S", run("make", "--directory", str(ROOT), "help").stdout, re.MULTILINE)
    assert shown == phony.split()


@pytest.mark.skipif(not shutil.which("make"), reason="needs GNU make")
@pytest.mark.parametrize(
    ("python", "message"),
    [
        ('case "$*" in *version_info*) exit 1;; *) echo Python 3.14.0;; esac', "Perlu Python 3.11, 3.12, atau 3.13"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "sudo apt install python3-venv"),
    ],
    ids=["wrong version", "no venv"],
)
def test_make_says_what_is_wrong_with_python(python, message, tmp_path):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    fake = tmp_path / "python3"
    fake.write_text(f"#!/bin/sh\n{python}\n")
    fake.chmod(0o755)
    answer = run("make", "--directory", str(tmp_path), "lab", f"PYTHON={fake}")
    assert answer.returncode != 0
    assert message in answer.stdout
    assert not (tmp_path / ".venv").exists()


@pytest.mark.skipif(not shutil.which("make"), reason="needs GNU make")
def test_make_installs_again_where_the_folder_has_moved(tmp_path):
    first, second = tmp_path / "lama", tmp_path / "kursus baru"
    python = first / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@" >> python.log\n')
    python.chmod(0o755)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, first)

    def installations(folder):
        answer = run("make", "--directory", str(folder), "doctor")
        assert answer.returncode == 0, answer.stderr
        return (folder / "python.log").read_text().count("--editable .")

    assert [installations(first), installations(first)] == [1, 1]
    first.rename(second)
    assert [installations(second), installations(second)] == [2, 2]


def test_offline_has_loopback_only():
    answer = run(sys.executable, "-m", "tools.offline", sys.executable, "-c", PROBE, cwd=ROOT)
    if "jaringan tidak terputus" in answer.stderr:
        pytest.skip("this system does not let a process leave the network")
    assert answer.returncode == 0, answer.stderr


def test_offline_runs_the_command_where_it_cannot_cut():
    refuse = "import sys; sys.platform = 'plan9'; from tools import offline; offline.main(sys.argv[1:])"
    answer = run(sys.executable, "-c", refuse, sys.executable, "-c", "print(6 * 7)", cwd=ROOT)
    assert answer.stdout == "42\n"
    assert answer.stderr.count("\n") == 1 and "plan9" in answer.stderr


def test_offline_names_the_obstacle_of_a_restricted_kernel():
    refuse = (
        "import sys\nfrom tools import offline\n"
        "def cut_network(): raise PermissionError(1, 'unshare')\n"
        "offline.cut_network = cut_network\noffline.main(sys.argv[1:])"
    )
    answer = run(sys.executable, "-c", refuse, sys.executable, "-c", "raise SystemExit(3)", cwd=ROOT)
    assert answer.returncode == 3
    assert "Operation not permitted" in answer.stderr


def test_offline_reports_a_missing_command():
    answer = run(sys.executable, "-m", "tools.offline", "no-such-command", cwd=ROOT)
    assert answer.returncode == 127
    assert "no-such-command" in answer.stderr
