"""`run`, `seeds`, `compare`, `notebooks`: execution in fresh kernels."""

import json

import pytest
from data_nb.lesson import NAME, good_lesson, make_root, tiny_lesson

from tools.nb import main
from tools.nb_execute import constants, set_constants
from tools.nb_schema import LessonError, read_notebook

LAST = '{"akurasi_uji": 0.874 + SEED / 1000}'


@pytest.fixture(autouse=True)
def empty_package(tmp_path, monkeypatch):
    """Let kernels import an empty `common.data`, for speed."""
    folder = tmp_path / "stub/common/data"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder.parent / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))


def make(tmp_path, *code):
    """Return (root, path) of a repository with a lesson of these code cells."""
    return make_root(tmp_path / "root", tiny_lesson("SEED = 0\nLEBAR = 2 * 3\nGAYA = 'a'", *code))


def test_run_reports_results_and_leaves_the_file_alone(tmp_path, capsys):
    root, path = make(tmp_path, LAST)
    before = path.read_bytes()
    assert main(["run", NAME], root) == 0
    captured = capsys.readouterr()
    assert "tercapai  akurasi uji: 0,874 (batas >= 0,86)" in captured.out
    assert "s dari anggaran 30 s" in captured.out
    assert "Persiapan" in captured.err
    assert path.read_bytes() == before


def test_run_with_other_constants(tmp_path, capsys):
    root, path = make(tmp_path, "print(GAYA)", LAST)
    assert main(["run", NAME, "--set", "SEED=-20", "GAYA='é'"], root) == 1
    assert "GAGAL     akurasi uji: 0,854" in capsys.readouterr().out


def test_write_stores_outputs_results_and_hash(tmp_path, capsys):
    bar = "import sys\nprint('\\r 50%|##| 1/2 [00:00<00:00]\\r100%|##| 2/2 [00:01<00:00]', file=sys.stderr)"
    root, path = make(tmp_path, bar, '{"akurasi_uji": 0.9}')
    assert main(["run", NAME, "--write"], root) == 0
    notebook = read_notebook(path)
    lesson = notebook.metadata["lesson"]
    assert lesson["results"]["akurasi_uji"]["value"] == 0.9
    assert notebook.cells[-1].outputs[0].data["text/plain"] == "{'akurasi_uji': 0.9}"
    assert notebook.cells[-2].outputs[0].text == "100%|##| 2/2 [00:01<00:00]\n"
    assert [cell.execution_count for cell in notebook.cells[2:]] == [1, 2, 3, 4]
    once = path.read_text()
    main(["fmt"], root)
    assert path.read_text() == once
    path.write_text(once.replace("LEBAR = 2 * 3", "LEBAR = 2 * 4"))
    main(["check", NAME], root)
    assert "kode berubah sejak keluaran disimpan" in capsys.readouterr().out


def test_failing_cell_is_named_and_nothing_is_written(tmp_path, capsys):
    root, path = make(tmp_path, "assert 1 + 1 == 3, 'galat contoh'", LAST)
    before = path.read_bytes()
    assert main(["run", NAME, "--write"], root) == 1
    message = capsys.readouterr().err
    assert "sel 5 (bagian 'Persiapan'): AssertionError: galat contoh" in message
    assert path.read_bytes() == before


def test_limit_stops_a_long_cell(tmp_path, capsys):
    root, _ = make(tmp_path, "import time\ntime.sleep(30)", LAST)
    assert main(["run", NAME, "--limit", "3"], root) == 1
    assert "belum selesai setelah" in capsys.readouterr().err


def test_result_names_must_agree(tmp_path, capsys):
    root, _ = make(tmp_path, '{"lain": 1.0}')
    assert main(["run", NAME], root) == 1
    assert "hasil ['akurasi_uji'] diharapkan, ternyata ['lain']" in capsys.readouterr().err


def test_wrong_metadata_is_refused_before_the_run(tmp_path, capsys):
    root, path = make(tmp_path, LAST)
    path.write_text(path.read_text().replace('"tolerance": 0.02', '"tolerance": "kecil"'))
    assert main(["run", NAME], root) == 1
    assert "tolerance: bilangan diharapkan, ternyata 'kecil'" in capsys.readouterr().err


