"""A batch: marks, feedback and tables come out, a second run adds nothing and changes nothing."""

import csv
import json
import os

import pytest
from lab_samples import RIGHT, hand_in, write_lab

from tools import labs, labs_cage, labs_grade
from tools.labs_check import WrongAnswer, nonsense, wrong_answer_faults
from tools.labs_grade import read_extra_checks, walls_or_consent
from tools.labs_judge import STOPPED, Settings, mark_file
from tools.labs_report import read_written_marks
from tools.nb_schema import LessonError

pytestmark = pytest.mark.slow
WALLS = not labs_cage.obstacle()


@pytest.fixture
def course(tmp_path):
    write_lab(tmp_path)
    folder = tmp_path / "kumpulan"
    hand_in(folder, "13521001 Siti.ipynb", RIGHT)
    hand_in(folder / "unduhan", "13521001 Siti (1).ipynb", ())
    hand_in(folder, "budi.ipynb", {"geser": RIGHT["geser"]}, number="00000000", written="=1+1")
    (folder / "rusak 13521003.ipynb").write_text("{")
    return tmp_path


def grade(course, monkeypatch, *words):
    monkeypatch.setattr("builtins.input", lambda _: "y")
    status = labs.main(["grade", "2-contoh", str(course / "kumpulan"), "--out", str(course / "hasil"), *words], course)
    return status, read_table(course / "hasil" / "nilai.csv") if status == 0 else []


def read_table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_batch_from_notebooks_to_marks(course, monkeypatch, capsys):
    status, rows = grade(course, monkeypatch)
    assert status == 0 and "3 mahasiswa" in capsys.readouterr().out
    marks = {row["NIM"]: (row["kuadrat"], row["geser"], row["otomatis"], row["tertulis"]) for row in rows}
    assert marks == {
        "13521001": ("60", "30", "90", ""),
        "budi": ("0", "30", "30", ""),
        "13521003": ("0", "0", "0", ""),
    }
    notes = {row["NIM"]: row["catatan"] for row in rows}
    assert "2 berkas dengan NIM ini; dipakai" in notes["13521001"]
    assert "NIM di dalam notebook belum diisi" in notes["budi"] and "bukan notebook" in notes["13521003"]
    written = read_table(course / "hasil" / "tertulis.csv")
    assert [row["rubrik"] for row in written] == ["10: menyebut perkalian."] * 3
    pages = {path.name: path.read_text() for path in (course / "hasil" / "umpan-balik").iterdir()}
    assert len(pages) == 4
    [page] = [text for name, text in pages.items() if name.startswith("budi-")]
    assert "30 <small>dari 90" in page and "Gunakan perkalian." in page and "01-gradient-descent.ipynb" in page
    overview = (course / "hasil" / "kelas.html").read_text()
    assert "data:image/png;base64," in overview and "kuadrat" in overview

    written[0]["nilai"] = "7"
    with (course / "hasil" / "tertulis.csv").open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, written[0])
        table.writeheader()
        table.writerows(written)
    monkeypatch.setattr(labs_grade, "mark_file", None)  # nothing is marked a second time
    again = grade(course, monkeypatch)[1]
    assert again == [row | ({"tertulis": "7", "total": "97"} if row["NIM"] == "13521001" else {}) for row in rows]


def test_every_file_has_a_page_and_a_row_of_its_own(course, monkeypatch):
    folder = course / "kumpulan" / ("kelas" * 20)
    for number in range(2):
        hand_in(folder, f"1352100{number} tugas.ipynb", ())
    hand_in(course / "kumpulan", "13521001_Siti.ipynb", RIGHT)
    (course / "kumpulan" / os.fsdecode(b"13521009 \xff.ipynb")).write_text("{")
    assert grade(course, monkeypatch)[0] == 0
    assert len(list((course / "hasil" / "umpan-balik").iterdir())) == 8


def test_a_file_that_ends_its_judge_does_not_end_the_batch(course, monkeypatch):
    batch = labs_grade.Batch(write_lab(course), course / "kumpulan", course / "hasil", Settings(walls=WALLS), jobs=1)
    monkeypatch.setattr(labs_grade, "mark_file", end_if_budi)
    rows = {row["file"]: {task["status"] for task in row["tasks"]} for row in labs_grade.mark_all(batch)}
    assert rows.pop("budi.ipynb") == {STOPPED} and len(rows) == 3 and STOPPED not in set().union(*rows.values())


def end_if_budi(lab_path, path, settings):
    if path.name == "budi.ipynb":
        os._exit(1)
    return mark_file(lab_path, path, settings)


