"""`check`: one lesson passes everything; each way of breaking it is refused with its own message."""

import json

import nbformat
import numpy as np
import pytest
from data_nb.lesson import NAME, finish, good_lesson, make_root, picture
from IPython.display import Audio
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools.nb import main
from tools.nb_check import lesson_problems
from tools.nb_schema import read_notebook, read_repository


@pytest.fixture
def repository(tmp_path):
    """Return (root, path) of a repository with one good lesson."""
    return make_root(tmp_path, good_lesson())


def problems_after(repository, change):
    """Apply `change` to the good lesson, format it again, and list its problems."""
    root, path = repository
    notebook = read_notebook(path)
    change(notebook)
    finish(notebook, path, root=root)
    return "\n".join(lesson_problems(path, root=root, repository=read_repository(root)))


def cell_with(notebook, text):
    """Find the first cell whose source contains `text`."""
    return next(cell for cell in notebook.cells if text in cell.source)


def replace(old, new):
    """Make a change that replaces text in the first cell that has it."""

    def change(notebook):
        cell = cell_with(notebook, old)
        cell.source = cell.source.replace(old, new)

    return change


def add_text(text):
    """Make a change that adds a paragraph under "Intuisi"."""
    return replace("## Intuisi\n", f"## Intuisi\n\n{text}\n")


def add_output(output):
    """Make a change that adds an output to the first plotting cell."""
    return lambda notebook: cell_with(notebook, "plt.plot").outputs.append(output)


def set_metadata(name, value):
    """Make a change of one field of the lesson's metadata."""
    return lambda notebook: notebook.metadata["lesson"].__setitem__(name, nbformat.from_dict(value))


def stream(name, text):
    """Make a stream output."""
    return new_output("stream", name=name, text=text)


def display(kind, value):
    """Make a display output of one MIME type."""
    return new_output("display_data", {kind: value})


def drop_figures(notebook):
    """Leave no picture in any output."""
    for cell in notebook.cells[4:-2]:
        if cell.cell_type == "code":
            cell.outputs = []


def swap_sections(notebook):
    """Let "Dari nol" come before "Matematika"."""
    replace("## Matematika", "## Sementara")(notebook)
    replace("## Dari nol: dua lapisan", "## Matematika")(notebook)
    replace("## Sementara", "## Dari nol: dua lapisan")(notebook)


def unbox(notebook):
    """Lose the opening of one summary."""
    cell = cell_with(notebook, "## Latihan")
    cell.source = cell.source.replace("<summary>", "", 1)


def two_setups(notebook):
    """Add an old copy of the setup cell."""
    notebook.cells.insert(10, new_code_cell("import os\n# COLAB_RELEASE_TAG"))


def attach(notebook):
    """Attach a picture to a Markdown cell, as editors do on pasting."""
    cell_with(notebook, "## Intuisi").attachments = {"a.png": {"image/png": picture()}}


