"""The files of the site: links, weight, what is there and what must not be."""

from functools import cache
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup

from tools.labs_source import lab_paths
from tools.nb_schema import ROOT, lesson_paths
from tools.site import HTML

PAGES = sorted(path for path in HTML.rglob("*.html") if "_static" not in path.parts)
LARGEST = 1.5e6  # bytes of a page with its pictures and sounds; shared scripts, styles and fonts not counted
ABSENT = ("http://", "https://", "mailto:", "data:", "javascript:")


@cache
def parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(path):
    return {element["id"] for element in parsed(path).find_all(id=True)}


def targets(path):
    """Yield (address, file, anchor) of everything in the page that points into the site."""
    for element in parsed(path).find_all(["a", "img", "script", "link", "audio", "source"]):
        address = element.get("href") or element.get("src") or ""
        if not address or address.startswith(ABSENT):
            continue
        file, _, anchor = address.partition("#")
        file = unquote(file.partition("?")[0])
        yield address, (path.parent / file).resolve() if file else path, unquote(anchor)


def test_every_lesson_and_lab_has_a_page_and_a_notebook_to_fetch():
    assert PAGES, "bangun dahulu: make site"
    for path in lesson_paths(ROOT):
        page = HTML / path.relative_to(ROOT)
        assert page.read_bytes() == path.read_bytes() and page.with_suffix(".html").is_file()
    for path in lab_paths(ROOT):
        page = HTML / path.relative_to(ROOT).parent / path.name.replace("-solution", "")
        assert page.is_file() and page.with_suffix(".html").is_file()


def test_no_solution_is_on_the_site():
    assert not list(HTML.rglob("*solution*"))
    for path in (HTML / "2-mlp/lab").glob("*.html"):
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(HTML).as_posix())
def test_links_and_anchors_resolve(path):
    for address, file, anchor in targets(path):
        assert file.exists() and file.is_relative_to(HTML.resolve()), address
        assert not anchor or file.suffix != ".html" or anchor in anchors(file), address


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(HTML).as_posix())
def test_pages_are_light(path):
    files = {file for _, file, _ in targets(path) if "_images" in file.parts or "_downloads" in file.parts}
    assert path.stat().st_size + sum(file.stat().st_size for file in files) <= LARGEST


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(HTML).as_posix())
def test_nothing_is_asked_from_elsewhere(path):
    for element in parsed(path).find_all(["img", "script", "link", "audio", "source", "iframe"]):
        address = element.get("src") or (element.get("href") if "canonical" not in element.get("rel", ()) else "") or ""
        assert not address.startswith(("http:", "https:", "//")), address


def test_pictures_of_lessons_have_words():
    for path in lesson_paths(ROOT):
        for image in parsed(HTML / path.relative_to(ROOT).with_suffix(".html")).find_all("img"):
            assert image["alt"] and not image["alt"].endswith(".png"), path


def test_buttons_point_at_the_notebook():
    for path in lesson_paths(ROOT):
        name = path.relative_to(ROOT).as_posix()
        links = [link["href"] for link in parsed((HTML / name).with_suffix(".html")).select(".tombol-notebook a")]
        assert len(links) == 3 and all(link.endswith(name) for link in links[:2]) and links[2] == path.name


def test_glossary_terms_are_linked_with_their_english_name():
    page = parsed(HTML / "2-mlp/05-image-classification.html")
    links = page.select("a.istilah")
    assert len(links) > 10 and all(link["title"].startswith("Inggris: ") for link in links)
    words = [link.text for link in links]
    assert len(words) == len(set(words))
