"""`mutate`: every kind of small bug is made, noticed where the lesson checks, and reported where it does not."""

import pytest
from data_nb.lesson import make_root, tiny_lesson
from nbformat.v4 import new_code_cell, new_markdown_cell

from tools.nb import main
from tools.nb_mutants import mutants
from tools.nb_mutate import mutate_lesson
from tools.nb_schema import LessonError


def changes(source):
    """Return the mutants of `source` as {"before -> after"}."""
    return {f"{mutant.before} -> {mutant.after}" for mutant in mutants(source)}


def lesson(tmp_path, scratch, check):
    """Write a notebook with one scratch cell and one checking cell."""
    notebook = tiny_lesson("import numpy as np")
    notebook.cells += [
        new_markdown_cell("## Dari nol"),
        new_code_cell(scratch),
        new_markdown_cell("## Cek"),
        new_code_cell(check),
    ]
    return make_root(tmp_path, notebook)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("y = a + b", "a + b -> a - b"),
        ("y = a * b", "a * b -> a / b"),
        ("y -= b", "y -= b -> y += b"),
        ("y = f(-a)", "-a -> a"),
        ("y = x.sum(axis=0)", "axis=0 -> axis=1"),
        ("y = x.sum(axis=-1)", "axis=-1 -> axis=0"),
        ("y = x.sum(axis=0)", "x.sum -> x.mean"),
        ("y = f(x, 3)", "3 -> 4"),
        ("y = f(x, 0.5)", "0.5 -> 1.5"),
        ("y = f(x, keepdims=True)", "True -> False"),
        ("y = a < b", "a < b -> a > b"),
        ("y = x.T", "x.T -> x"),
        ("y = jnp.maximum(x, z)", "jnp.maximum -> jnp.minimum"),
        ("y = max(x, z)", "max -> min"),
        ("y = jnp.exp(x)", "jnp.exp -> jnp.expm1"),
    ],
)
def test_each_kind_of_change(source, expected):
    assert expected in changes(source)


@pytest.mark.parametrize(
    "source",
    [
        "EPOCHS = 20\nUKURAN = (3, -4)",
        "plt.plot(x, y + 1)",
        "fig, axes = plt.subplots(1, 2)",
        "axes[0].set_title('a' + b)",
        "print(x + 1, f'{y * 2}')",
        "assert x + 1 == 2",
        "np.testing.assert_allclose(x, y, atol=1e-5)",
        "key = jax.random.key(1)",
        "x = jax.random.normal(key, (3, 4))",
        "def f(x):\n    'Teks 1.'\n    return x",
        "y = a + b  # boleh diganti: jumlah tidak diuji",
        "judul = 'a' + b",
        "pasangan = zip(x, y, strict=True)",
    ],
)
def test_left_alone(source):
    assert changes(source) == set()


def test_exemption_needs_a_reason():
    assert changes("y = a + b  # boleh diganti:") == {"a + b -> a - b"}


def test_noticed_bugs_and_a_survivor(tmp_path, capsys):
    _, path = lesson(tmp_path, "def f(x):\n    lolos = x * 3\n    return x + x", "assert f(2) == 4")
    assert mutate_lesson(path, list_only=False) == 1
    out = capsys.readouterr().out
    assert "LOLOS sel 6 baris 2: x * 3  ->  x / 3" in out
    assert "LOLOS sel 6 baris 2: 3  ->  4" in out
    assert "x + x" not in out
    assert "3 perubahan, 1 ketahuan (AssertionError 1), 2 lolos" in out


def test_all_noticed_also_when_state_changes_in_place(tmp_path, capsys):
    scratch = (
        "jejak = []\nnp_jejak = np.array([0])\ndef f(x):\n    jejak.append(x)\n    np_jejak[0] += x\n    return x - 1"
    )
    check = "f(3)\nassert jejak == [3] and np_jejak[0] == 3 and f(1) == 0"
    _, path = lesson(tmp_path, scratch, check)
    mutate_lesson(path, list_only=False)
    out = capsys.readouterr().out
    assert "0 lolos" in out


def test_endless_mutant_is_stopped(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tools.nb_mutate.LEAST_SECONDS", 0.5)
    _, path = lesson(tmp_path, "n = np.int64(4)\nwhile n > 1:\n    n = n - 1", "assert n == 1")
    mutate_lesson(path, list_only=False)
    assert "waktu habis" in capsys.readouterr().out


def test_lesson_that_fails_by_itself_is_refused(tmp_path):
    _, path = lesson(tmp_path, "y = 1 - x", "assert True")
    with pytest.raises(LessonError, match="sel 6: NameError"):
        mutate_lesson(path, list_only=False)


def test_list_executes_nothing(tmp_path, capsys):
    root, path = lesson(tmp_path, "y = 1 - x", "")
    assert main(["mutate", str(path), "--list"], root) == 0
    out = capsys.readouterr().out
    assert "sel 6 baris 1: 1 - x  ->  1 + x" in out
    assert "2 perubahan" in out
