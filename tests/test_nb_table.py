"""`table`: the README tables come from the lessons, and `check` sees when they are old."""

import pytest
from data_nb.lesson import good_lesson, make_root

from tools.nb import main


@pytest.fixture
def root(tmp_path):
    """Return a repository with one good lesson and current tables."""
    return make_root(tmp_path, good_lesson())[0]


def test_rows_say_what_the_metadata_says(root):
    top, chapter = (root / "README.md").read_text(), (root / "2-mlp/README.md").read_text()
    row = "| [Percobaan kecil](2-mlp/03-percobaan.ipynb) | jaringan dua lapisan | akurasi uji: 0,874 | 45 | [![Buka"
    assert row in top
    assert row.replace("2-mlp/", "") in chapter
    assert "colab/github" not in top and "/blob/main/2-mlp/03-percobaan.ipynb)" in chapter
    assert top.startswith("# Kursus\n")


def test_round_trip(root, capsys):
    before = (root / "README.md").read_text()
    assert main(["table"], root) == 0
    assert capsys.readouterr().out == ""
    assert (root / "README.md").read_text() == before


def test_old_table_is_found_and_mended(root, capsys):
    path = root / "README.md"
    path.write_text(path.read_text().replace("0,874", "0,9"))
    assert main(["check"], root) == 1
    assert "README.md: tabel pelajaran usang" in capsys.readouterr().out
    assert main(["table"], root) == 0
    assert "README.md: tabel ditulis ulang" in capsys.readouterr().out
    assert main(["check"], root) == 0


def test_missing_markers_and_files_are_problems(root, capsys):
    (root / "README.md").write_text("# Kursus\n")
    (root / "2-mlp/README.md").unlink()
    assert main(["check"], root) == 1
    assert main(["table"], root) == 1
    out = capsys.readouterr().out
    assert out.count("README.md: tepat sepasang <!-- lessons:begin -->") == 2
    assert out.count("2-mlp/README.md: berkas tidak ada") == 2
