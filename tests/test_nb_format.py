"""`fmt` and the templates: one canonical form, reached in one step and stable."""

import json
import subprocess
import sys

import pytest
from data_nb.lesson import NAME, good_lesson, make_root, picture

from tools.nb import main
from tools.nb_metadata import code_hash, final_results, metadata_problems
from tools.nb_prose import count_words, links, plain_text
from tools.nb_schema import (
    ROOT,
    LessonError,
    badge,
    is_setup_cell,
    read_notebook,
    read_repository,
    setup_source,
)
from tools.nb_sections import headings, matches, segments


@pytest.fixture
def repository(tmp_path):
    """Return (root, path) of a repository with one good lesson."""
    return make_root(tmp_path, good_lesson())


def disorder(path):
    """Bring the lesson into the state that editors leave behind."""
    text = json.loads(path.read_text())
    text["nbformat_minor"] = 4
    text["metadata"].update(
        colab={"provenance": []},
        kernelspec={"display_name": "env", "name": "env"},
        language_info={"name": "python", "version": "3.13.1"},
        widgets={"application/vnd.jupyter.widget-state+json": {}},
    )
    for number, cell in enumerate(text["cells"]):
        cell.pop("id")
        cell["metadata"] = {"execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"}, "tags": []}
        cell["source"] = [line.replace("\n", "  \n") for line in cell["source"]] + ["\n", "\n"]
        if cell["cell_type"] == "code":
            cell["execution_count"] = 100 - number
    text["cells"][3]["source"] = ["import os  # COLAB_RELEASE_TAG: lama"]
    text["cells"][0]["source"] = ["# Percobaan kecil\n", "\n", "Prasyarat: [lab](../1-maths/lab/lab-1.ipynb)."]
    path.write_text(json.dumps(text, indent=4))


def test_format_is_idempotent_and_keeps_outputs(repository, capsys):
    root, path = repository
    before = read_notebook(path)
    disorder(path)
    assert main(["fmt"], root) == 0
    assert f"{NAME}: dirapikan" in capsys.readouterr().out
    once = path.read_text()
    assert main(["fmt", NAME], root) == 0
    assert "0 berubah" in capsys.readouterr().out
    assert path.read_text() == once
    after = read_notebook(path)
    assert [c.get("outputs") for c in after.cells] == [c.get("outputs") for c in before.cells]


def test_format_restores_the_canonical_form(repository):
    root, path = repository
    disorder(path)
    main(["fmt"], root)
    notebook = read_notebook(path)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert set(notebook.metadata) == {"kernelspec", "language_info", "execution", "lesson"}
    assert notebook.metadata.kernelspec.display_name == "Python 3"
    assert notebook.metadata.language_info == {"name": "python"}
    assert notebook.metadata.execution.timeout == 600
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(not cell.metadata for cell in notebook.cells)
    assert code[0].id == "setup"
    assert code[0].source == setup_source(read_repository(root))
    assert badge(read_repository(root), NAME) in notebook.cells[0].source
    assert not [cell for cell in notebook.cells if cell.source != cell.source.rstrip()]
    text = path.read_text()
    assert text.endswith("}\n") and not text.endswith("}\n\n")
    assert text.startswith('{\n "cells"')


def test_cell_ids_stay_when_valid_and_become_unique(repository):
    root, path = repository
    text = json.loads(path.read_text())
    text["cells"][5]["id"] = "milik-penulis"
    text["cells"][6]["id"] = "milik-penulis"
    text["cells"][7]["id"] = "tidak sah!"
    path.write_text(json.dumps(text))
    main(["fmt"], root)
    ids = [cell.id for cell in read_notebook(path).cells]
    assert ids[5] == "milik-penulis"
    assert len(set(ids)) == len(ids)
    assert "tidak sah!" not in ids


def test_missing_ids_are_the_same_on_every_machine(repository):
    root, path = repository
    disorder(path)
    mess = path.read_text()
    main(["fmt"], root)
    first = path.read_text()
    path.write_text(mess)
    main(["fmt"], root)
    assert path.read_text() == first


def test_format_adds_a_missing_setup_cell_under_its_heading(repository):
    root, path = repository
    text = json.loads(path.read_text())
    text["cells"] = [cell for cell in text["cells"] if cell["id"] != "setup"]
    path.write_text(json.dumps(text))
    main(["fmt"], root)
    cells = read_notebook(path).cells
    place = next(number for number, cell in enumerate(cells) if is_setup_cell(cell))
    assert cells[place - 1].source == "## Persiapan"


