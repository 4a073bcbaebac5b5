"""Sphinx configuration of the site; `tools/site.py` prepares the pages and calls Sphinx."""

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # extensions of the site

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Deep Learning dengan JAX 101"
author = "Para penulis Deep Learning dengan JAX 101"
project_copyright = f"2026, {author}; teks CC BY 4.0, kode Apache-2.0"
release = PROJECT["version"]
language = "id"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    "situs_api",
    "situs_pencarian",
    "situs_istilah",
    "situs_rumus",
]
root_doc = "index"
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".rst": "restructuredtext"}

nb_execution_mode = "off"  # the outputs are those that are committed
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Tampilkan kode", "Sembunyikan kode"
myst_enable_extensions = ["amsmath", "dollarmath", "attrs_inline"]
myst_heading_anchors = 3
myst_links_external_new_tab = True
mathjax_path = "mathjax/tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}}
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "_static/ikon.svg"
html_context = {"default_mode": "auto"}
html_search_language = "id"
html_static_path = ["_static", "../gambar"]
html_css_files = ["kursus.css"]
html_js_files = [("kursus.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "repository_url": PROJECT["urls"]["Repository"],
    "use_repository_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],
    "article_header_end": ["theme-switcher.html", "search-button.html", "toggle-secondary-sidebar.html"],
    "search_as_you_type": False,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
