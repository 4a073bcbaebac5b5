"""The pages of the repository: links lead somewhere, pictures have words, commands exist, the spelling is right.

Lessons are held to the same by `tools.nb check`; here are the Markdown files, the labs, and anchors of all of them.
"""

import importlib.util
import re
import tomllib
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml

from tools.labs_source import lab_paths
from tools.nb_prose import links, plain_text
from tools.nb_schema import ROOT, lesson_paths
from tools.nb_spelling import forbidden_variants, unknown_words

PAGES = sorted(
    path
    for pattern in ("*.md", "[1-6]-*/*.md", "docs/*.md", "benchmarks/*.md", "common/data/files/*.md")
    for path in ROOT.glob(pattern)
)
NOTEBOOKS = [*lesson_paths(ROOT), *lab_paths(ROOT)]
ENGLISH = "## In English"  # what follows in the README is not Indonesian
UNSPELLED = ("LICENSES.md", "speed.md", "GLOSARIUM.md")  # English, generated, a table of words to avoid
GENERATED = re.compile(r"(?ms)^<!-- lessons:begin -->.*?^<!-- lessons:end -->")
TASK_NAMES = re.compile(r"(?m)^## Tugas .*$|^\*\*Jawaban .*$")
HEADING = re.compile(r"(?m)^#{1,6} +(.+?)\s*$")
FENCES = re.compile(r"(?ms)^```.*?^```")


@cache
def text_of(path):
    """Return the Markdown of a page or of a notebook."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")


def anchors_of(path):
    """Return the anchors that a code-hosting page makes from the headings."""
    headings = HEADING.findall(FENCES.sub("", text_of(path)))
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-") for heading in headings}


def named(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=named)
def test_links_lead_somewhere_and_pictures_have_words(path):
    for is_picture, label, target in links(text_of(path)):
        assert label.strip() or not is_picture, f"picture {target} without alternative text"
        if target.startswith(("https://", "mailto:")):
            continue
        assert not target.startswith(("http://", "/", "file:")), target
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists() and found.is_relative_to(ROOT), f"{target}: no such file"
        assert not anchor or anchor in anchors_of(found), f"{target}: no such heading"


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_commands_exist(path):
    text = text_of(path)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE)):
        assert re.search(rf"(?m)^{target}\b[^=\n]*:", makefile), f"make {target}"
    for module in set(re.findall(r"python -m ([a-z]\w*(?:\.\w+)*)", text)) - {"pip", "venv", "jupyterlab"}:
        assert importlib.util.find_spec(module), f"python -m {module}"


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_files_named_in_code_exist(path):
    if path.name in UNSPELLED:
        return
    for name in set(re.findall(r"`((?:common|tools|tests|benchmarks|docs)/[\w./-]+)`", text_of(path))):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", [*(path for path in PAGES if path.name not in UNSPELLED), *lab_paths(ROOT)], ids=named)
def test_spelling_and_terms(path):
    text = GENERATED.sub("", TASK_NAMES.sub("", text_of(path).partition(ENGLISH)[0]))
    text = plain_text(text, italics=False)
    problems = unknown_words(text)
    problems += [
        f"{variant!r}: write {term!r}"
        for variant, term in forbidden_variants()
        if re.search(rf"(?<![\w-]){re.escape(variant)}(?![\w-])", text, re.IGNORECASE)
    ]
    assert not problems


def test_citation_has_the_version_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project["version"]
    assert citation["repository-code"] == project["urls"]["Repository"]
    assert citation["repository-code"] in (ROOT / "README.md").read_text(encoding="utf-8").split("bibtex")[1]


def test_installation_without_make_is_that_of_the_makefile():
    makefile, readme = (Path(ROOT, name).read_text(encoding="utf-8") for name in ("Makefile", "README.md"))
    assert "-r requirements.txt" in makefile and "--no-deps --no-build-isolation --editable ." in makefile
    for way in ("pip install", "uv pip install", r"Scripts\python -m pip install"):
        assert f"{way} -r requirements.txt" in readme and f"{way} --no-deps -e ." in readme
