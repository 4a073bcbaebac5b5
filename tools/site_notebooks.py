"""Prepare a notebook for the site: buttons instead of the badge, links that stay on the site."""

import ast
import copy
import html
import re

import nbformat

from tools.nb_format import BADGE
from tools.nb_schema import ROOT, is_setup_cell, read_notebook
from tools.nb_sections import section_of

KAGGLE = "https://kaggle.com/kernels/welcome?src="
WORDS = {"title": "judul", "suptitle": "judul", "xlabel": "sumbu datar", "ylabel": "sumbu tegak", "label": "untuk"}
COLAB = "https://colab.research.google.com/github"


def write_notebook(path, target, *, repository):
    """Write the notebook of the site.

    Args:
        path: Path of a lesson or of the student edition of a lab.
        target: Path to write.
        repository: `Repository` that the buttons point to.
    """
    notebook = copy.deepcopy(read_notebook(path))
    name = path.relative_to(ROOT).as_posix()
    head = notebook.cells[0]
    head.source = BADGE.sub(lambda _: buttons(name, repository), head.source, count=1)
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            cell.source = local_links(cell.source)
        elif is_setup_cell(cell):
            cell.metadata.setdefault("tags", []).append("hide-input")
        elif any("image/" in kind for output in cell.get("outputs", ()) for kind in output.get("data", {})):
            words = figure_words(cell.source, section_of(notebook, number))
            cell.metadata["mystnb"] = {"image": {"alt": words}}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(nbformat.v4.writes(notebook), encoding="utf-8")


def buttons(name, repository):
    """Return the HTML of the buttons that open or fetch a notebook.

    Args:
        name: path of the notebook in the repository.
        repository: `Repository`.
    """
    blob = f"{repository.slug}/blob/main/{name}"
    targets = {
        "Buka di Colab": f"{COLAB}/{blob}",
        "Buka di Kaggle": f"{KAGGLE}https://github.com/{blob}",
        "Unduh notebook": name.rpartition("/")[2],
    }
    links = [
        f'<a class="tombol" href="{html.escape(address)}"{"" if "://" in address else " download"}>{label}</a>'
        for label, address in targets.items()
    ]
    return f'<div class="tombol-notebook">{"".join(links)}</div>'


def figure_words(source, section):
    """Describe the figure of a cell to who cannot see it, by the words that its code writes into it.

    Args:
        source: code of the cell.
        section: of the lesson.

    Returns:
        One line, for instance "Gambar di bagian Intuisi; judul: masukan; sumbu datar: kolom (piksel)".
    """
    found = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        name = getattr(node.func, "attr", "").removeprefix("set_")
        if name in WORDS and node.args:
            named[name] = node.args[0]
        for key, value in named.items():
            if key in WORDS and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.setdefault(WORDS[key], {})[value.value.replace("$", "").replace("\n", " ")] = True
    parts = [f"{kind}: {', '.join(words)}" for kind, words in found.items()]
    return "; ".join([f"Gambar di bagian {section}", *parts])


def local_links(text):
    """Point links to a chapter's README to the page of the chapter on the site, and others of the repository there."""
    text = re.sub(r"\]\(((?:\.\./)*(?:[1-6]-\w+/)?)README\.md((?:#[^)]*)?)\)", r"](\1index.md\2)", text)
    text = re.sub(r"\]\(((?:\.\./)+)docs/pengajar\.md((?:#[^)]*)?)\)", r"](\1pengajar.md\2)", text)
    text = re.sub(r"\]\(((?:\.\./)*)GLOSARIUM\.md((?:#[^)]*)?)\)", r"](\1glosarium.md\2)", text)
    return re.sub(r"\]\(((?:\.\./)*)benchmarks/speed\.md((?:#[^)]*)?)\)", r"](\1kecepatan.md\2)", text)
