"""The version sets of `make compat`: strict kernels, the likeness of Colab, the choice of Python, the verdict."""

import os
import sys
import urllib.request
from pathlib import Path

import nbclient
import nbformat
import pytest

from tools import compat, compat_colab, compat_environments


def test_kernels_stop_at_deprecated_calls_of_the_course_only(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", compat_environments.strict_kernels(tmp_path)["IPYTHONDIR"])
    warn = "import warnings; warnings.warn_explicit('old', DeprecationWarning, 'file.py', 1, module='{}')"
    sources = ["assert 'warnings' not in globals()", warn.format("pandas.core"), warn.format("jax._src.core")]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="DeprecationWarning.*old"):
        nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert [cell.execution_count for cell in cells] == [1, 2, 3]


def test_setup_cell_may_add_the_package_and_move_flax():
    before = {"jax": "0.7.2", "flax": "0.11.2"}
    compat_colab.check_setup(before, {"jax": "0.7.2", "flax": "0.12.0", "dl-jax101": "0.1.0"}, name="dl-jax101")
    added = {"dl-jax101": "0.1.0", "equinox": "0.13.8"}
    compat_colab.check_setup(before, {"jax": "0.7.2", "flax": "0.12.0", **added}, name="dl-jax101")
    with pytest.raises(compat_environments.CompatError, match=r"\['flax', 'jax'\]"):
        compat_colab.check_setup(before, {"jax": "0.8.0", "flax": "0.12.0", "dl-jax101": "0.1.0"}, name="dl-jax101")
    with pytest.raises(compat_environments.CompatError, match="flax"):
        compat_colab.check_setup(before, {**before, "flax": "0.12.0"}, name="dl-jax101")


def test_setup_cell_run_again_may_change_nothing():
    compat_colab.check_unchanged({"jax": "0.7.2"}, {"jax": "0.7.2"})
    with pytest.raises(compat_environments.CompatError, match=r"\['jax'\]"):
        compat_colab.check_unchanged({"jax": "0.7.2"}, {"jax": "0.8.0"})


def test_setup_cell_sees_colab_away_from_the_repository(tmp_path, monkeypatch):
    cell = "import sys, os\nassert 'google.colab' in sys.modules\nopen('seen', 'w').write(os.environ['WHEEL'])"
    monkeypatch.setattr(compat_colab, "setup_source", lambda repository: cell)
    compat_colab.run_setup_cell(Path(sys.executable), tmp_path, {"WHEEL": "http://127.0.0.1:1/a.whl"})
    assert (tmp_path / "seen").read_text() == "http://127.0.0.1:1/a.whl"


def test_wheel_is_served_on_loopback(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"wheel")
    with compat_colab.serve(tmp_path) as address, urllib.request.urlopen(f"{address}/a.whl", timeout=5) as answer:
        assert answer.read() == b"wheel"
        assert address.startswith("http://127.0.0.1:")


def test_newest_python_skips_shims_that_do_not_run(tmp_path, monkeypatch):
    for version, status in (("3.13", 1), ("3.12", 0)):
        shim = tmp_path / f"python{version}"
        shim.write_text(f"#!/bin/sh\necho {version}\nexit {status}\n")
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert compat_environments.newest_python() == str(tmp_path / "python3.12")


def test_tests_of_tools_are_recognised(tmp_path):
    (tmp_path / "test_a.py").write_text("import numpy\nfrom tools.nb import main\n")
    (tmp_path / "test_b.py").write_text("import numpy\n# import tools\n")
    assert compat.tool_tests(tmp_path) == [tmp_path / "test_a.py"]


def test_counts_come_from_the_last_line(tmp_path, monkeypatch):
    def logged(environment, arguments, log):
        log.write_text("9 passed in another test's output\n2 failed, 7 passed, 1 error in 3.2s\n")
        return False

    monkeypatch.setattr(compat, "_logged", logged)
    outcome = compat.Outcome("pinned")
    environment = compat_environments.Environment(Path(sys.executable))
    assert compat.run_tests(environment, tmp_path / "log", outcome) == "2 failed, 7 passed, 1 error"
    assert outcome.failed


def test_compat_fails_when_one_set_fails(monkeypatch, capsys):
    outcomes = {
        "pinned": compat.Outcome("pinned", ("3.11.7", "0.10.2", "0.12.8", "2.4.6"), "9 passed", "3/3", "6/6", 61.2),
        "colab": compat.Outcome("colab", failed=True),
    }
    monkeypatch.setattr(compat, "run_set", outcomes.__getitem__)
    assert compat.main(["pinned"]) == 0
    assert compat.main(["pinned", "colab"]) == 1
    *_, heading, pinned, colab = capsys.readouterr().out.splitlines()
    assert heading.split() == list(compat.HEADING)
    assert pinned.split() == ["pinned", "3.11.7", "0.10.2", "0.12.8", "2.4.6", "9", "passed", "3/3", "6/6", "61", "OK"]
    assert colab.endswith("GAGAL")


def test_compat_refuses_unknown_sets(capsys):
    with pytest.raises(SystemExit):
        compat.main(["oldest"])
    assert "pilih dari pinned, tree, colab, newest" in capsys.readouterr().err
