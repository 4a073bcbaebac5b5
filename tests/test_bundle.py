"""`make bundle`: which libraries it asks for, what the archive holds, how the Makefile uses it."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tools import bundle
from tools.nb_schema import ROOT

LINES = [
    "# made by hand",
    "jax==0.10.2 ; python_full_version < '3.12'",
    "jax==0.12.0 ; python_full_version >= '3.12'",
    "colorama==0.4.6 ; sys_platform == 'win32'",
    "    # via somebody",
    "soupsieve==2.10 ; python_full_version < '3.11.5'",
    "uvloop==0.23.0 ; platform_system != 'Windows' and platform_python_implementation == 'CPython'",
    "numpy==2.4.6",
]


@pytest.mark.parametrize(
    ("platform", "python", "expected"),
    [
        ("manylinux_2_28_x86_64", "3.11.9", ["jax==0.10.2", "uvloop==0.23.0", "numpy==2.4.6"]),
        ("manylinux_2_28_x86_64", "3.11.0", ["jax==0.10.2", "soupsieve==2.10", "uvloop==0.23.0", "numpy==2.4.6"]),
        ("win_amd64", "3.12.9", ["jax==0.12.0", "colorama==0.4.6", "numpy==2.4.6"]),
        ("macosx_14_0_arm64", "3.13.9", ["jax==0.12.0", "uvloop==0.23.0", "numpy==2.4.6"]),
    ],
)
def test_pins_follow_the_markers_of_the_other_system(platform, python, expected):
    assert bundle.pins(LINES, platform, python) == expected


@pytest.mark.parametrize("platform", bundle.PLATFORMS)
def test_every_line_of_the_requirements_is_understood(platform):
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = [pin.partition("==")[0] for pin in bundle.pins(lines, platform, "3.12.9")]
    assert {"jax", "flax", "jupyterlab", "pytest"} <= set(names) and len(names) == len(set(names))


def test_wheels_of_another_system_do_not_fit():
    names = ["manylinux_2_28_x86_64", "manylinux2014_x86_64"]
    assert bundle._fits("a-1-py3-none-any.whl", names)
    assert bundle._fits("a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", names)
    assert not bundle._fits("a-1-cp311-cp311-win_amd64.whl", names)


def test_the_archive_has_one_folder_with_files_and_wheels(tmp_path):
    wheel = tmp_path / "a-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    archive = tmp_path / "dist" / "kursus.zip"
    bundle.write_archive(archive, [ROOT / "README.md", ROOT / "common/__init__.py"], [wheel], top="kursus")
    with zipfile.ZipFile(archive) as zipped:
        names = set(zipped.namelist())
        assert names == {"kursus/README.md", "kursus/common/__init__.py", "kursus/wheels/a-1-py3-none-any.whl"}
        assert zipped.read("kursus/README.md") == (ROOT / "README.md").read_bytes()


def test_a_library_without_wheel_fails_aloud(monkeypatch, capsys):
    monkeypatch.setattr(bundle, "download", lambda *arguments: False)
    assert bundle.main(["--platform", "win_amd64"]) == 1
    assert "tidak punya wheel" in capsys.readouterr().out


def test_an_unknown_system_asks_for_a_choice(monkeypatch, capsys):
    monkeypatch.setattr(bundle, "this_platform", lambda: None)
    with pytest.raises(SystemExit):
        bundle.main([])
    assert "--platform" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("make"), reason="needs GNU make")
@pytest.mark.parametrize("has_wheels", [True, False])
def test_make_takes_libraries_from_the_wheels_folder(has_wheels, tmp_path):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    if has_wheels:
        Path(tmp_path, "wheels").mkdir()
    plan = subprocess.run(["make", "-n", "install"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert ("--no-index --find-links wheels" in plan) is has_wheels