def test_format_refuses_what_is_no_lesson(repository, capsys):
    root, path = repository
    other = path.with_name("catatan.ipynb")
    other.write_text(path.read_text())
    assert main(["fmt", str(other)], root) == 1
    assert "bukan pelajaran" in capsys.readouterr().err
    assert main(["fmt", "2-mlp/98-hilang.ipynb"], root) == 1
    assert "berkas tidak ada" in capsys.readouterr().err


def test_setup_cell_follows_the_project_file_and_is_short(tmp_path):
    source = setup_source(read_repository(ROOT))
    lines = source.split("\n")
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 88
    project = (ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(project.replace("github.com/ghif/", "github.com/kampus/"))
    assert "https://github.com/kampus/" in setup_source(read_repository(tmp_path))


def test_setup_cell_is_clean_for_ruff(tmp_path):
    path = tmp_path / "setup.py"
    path.write_text(setup_source(read_repository(ROOT)) + "\n")
    for verb in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *verb, "--config", str(ROOT / "pyproject.toml"), str(path)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


def test_setup_cell_pins_jax_on_colab_and_says_what_to_do_elsewhere(monkeypatch):
    source = setup_source(read_repository(ROOT))
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: calls.append(command))
    monkeypatch.setitem(sys.modules, "common.data", sys)  # stands for an installed package
    exec(source, {})
    assert calls == []
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab-2026")
    monkeypatch.setenv("DL_JAX101_WHEEL", "/tempat/paket.whl")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")  # setdefault: what is set stays
    exec(source, {})
    assert any(word.startswith("jax==") for word in calls[0])
    assert "/tempat/paket.whl" in calls[0]
    monkeypatch.setitem(sys.modules, "common.data", None)
    with pytest.raises(ModuleNotFoundError, match="make lab"):
        exec(source, {})


def test_hash_ignores_the_setup_cell_and_prose():
    notebook = good_lesson()
    first = code_hash(notebook)
    notebook.cells[1].source += " lagi"
    assert code_hash(notebook) == first
    notebook.cells[3].source += "\nA = 1"
    assert code_hash(notebook) != first


def test_final_results_reads_only_plain_numbers():
    notebook = good_lesson()
    assert final_results(notebook) == {"akurasi_uji": 0.874}
    for text in ("{'a': Array(1.)}", "[1.0]", "{'a': nan}", "{'a': 'x'}"):
        notebook.cells[-1].outputs[0].data["text/plain"] = text
        with pytest.raises(LessonError, match="bungkus setiap nilai"):
            final_results(notebook)


def test_metadata_problems_name_the_field():
    assert metadata_problems(None) == ["metadata `lesson` tidak ada; isi menurut tools/nb_metadata.py"]
    assert any("lesson.title: str diharapkan" in problem for problem in metadata_problems({}))


def test_sections_match_whole_words():
    assert matches("Dari nol", "Dari nol: dua lapisan")
    assert not matches("Latihan", "Latih dan diagnosa")
    assert not matches("Cek", "Cekungan")
    notebook = good_lesson()
    sections = {piece.section for piece in segments(notebook)}
    assert {"Ringkasan", "Istilah", "Dari nol"} <= sections
    notebook.cells[1].source += "\n\n```\n## bukan judul\n```"
    assert "bukan judul" not in [heading for _, heading in headings(notebook)]


def test_plain_text_leaves_only_indonesian_prose():
    source = (
        "Bobot $w_1$ dan `weight` pada *learned filter*-nya, **tebal** <br> "
        "[tautan *asing*](https://a.id/b_c) <i>seed</i> <code>any</code>.\n$$\\alpha$$\n```python\nfoo = 1\n```\nAkhir."
    )
    words = plain_text(source, italics=False).split()
    assert words == ["Bobot", "dan", "pada", ",", "tebal", "tautan", ".", "Akhir."]


def test_words_in_hints_do_not_count():
    assert count_words("Satu dua tiga.\n<details>empat lima</details>\nEnam *tujuh*.") == 5


def test_links_see_badges_pictures_and_html():
    source = f"[![Buka](https://a/b.svg)](https://c/d) <img src='x.png'> `[bukan](ini)` {picture()[:4]}"
    assert links(source) == [
        (False, "![Buka](https://a/b.svg)", "https://c/d"),
        (True, "Buka", "https://a/b.svg"),
        (True, "", "x.png"),
    ]
