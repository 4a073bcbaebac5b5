"""Labs: the student edition hides what it must, and a lab that is built wrongly is named."""

import dataclasses
from pathlib import Path

import pytest
from lab_samples import write_lab

from tools import labs
from tools.labs_forbidden import forbidden_in
from tools.labs_source import bound_names, problems_of, read_lab, student_edition, with_standard_setup
from tools.labs_submission import number_in_name
from tools.nb_schema import LessonError


@pytest.fixture
def lab(tmp_path):
    return write_lab(tmp_path)


def changed(lab, kind, task, /, **values):
    """Return the lab with one cell changed."""
    cells = [
        dataclasses.replace(cell, **values) if (cell.kind, cell.task) == (kind, task) else cell for cell in lab.cells
    ]
    return dataclasses.replace(lab, cells=tuple(cells))


def test_kinds_and_points(lab):
    kinds = [cell.kind for cell in lab.cells]
    assert kinds == (
        ["text", "setup", "given", "identity", "given", "answer", "check", "answer", "check", "demo", "written"]
    )
    assert lab.points == (90, 10) and lab.name == "lab-2-contoh" and lab.title == "Lab contoh"
    assert lab.names_of("kuadrat") == ["square"] and problems_of(lab) == []


def test_student_edition_holds_no_answer(lab):
    edition = student_edition(lab)
    text = "\n".join(cell.source for cell in edition.cells)
    for secret in ("BEGIN", "END", "answer_of_the_source", "offset + 10", "[9, 25]", "menyebut perkalian"):
        assert secret not in text
    assert 'raise NotImplementedError("Tugas kuadrat: kalikan x dengan dirinya")' in text
    assert "assert square(2) == 4" in text and "*Tulis jawaban Anda di sini.*" in text
    assert edition.metadata.lab == {"name": "lab-2-contoh", "source_sha256": lab.digest}
    assert [cell.id for cell in edition.cells] == [cell.id for cell in lab.notebook.cells]


def test_a_line_of_the_answer_elsewhere_stops_the_build(lab):
    source = "# Peragaan\nanswer_of_the_source = x * x"
    with pytest.raises(LessonError, match="'answer_of_the_source = x \\* x' masih ada"):
        student_edition(changed(lab, "demo", "", source=source))


@pytest.mark.parametrize(
    ("kind", "task", "values", "problem"),
    [
        ("check", "kuadrat", {"facts": {"points": 50}}, "jumlah nilai 90, seharusnya 100"),
        ("check", "geser", {"task": "kuadrat"}, "check 'kuadrat' muncul dua kali"),
        ("check", "geser", {"facts": {}}, "check 'geser' tanpa points"),
        ("answer", "geser", {"task": "lain"}, "tugas 'lain' tanpa pemeriksaan"),
        ("answer", "geser", {"source": "# Tugas geser\n# BEGIN SOLUTION\nshifted = 1"}, "tidak berpasangan"),
        ("answer", "geser", {"source": "# Tugas geser\nshifted = square(2)"}, "memakai 'square' dari tugas 'kuadrat'"),
    ],
)
def test_faults_of_form_are_named(lab, kind, task, values, problem):
    assert any(problem in found for found in problems_of(changed(lab, kind, task, **values)))


def test_help_teaches_and_unknown_labs_are_refused(capsys):
    with pytest.raises(SystemExit):
        labs.main(["--help"])
    assert "hasil/kelas.html" in capsys.readouterr().out
    assert labs.main(["list", "7-tidak-ada"]) == 1
    assert "lab tidak dikenal: 7-tidak-ada; yang ada: lab-1-maths, lab-2-mlp" in capsys.readouterr().err


