"""Write the pages of the site that are no notebooks: front page, chapters, glossary, guide, speed, API."""

import shutil

from tools.nb_schema import ROOT
from tools.nb_spelling import glossary_rows
from tools.nb_table import BETWEEN, lesson_table
from tools.site_map import prerequisite_map
from tools.site_notebooks import local_links

START = "1-maths/01-arrays"
FILM_WORDS = "Sepuluh petak derau perlahan menjadi angka 0 sampai 9, dibuat oleh model difusi kursus ini"
FRONT = """\
---
html_theme.sidebar_secondary.remove: true
---
# Deep Learning dengan JAX 101

{pitch}

<div class="film"><div class="pita" role="img" aria-label="{film_words}"></div>
<button type="button" class="tombol" aria-pressed="false">Hentikan gambar</button></div>

*Model difusi dari [pelajaran 5.06](5-generative/06-diffusion.ipynb) mengubah derau menjadi angka yang diminta.
Sekali undi, tanpa dipilih.*

<p><a class="tombol utama" href="{start}.html">Mulai di sini</a>
<a class="tombol" href="pengajar.html">Untuk pengajar</a></p>

## Peta pelajaran

Anak panah menunjuk dari prasyarat ke pelajaran yang memerlukannya. Arahkan penunjuk ke sebuah kotak untuk melihat
apa yang perlu dibaca lebih dahulu; klik untuk membukanya.

<div class="bingkai-peta" tabindex="0" role="region" aria-label="Peta pelajaran, dapat digeser">
{map}
</div>

## Yang Anda buat, dan hasilnya

Setiap bilangan berasal dari keluaran notebook yang tersimpan. Setiap kali kursus ini diuji, bilangan itu
dihitung ulang dan harus sama dalam toleransinya.

{table}

## Isi

{toctrees}
"""
TOCTREE = """\
```{{toctree}}
:maxdepth: 1
:caption: {caption}
{options}
{entries}
```
"""
GLOSSARY = """\
# Glosarium

Satu istilah untuk satu konsep, dengan padanan Inggrisnya.

| Istilah | Inggris |
|---|---|
{rows}
"""
API = """\
# API `common`

Keterangan dalam bahasa Inggris, dari *docstring* kodenya; setiap nama bertautan ke sumbernya.

"""


def write_pages(source, *, lessons, labs, repository):
    """Write all pages.

    Args:
        source: Path of the folder that Sphinx reads.
        lessons, labs: Paths of notebooks in the repository.
        repository: `Repository`.
    """
    chapters = sorted({path.parent for path in lessons})
    for chapter in chapters:
        own = [path for path in lessons if path.parent == chapter]
        lab = [path for path in labs if path.parents[1] == chapter]
        page = _chapter(chapter, own, lab, repository)
        (source / chapter.name / "index.md").write_text(page, encoding="utf-8")
    (source / "index.md").write_text(_front(lessons, chapters, repository), encoding="utf-8")
    (source / "glosarium.md").write_text(_glossary(), encoding="utf-8")
    guide = (ROOT / "docs" / "pengajar.md").read_text(encoding="utf-8")
    guide = guide.replace("](../README.md)", "](index.md)")
    (source / "pengajar.md").write_text(guide, encoding="utf-8")
    speed = (ROOT / "benchmarks" / "speed.md").read_text(encoding="utf-8")
    (source / "kecepatan.md").write_text(speed, encoding="utf-8")
    shutil.copy(ROOT / "benchmarks" / "speed.png", source)
    _write_api(source / "api")


def site_table(paths, folder, repository):
    """Return the table of lessons without the column of badges."""
    rows = lesson_table(paths, folder, root=ROOT, repository=repository).split("\n")
    kept = [row.rstrip(" |").rpartition(" | ")[0] + " |" for row in rows]
    kept[1] = "|---|---|---|---|"
    return "\n".join(kept)


def _front(lessons, chapters, repository):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pitch = next(part for part in readme.split("\n\n") if part.startswith("Kursus "))
    trees = [
        TOCTREE.format(caption="Bab", options="", entries="\n".join(f"{chapter.name}/index" for chapter in chapters)),
        TOCTREE.format(caption="Pegangan", options="", entries="glosarium\npengajar\nkecepatan\napi/index"),
    ]
    return FRONT.format(
        pitch=pitch,
        film_words=FILM_WORDS,
        start=START,
        map=prerequisite_map(lessons),
        table=site_table(lessons, ROOT, repository),
        toctrees="\n".join(trees),
    )


def _chapter(chapter, lessons, labs, repository):
    text = (chapter / "README.md").read_text(encoding="utf-8")
    text = BETWEEN.sub(lambda _: site_table(lessons, chapter, repository), text)
    entries = [path.stem for path in lessons] + [f"lab/{path.stem}" for path in labs]
    tree = TOCTREE.format(caption=chapter.name, options=":hidden:", entries="\n".join(entries))
    return f"{local_links(text)}\n\n{tree}"


def _glossary():
    from situs_istilah import anchor_of  # beside conf.py

    rows = "\n".join(
        f'| <span id="{anchor_of(term)}">{term}</span> | {english} |' for term, english, _ in glossary_rows()
    )
    return GLOSSARY.format(rows=rows)


def _write_api(folder):
    folder.mkdir(parents=True)
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "common").rglob("*.py")
        if path.name != "__main__.py"
    )
    for module in modules:
        block = f"```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n   :ignore-module-all:\n```\n"
        (folder / f"{module}.md").write_text(f"# {module}\n\n{block}", encoding="utf-8")
    tree = TOCTREE.format(caption="Modul", options="", entries="\n".join(modules))
    (folder / "index.md").write_text(API + tree, encoding="utf-8")