BROKEN = {
    "no section": (replace("## Klinik bug", "### Klinik bug"), "bagian '## Klinik bug' tidak ada"),
    "near section": (replace("## Latihan", "## Latihanku"), "bagian '## Latihanku' tidak dikenal"),
    "order": (swap_sections, "urutan bagian salah"),
    "twice": (replace("## Klinik bug", "## Cek lagi"), "bagian muncul dua kali: Cek"),
    "no guess": (replace("**Tebak dulu.**", "Tebak dulu."), "Tebak dulu"),
    "hints": (replace("## Latihan", "## Latihan\n<details><summary>a</summary></details>"), "'Latihan': 4 diharapkan"),
    "quiz": (lambda n: setattr(cell_with(n, "## Kuis konsep"), "source", "## Kuis konsep"), "5-6 diharapkan"),
    "unbalanced": (unbox, "tidak berpasangan di bagian 'Latihan'"),
    "few cells": (lambda n: n.cells.__delitem__(slice(7, 19)), "sel: 35-55 diharapkan"),
    "many words": (add_text("Bobot kecil. " * 700), "kata prosa di luar kuis dan petunjuk: 1200-2200 diharapkan"),
    "long cell": (replace("plt.plot", "\n".join(["a = 1"] * 20) + "\nplt.plot"), "paling banyak 20 pernyataan"),
    "empty cell": (lambda n: n.cells.insert(9, new_code_cell("")), "sel kode kosong"),
    "syntax": (replace("plt.plot([0, 1]);", "plt.plot("), "kode tidak dapat diurai"),
    "stale name": (replace("plt.plot", "k = jax.random.PRNGKey(0)\nplt.plot"), "pakai jax.random.key"),
    "magic": (replace("plt.plot", "%matplotlib inline\nplt.plot"), "bukan perintah IPython"),
    "exception tag": (
        lambda n: cell_with(n, "plt.plot").metadata.update(tags=["raises-exception"]),
        "tag raises-exception",
    ),
    "silent try": (
        replace(
            "EPOCHS = 3",
            "EPOCHS = 3\nfor _ in range(1):\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        pass",
        ),
        "try tanpa else",
    ),
    "error output": (add_output(new_output("error", ename="ValueError", evalue="", traceback=[])), "galat ValueError"),
    "html": (add_output(display("text/html", "<b>x</b>")), "keluaran text/html tidak boleh"),
    "svg": (add_output(display("image/svg+xml", "<svg/>")), "keluaran image/svg+xml tidak boleh"),
    "figures": (drop_figures, "paling sedikit 4 gambar diharapkan, ternyata 0"),
    "size": (add_output(display("image/png", "A" * 400_000)), "paling besar 400 kB"),
    "path in output": (add_output(stream("stdout", "/home/ani/data.npz")), "keluaran memuat jalur mesin '/home/'"),
    "path in source": (replace("EPOCHS = 3", 'F = "/tmp/a"'), "sumber memuat jalur mesin '/tmp/'"),
    "timestamp": (add_output(stream("stdout", "2026-01-05 10:11")), "keluaran memuat waktu '2026-01-05 10:11'"),
    "object": (add_output(stream("stdout", "<f at 0x7f00deadbeef>")), "alamat objek"),
    "stderr": (add_output(stream("stderr", "UserWarning: x\n")), "stderr hanya boleh satu bilah kemajuan"),
    "attachment": (attach, "gambar lampiran"),
    "dead link": (add_text("Lihat [ini](99-hilang.ipynb)."), "tautan '99-hilang.ipynb': berkas tidak ada"),
    "absolute link": (add_text("Lihat [ini](/a/b.ipynb)."), "https atau jalur relatif diharapkan"),
    "no alt": (add_text("![](https://contoh.id/a.png)"), "tanpa teks alternatif"),
    "local picture": (add_text("![bobot](a.png)"), "tidak tampil di Colab"),
    "second title": (add_text("\n# Judul"), "judul '# …' hanya di sel pertama"),
    "raw cell": (lambda n: n.cells.insert(5, nbformat.v4.new_raw_cell("x")), "sel raw tidak dipakai"),
    "spelling": (add_text("Bobot dilatig lagi."), "ejaan: 'dilatig'"),
    "variant": (add_text("Jaringan syaraf itu kecil."), "istilah: jangan 'jaringan syaraf', tulis 'jaringan saraf'"),
    "two setups": (two_setups, "tepat satu sel persiapan diharapkan"),
    "late setup": (lambda n: n.cells.insert(1, new_code_cell("A = 1")), "tepat satu sel persiapan diharapkan"),
    "no title": (lambda n: n.cells.insert(0, new_markdown_cell("halo")), "sel pertama harus Markdown"),
    "level": (set_metadata("level", "mudah"), "metadata lesson.level: dasar, menengah, lanjut diharapkan"),
    "head": (set_metadata("minutes", 50), "harus menyebut 'sekitar 50 menit'"),
    "minutes": (set_metadata("minutes", "45"), "metadata lesson.minutes: int diharapkan, ternyata '45'"),
    "no budget": (set_metadata("seconds", 0), "bilangan positif diharapkan"),
    "unknown field": (set_metadata("author", "x"), "metadata lesson.author: tidak dikenal"),
    "prerequisite": (set_metadata("prerequisites", ["1-maths/99-x"]), "1-maths/99-x.ipynb tidak ada"),
    "no bound": (set_metadata("results", {"a": {"label": "a", "tolerance": 1}}), "tepat satu dari at_least"),
    "result name": (
        set_metadata("results", {"b": {"label": "b", "at_most": 1.0, "tolerance": 0.1}}),
        "hasil ['b'] diharapkan, sel terakhir memberi ['akurasi_uji']",
    ),
    "result value": (
        lambda n: n.cells[-1].outputs[0].data.update({"text/plain": "{'akurasi_uji': 0.9}"}),
        "hasil akurasi_uji: tersimpan 0.874, keluaran 0.9",
    ),
    "no literal": (
        lambda n: n.cells[-1].outputs[0].data.update({"text/plain": "{'akurasi_uji': np.float64(0.9)}"}),
        "bungkus setiap nilai dengan float()",
    ),
    "bound": (
        lambda n: n.metadata["lesson"]["results"]["akurasi_uji"].update(at_least=0.875),
        "hasil akurasi_uji: >= 0,875 diharapkan, ternyata 0,874",
    ),
}