def test_a_batch_goes_on_where_it_stopped_and_marks_alike(course, monkeypatch):
    rows = grade(course, monkeypatch)[1]
    details = sorted((course / "hasil" / "rincian").iterdir())
    before = [path.read_text() for path in details]
    details[0].unlink()
    details[1].write_text("{")  # cut off in the middle
    stamps = [path.stat().st_mtime_ns for path in details[2:]]
    assert grade(course, monkeypatch)[1] == rows
    assert [path.stat().st_mtime_ns for path in details[2:]] == stamps
    drop = {"seconds"}
    for old, path in zip(before, details, strict=True):
        old, new = json.loads(old), json.loads(path.read_text())
        for row in (old, new):
            row["tasks"] = [{name: value for name, value in task.items() if name not in drop} for task in row["tasks"]]
        assert old == new


def test_only_what_was_stopped_is_marked_again(course, monkeypatch):
    rows = grade(course, monkeypatch)[1]
    folder = course / "hasil" / "rincian"
    [detail] = folder.glob("budi-*.json")
    row = json.loads(detail.read_text())
    row["tasks"][1] |= {"status": "terhenti", "earned": 0}
    detail.write_text(json.dumps(row))
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert grade(course, monkeypatch)[1] == rows
    assert [path for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp] == [detail]


def test_checks_of_the_instructor(course, monkeypatch, capsys):
    folder = course / "rahasia"
    folder.mkdir()
    lab = write_lab(course)
    with pytest.raises(LessonError, match="lab-2-contoh.py tidak ada"):
        read_extra_checks(folder, lab)
    (folder / "lab-2-contoh.py").write_text("# %% kubus\nassert False")
    with pytest.raises(LessonError, match="tugas kubus tidak ada"):
        read_extra_checks(folder, lab)
    (folder / "lab-2-contoh.py").write_text("# %% kuadrat\nassert square(1.5) == 2, 'pemeriksaan pengajar'\n")
    rows = grade(course, monkeypatch, "--extra-tests", str(folder))[1]
    assert {row["NIM"]: row["kuadrat"] for row in rows}["13521001"] == "0"
    [page] = (course / "hasil" / "umpan-balik").glob("13521001-Siti-*.html")
    assert "pemeriksaan pengajar" in page.read_text()


def test_empty_folder_and_no_folder(tmp_path, monkeypatch, capsys):
    write_lab(tmp_path)
    (tmp_path / "kumpulan").mkdir()
    assert grade(tmp_path, monkeypatch)[0] == 1
    assert "tidak ada berkas .ipynb" in capsys.readouterr().err
    (tmp_path / "kumpulan").rmdir()
    assert grade(tmp_path, monkeypatch)[0] == 1
    assert "bukan folder" in capsys.readouterr().err


def test_written_marks_are_checked(tmp_path):
    lab, path = write_lab(tmp_path), tmp_path / "tertulis.csv"
    path.write_text("NIM;Nama;tugas;nilai\n13521001;Siti;alasan;7,5\n13521002;Budi;alasan;\n")
    assert read_written_marks(path, lab) == {("13521001", "alasan"): 7.5}
    path.write_text("NIM,Nama,tugas,nilai\n13521001,Siti,alasan,11\n")
    with pytest.raises(LessonError, match="baris 2: nilai '11' harus bilangan dari 0 sampai 10"):
        read_written_marks(path, lab)


def test_without_walls_the_user_decides(monkeypatch, capsys):
    monkeypatch.setattr(labs_cage, "obstacle", lambda: "sistem ini contoh")
    assert walls_or_consent(lambda _: "ya") is False
    assert "sistem ini contoh" in capsys.readouterr().err
    with pytest.raises(LessonError, match="Dibatalkan"):
        walls_or_consent(lambda _: "")


def test_wrong_answers_that_pass_are_reported(tmp_path):
    lab = write_lab(tmp_path)
    settings = Settings(walls=WALLS)
    assert list(wrong_answer_faults(lab, nonsense(lab), settings)) == []
    answers = [
        WrongAnswer("kuadrat", "benar", "", RIGHT["kuadrat"]),
        WrongAnswer("kuadrat", "dua kali", "kubik", "def square(x):\n    return 2 * x"),
        WrongAnswer("kuadrat", "dua kali", "harus 9", "def square(x):\n    return 2 * x"),
    ]
    faults = list(wrong_answer_faults(lab, answers, settings))
    assert len(faults) == 2 and "'benar' diterima" in faults[0] and "tanpa 'kubik'" in faults[1]


def test_code_without_walls_is_limited_too(tmp_path):
    endless = "square = lambda x: [0 for _ in iter(int, 1)]"
    path = hand_in(tmp_path / "kumpulan", "13521001.ipynb", RIGHT | {"kuadrat": endless})
    row = mark_file(write_lab(tmp_path).path, path, Settings(walls=False))
    assert [entry["earned"] for entry in row["tasks"]] == [0, 30]


def test_a_cage_that_does_not_start_costs_no_mark(course, monkeypatch, capsys):
    monkeypatch.setattr(labs_cage, "__file__", str(course / "tidak-ada.py"))
    with pytest.raises(LessonError, match="tidak dapat dimulai"):
        mark_file(write_lab(course).path, course / "kumpulan" / "budi.ipynb", Settings(walls=WALLS))