def test_bound_names_are_those_seen_outside():
    code = "import a.b, c as d\nx, (y, *z) = 1, (2, 3)\nfor i in [j for j in x]:\n    k = lambda m: m\n"
    code += "def f(n):\n    o = 1"
    assert bound_names(code) == {"a", "d", "x", "y", "z", "i", "k", "f"}
    assert bound_names("not python") == set()


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (["def f(x):\n    return jax.grad(g)(x)"], ["grad"]),
        (["from jax import grad as slope", "def f(x):\n    return slope(g)(x)"], ["grad"]),
        (["import jax.experimental.jet as j", "def f(x):\n    return j(x)"], ["jet"]),
        (["h = jax.grad(g)", "def f(x):\n    return k(x)", "def k(x):\n    return h(x)"], ["grad"]),
        (["def other(x):\n    return jax.grad(g)(x)", "def f(x):\n    return x"], []),
        (["def f(x):\n    return jax.grad(g)(x)", "def f(x):\n    return 2 * x"], []),
        (["params = jax.grad(g)(x)", "def f(params):\n    return params"], []),
        (["h = jax.grad(g)", "def f(x):\n    h = x\n    return h"], []),
        (["h = jax.grad(g)", "def f(x):\n    def k(y):\n        return h(y)\n    return k(x)"], ["grad"]),
        (["h = jax.grad(g)", "def f(h):\n    def k(y):\n        return h(y)\n    return k"], []),
        (["def grad(x):\n    return 2 * x", "def f(x):\n    return grad(x)"], []),
        (["def grad(x):\n    return jax.grad(g)(x)", "def f(x):\n    return grad(x)"], ["grad"]),
        (["class jet:\n    def __call__(self):\n        return grad(g)", "def f(x):\n    return jet()(x)"], ["grad"]),
        (["x = " + "+".join(["1"] * 1200) + "\ndef f(x):\n    return " + "+".join(["grad(x)"] * 1200)], ["grad"]),
        (["def f(:", "gradient = 1\ndef f(x):\n    return gradient"], []),
    ],
)
def test_forbidden_names_are_found_in_what_the_answer_uses(sources, found):
    assert forbidden_in(sources, ["f"], ["grad", "jet"]) == found


def test_build_writes_the_standard_setup_cell(tmp_path):
    lab = write_lab(tmp_path)
    text = lab.path.read_text(encoding="utf-8").replace('import_module(\\"common.data\\")', 'import_module(\\"lain\\")')
    lab.path.write_text(text, encoding="utf-8")
    changed = read_lab(lab.path)
    assert any("sel persiapan" in problem for problem in problems_of(changed))
    assert problems_of(with_standard_setup(changed)) == []
    assert problems_of(read_lab(lab.path)) == []


def test_long_hints_are_folded_in_the_student_edition(tmp_path):
    lab = write_lab(tmp_path)
    hint = "hitung dahulu jumlahnya, " * 8 + "lalu bagi"
    lab.path.write_text(
        lab.path.read_text(encoding="utf-8").replace("kalikan x dengan dirinya", hint), encoding="utf-8"
    )
    source = next(cell.source for cell in student_edition(read_lab(lab.path)).cells if "Tugas kuadrat" in cell.source)
    assert max(map(len, source.split("\n"))) <= 88
    namespace = {}
    exec(source, namespace)
    with pytest.raises(NotImplementedError, match=f"^Tugas kuadrat: {hint}$"):
        namespace["square"](2)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("kumpulan/13520001_lab-2-mlp.ipynb", "13520001"),
        ("kumpulan/Siti Aminah_4481207_assignsubmission_file_13520001.ipynb", "13520001"),
        ("kumpulan/Siti Aminah_4481207_assignsubmission_file_/13520001 lab.ipynb", "13520001"),
        ("kumpulan/Siti Aminah_4481207_assignsubmission_file_/lab.ipynb", "lab"),
        ("kumpulan/13520001/lab.ipynb", "13520001"),
        ("kumpulan/lab.ipynb", "lab"),
    ],
)
def test_numbers_are_read_from_names_as_students_and_moodle_write_them(name, number):
    assert number_in_name(Path(name)) == number