def test_good_lesson_has_no_problem(repository, capsys):
    root, _ = repository
    assert main(["check"], root) == 0
    assert "1 pelajaran, 0 masalah" in capsys.readouterr().out


@pytest.mark.parametrize("name", BROKEN)
def test_broken_lesson_is_refused(repository, name):
    change, message = BROKEN[name]
    assert message in problems_after(repository, change)


def test_problem_names_file_and_cell(repository):
    found = problems_after(repository, add_text("Bobot dilatig."))
    assert found.startswith(f"{NAME}: sel 6: ejaan")


def test_progress_bar_and_exempt_line_pass(repository):
    bar = "Latih: 100%|██████████| 10/10 [00:05<00:00,  1.90it/s]\n"
    assert problems_after(repository, add_output(stream("stderr", bar))) == ""
    root, path = repository
    notebook = read_notebook(path)
    notebook.cells[6].source = "jax.random.PRNGKey(0)  # bebas periksa: kunci lama diperlihatkan"
    finish(notebook, path, root=root)
    found = lesson_problems(path, root=root, repository=read_repository(root))
    assert not [line for line in found if "usang" in line]


def test_sound_passes_and_no_other_html_rides_along(repository):
    html = Audio(np.sin(np.arange(800)), rate=8000)._repr_html_()
    assert problems_after(repository, add_output(display("text/html", html))) == ""
    found = problems_after(repository, add_output(display("text/html", html + "<script>1</script>")))
    assert "keluaran text/html tidak boleh" in found


def test_changed_code_is_stale(repository):
    root, path = repository
    path.write_text(path.read_text().replace("EPOCHS = 3", "EPOCHS = 4"))
    found = lesson_problems(path, root=root, repository=read_repository(root))
    assert [line for line in found if "kode berubah sejak keluaran disimpan" in line]
    assert [line for line in found if "kode berubah sejak seed dicoba" in line]


def test_unexecuted_cell_is_found(repository):
    root, path = repository
    text = json.loads(path.read_text())
    text["cells"][6]["execution_count"] = None
    text["cells"][6]["outputs"] = []
    path.write_text(json.dumps(text))
    found = "\n".join(lesson_problems(path, root=root, repository=read_repository(root)))
    assert "belum dijalankan berurutan" in found
    assert "belum dalam bentuk baku" in found


def test_setup_cell_and_badge_must_be_current(repository):
    root, path = repository
    project = root / "pyproject.toml"
    project.write_text(project.read_text().replace("ghif/dl-jax101", "kampus/kursus"))
    found = "\n".join(lesson_problems(path, root=root, repository=read_repository(root)))
    assert "sel persiapan berbeda dari bakunya" in found
    assert "lencana Colab tidak ada atau salah" in found


def test_not_a_notebook(repository, capsys):
    root, path = repository
    path.write_text("halo")
    assert main(["check", NAME], root) == 1
    assert "bukan notebook Jupyter" in capsys.readouterr().out


def test_seeds_are_required_and_must_keep_the_bound(repository):
    root, path = repository
    seeds = root / "benchmarks/seeds.json"
    entry = json.loads(seeds.read_text())
    entry[NAME]["results"]["akurasi_uji"] = [0.874, 0.85, 0.88]
    seeds.write_text(json.dumps(entry))
    found = "\n".join(lesson_problems(path, root=root, repository=read_repository(root)))
    assert ">= 0,86 di setiap seed diharapkan, ternyata 0,874; 0,85; 0,88" in found
    entry[NAME]["results"]["akurasi_uji"] = [0.874]
    seeds.write_text(json.dumps(entry))
    assert "3 seed diharapkan, ternyata 1" in "\n".join(
        lesson_problems(path, root=root, repository=read_repository(root))
    )
    entry[NAME]["seconds"] = [131, 132, 140]
    seeds.write_text(json.dumps(entry))
    assert "lesson.minutes: 3 diharapkan (median 132 detik), ternyata 45" in "\n".join(
        lesson_problems(path, root=root, repository=read_repository(root))
    )
    seeds.unlink()
    assert "belum ada di benchmarks/seeds.json" in "\n".join(
        lesson_problems(path, root=root, repository=read_repository(root))
    )


def test_widget_state_and_invalid_structure_are_found(repository):
    root, path = repository
    text = json.loads(path.read_text())
    text["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
    path.write_text(json.dumps(text))
    found = "\n".join(lesson_problems(path, root=root, repository=read_repository(root)))
    assert "keadaan widget tersimpan" in found
    del text["cells"][6]["outputs"]
    path.write_text(json.dumps(text))
    found = lesson_problems(path, root=root, repository=read_repository(root))
    assert len(found) == 1
    assert "bukan nbformat 4.5 yang sah" in found[0]
