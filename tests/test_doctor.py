"""`python -m common.doctor`: what it finds, what it advises, and when it says that something is wrong."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from packaging.requirements import Requirement

from common.data import embedded
from common.doctor import __main__ as doctor
from common.doctor import machine, speed, versions
from common.doctor.finding import Finding, Level

ROOT = Path(__file__).resolve().parents[1]


def problems(findings):
    return [finding for finding in findings if finding.level is Level.PROBLEM]


def run(*arguments, **variables):
    command = [sys.executable, "-m", "common.doctor", *arguments]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONUTF8": "1"} | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_a_sound_installation_is_ready():
    answer = run("--quick")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Semua siap" in answer.stdout and "masalah" not in answer.stdout and answer.stderr == ""
    assert re.search(r"jax \d+[.\d]+, jaxlib \d", answer.stdout)


def test_a_platform_that_is_not_there_is_named_with_its_cure():
    answer = run("--quick", JAX_PLATFORMS="tpu")
    assert answer.returncode == 1
    assert "JAX tidak dapat dipakai" in answer.stdout and "JAX_PLATFORMS=tpu" in answer.stdout
    assert "1 masalah" in answer.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("numpy>=999", "numpy [0-9.]+, padahal diminta numpy>=999"),
        ("tidak-ada-di-mana-pun>=1", "tidak-ada-di-mana-pun>=1 belum terpasang"),
    ],
)
def test_versions_that_do_not_meet_are_named_with_the_command(line, words):
    finding = versions.check(Requirement(line))
    assert finding.level is Level.PROBLEM and re.search(words, finding.text)
    assert finding.cure == f'{sys.executable} -m pip install "{line}"'


def test_versions_that_meet_are_passed_over():
    assert versions.check(Requirement("numpy>=1")) is None


def test_requirements_of_libraries_are_compared_too(monkeypatch):
    def asked(package):
        return [Requirement("jax>=999")] if package.metadata["Name"] == "flax" else real(package)

    real = versions.requirements
    monkeypatch.setattr(versions, "requirements", asked)
    (finding,) = problems(versions.examine_versions())
    assert "diminta jax>=999" in finding.text


def test_extras_are_not_asked_for():
    names = {requirement.name for requirement in versions.requirements(versions.distribution("dl-jax101"))}
    assert "jax" in names and "torch" not in names and "nbgrader" not in names


def test_an_accelerator_plugin_of_another_version_is_a_problem():
    plugin = {"jax-cuda12-plugin": "0.7.2", "jax-cuda12-pjrt": "0.7.2", "jaxlib": "0.10.2"}
    (finding,) = versions.accelerator_plugins(plugin)
    assert "GPU tidak terpakai" in finding.text and '"jax[cuda12]==0.10.2"' in finding.cure
    assert versions.accelerator_plugins(plugin | {"jaxlib": "0.7.2"}) == []


def test_a_missing_package_asks_for_the_installation(monkeypatch):
    monkeypatch.setattr(versions, "COURSE", "kursus-yang-tidak-ada")
    (finding,) = versions.examine_versions()
    assert finding.level is Level.PROBLEM and "make install" in finding.cure


def test_a_course_that_notebooks_do_not_find_is_a_problem(monkeypatch, tmp_path):
    assert not any("notebook tidak menemukan" in finding.text for finding in versions.examine_versions())
    (tmp_path / "common.py").write_text("raise ModuleNotFoundError")
    monkeypatch.setattr(versions.tempfile, "gettempdir", lambda: str(tmp_path))
    assert any("notebook tidak menemukan" in finding.text for finding in versions.examine_versions())


def test_a_report_goes_into_a_file_that_knows_no_arrow():
    done = run("--quick", PYTHONUTF8="0", PYTHONIOENCODING="cp1252")
    assert "Traceback" not in done.stderr and "bukan UTF-8" in done.stdout


def test_an_installation_that_was_broken_off_is_named_with_its_cure():
    program = "import sys\nsys.modules['packaging'] = None\nimport runpy\nrunpy.run_module('common.doctor')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "belum terpasang" in done.stderr and "-r requirements.txt" in done.stderr


def test_scarce_memory_and_disk_are_noticed(monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda: 2**29)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**28))
    noticed = [finding.text for finding in machine.examine_machine() if finding.level is Level.NOTICE]
    assert "memori bebas 0,5 GiB, sebaiknya 2 GiB" in noticed
    assert "ruang cakram bebas 0,2 GiB, sebaiknya 1 GiB" in noticed


def test_unknown_memory_is_passed_over(monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda: None)
    assert not any("memori" in finding.text for finding in machine.examine_machine())


def test_settings_that_change_results_are_noticed():
    (finding,) = machine.unusual_settings({"jax_enable_x64": True, "jax_disable_jit": False})
    assert finding.level is Level.NOTICE and "JAX_ENABLE_X64" in finding.cure


def test_a_gpu_that_jax_does_not_use_is_noticed(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(machine.sys, "platform", "linux")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert any("requirements_gpu.txt" in finding.cure for finding in machine.examine_device())
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert any("Hapus variabel lingkungan JAX_PLATFORMS=cpu" in finding.cure for finding in machine.examine_device())
    monkeypatch.setattr(machine.sys, "platform", "win32")  # there are no plugins for it
    assert not any("GPU" in finding.text for finding in machine.examine_device())


def test_a_damaged_data_file_is_a_problem(monkeypatch):
    monkeypatch.setitem(embedded.SHA256, "mnist.npz", "0" * 64)
    (finding,) = machine.examine_files()
    assert finding.level is Level.PROBLEM and "mnist.npz" in finding.text and "git checkout" in finding.cure


def test_an_examination_that_breaks_is_a_problem():
    def broken():
        raise ImportError("libjax.so hilang")

    (finding,) = doctor.examined(broken)
    assert finding.level is Level.PROBLEM and "libjax.so hilang" in finding.text


def test_a_machine_like_the_reference_has_slowness_one():
    assert speed.slowness(speed.REFERENCE) == pytest.approx(1)
    assert speed.slowness({name: 2 * seconds for name, seconds in speed.REFERENCE.items()}) == pytest.approx(2)


def test_speed_report_multiplies_the_reference(monkeypatch):
    monkeypatch.setattr(speed, "measure", lambda: {name: 3 * seconds for name, seconds in speed.REFERENCE.items()})
    comparison, whole = doctor.examine_speed()
    assert comparison.level is Level.NOTICE and "3,0 kali" in comparison.text
    assert f"kira-kira {round(3 * sum(speed.CHAPTER_SECONDS.values()) / 60)} menit" in whole.text


@pytest.mark.slow
def test_measuring_is_quick_and_plausible():
    seconds = speed.measure()
    assert seconds.keys() == speed.REFERENCE.keys()
    assert all(0 < value < 60 for value in seconds.values())


def test_seconds_of_chapters_are_those_of_the_seed_runs():
    chapters = defaultdict(float)
    for name, entry in json.loads((ROOT / "benchmarks" / "seeds.json").read_text(encoding="utf-8")).items():
        chapters[name.partition("/")[0]] += float(np.median(entry["seconds"]))
    assert speed.CHAPTER_SECONDS.keys() == chapters.keys()
    for chapter, seconds in speed.CHAPTER_SECONDS.items():
        assert seconds == pytest.approx(chapters[chapter], rel=0.1), f"{chapter}: {chapters[chapter]:.0f}"


def test_long_lines_are_folded(capsys):
    doctor.show("Judul", [Finding(Level.PROBLEM, "kata " * 40, "obat " * 40)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= doctor.WIDTH and any("→ obat" in line for line in lines)