def test_write_and_set_do_not_go_together(tmp_path, capsys):
    root, _ = make(tmp_path, LAST)
    assert main(["run", NAME, "--write", "--set", "SEED=1"], root) == 1
    assert "jangan digabung" in capsys.readouterr().err


def test_only_plain_top_level_constants_can_be_set():
    notebook = tiny_lesson("SEED = 0\nDUA = 1 + 1\nLAJU = -1e-3\nkecil = 3", "if True:\n    DALAM = 1", "salah(")
    assert set(constants(notebook)) == {"SEED", "LAJU"}
    with pytest.raises(LessonError, match="tidak ada konstanta 'DUA'; yang ada: SEED, LAJU"):
        set_constants(notebook, ["DUA=3"])
    with pytest.raises(LessonError, match="literal Python diharapkan"):
        set_constants(notebook, ["SEED=abc"])


def test_setting_keeps_the_rest_of_the_line():
    notebook = tiny_lesson('JUDUL = "é"; SEED = 0  # benih é\nUKURAN = (\n    1,\n    2,\n)\nX = 1')
    set_constants(notebook, ["SEED = 7", "UKURAN=(3, 4)", "JUDUL='a=b'"])
    assert notebook.cells[2].source == "JUDUL = 'a=b'; SEED = 7  # benih é\nUKURAN = (3, 4)\nX = 1"


def test_seeds_are_recorded_and_other_entries_stay(tmp_path, capsys):
    root, _ = make(tmp_path, LAST)
    file = root / "benchmarks/seeds.json"
    file.write_text(json.dumps({"1-maths/01-lain.ipynb": {"code_hash": "x"}}))
    assert main(["seeds", "--seeds", "0", "5"], root) == 0
    saved = json.loads(file.read_text())
    assert set(saved) == {"1-maths/01-lain.ipynb", NAME}
    assert saved[NAME]["results"] == {"akurasi_uji": [0.874, 0.879]}
    assert len(saved[NAME]["seconds"]) == 2
    assert "tercapai  akurasi uji: 0,874; 0,879" in capsys.readouterr().out


def test_seeds_need_the_constant(tmp_path, capsys):
    root, _ = make_root(tmp_path / "root", tiny_lesson('{"akurasi_uji": 0.9}'))
    assert main(["seeds"], root) == 1
    assert "konstanta SEED tidak ada" in capsys.readouterr().out


def test_compare_finds_difference_and_absence(tmp_path, capsys):
    root, path = make_root(tmp_path / "root", good_lesson())
    fresh = tmp_path / "baru"
    (fresh / "2-mlp").mkdir(parents=True)
    assert main(["compare", str(fresh)], root) == 1
    assert "No such file" in capsys.readouterr().out
    copy = fresh / NAME
    copy.write_text(path.read_text())
    assert main(["compare", str(fresh)], root) == 0
    assert "1 hasil dibandingkan, 0 berbeda" in capsys.readouterr().out
    copy.write_text(path.read_text().replace("{'akurasi_uji': 0.874}", "{'akurasi_uji': 0.89}"))  # tolerance 0.02
    assert main(["compare", str(fresh)], root) == 0
    copy.write_text(path.read_text().replace("{'akurasi_uji': 0.874}", "{'akurasi_uji': 0.9}"))
    assert main(["compare", str(fresh)], root) == 1
    assert "BEDA" in capsys.readouterr().out


def test_notebooks_without_lessons(tmp_path, capsys):
    assert main(["notebooks"], tmp_path) == 0
    assert "belum ada pelajaran" in capsys.readouterr().out


@pytest.mark.slow
def test_notebooks_runs_copies_and_compares(tmp_path, capfd):
    root, path = make(tmp_path, LAST)
    before = path.read_bytes()
    assert main(["notebooks"], root) == 0
    assert "1 hasil dibandingkan, 0 berbeda" in capfd.readouterr().out
    assert path.read_bytes() == before
    path.write_text(path.read_text().replace("0.874 + SEED", "1 / 0 + SEED"))
    assert main(["notebooks"], root) == 1
    assert "ZeroDivisionError" in capfd.readouterr().out
