"""The site in Chromium: no request leaves it, search knows Indonesian, formulas, sound, map and film work."""

import pytest

from tools.nb_schema import ROOT, lesson_paths
from tools.site import FOLDER

SAMPLES = (
    "index.html",
    "1-maths/05-linear-transformations.html",
    "3-convnet/02-conv1d-audio.html",
    "6-transformer/02-mini-gpt.html",
    "glosarium.html",
)
AXE = ROOT / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"  # `make site-test` fetches it
PHONE = 390  # CSS pixels
FOUND = "document.querySelector('#search-results a[href*=\"3-convnet/07-training-at-speed\"]')"


def wait_for(browser, script, seconds=20):
    """Wait until JavaScript returns something true, and return it."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser.driver, seconds).until(lambda _: browser.run(script))


def set_theme(browser, theme):
    browser.run("localStorage.setItem('mode', arguments[0]); localStorage.setItem('theme', arguments[0])", theme)


@pytest.mark.parametrize("page", [*SAMPLES, "api/common.training.html", "kecepatan.html", "2-mlp/lab/lab-2-mlp.html"])
def test_no_request_leaves_and_no_error_is_logged(browser, site, page):
    browser.requests(), browser.errors()
    browser.open(f"{site}/{page}")
    asked = [address for address in browser.requests() if not address.startswith(("data:", "blob:"))]
    assert asked and all(address.startswith(site) for address in asked), asked
    assert browser.errors() == []


def test_search_knows_that_melatih_and_pelatihan_are_one_word(browser, site):
    browser.open(f"{site}/search.html?q=melatih")
    assert wait_for(browser, f"return {FOUND} !== null"), "a lesson called Pelatihan yang cepat"


@pytest.mark.parametrize("path", lesson_paths(ROOT), ids=lambda path: path.stem)
def test_formulas_are_pictures_of_the_page_itself(browser, served, path):
    browser.open(f"{served}/{path.parent.name}/{path.stem}.html")
    assert browser.run("return document.querySelectorAll('mjx-container svg path').length") > 10
    assert browser.run("return document.querySelectorAll('mjx-merror, [data-mjx-error]').length") == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", SAMPLES)
def test_a_phone_needs_no_sideways_scrolling(browser, served, page, theme):
    browser.resize(PHONE)
    browser.open(f"{served}/index.html")
    set_theme(browser, theme)
    browser.open(f"{served}/{page}")
    assert browser.run("return document.documentElement.dataset.theme") == theme
    assert browser.run("return document.documentElement.scrollWidth") <= PHONE
    picture = FOLDER / "gambar" / f"{page.replace('/', '-')}-{theme}.png"
    picture.parent.mkdir(exist_ok=True)
    browser.driver.save_screenshot(str(picture))
    set_theme(browser, "light")
    browser.resize(1280)


def test_sound_plays(browser, site):
    browser.open(f"{site}/3-convnet/02-conv1d-audio.html")
    browser.run("document.querySelector('audio').play()")
    assert wait_for(browser, "return document.querySelector('audio').currentTime > 0.05")


def test_map_lights_prerequisites_and_opens_lessons(browser, site):
    browser.open(f"{site}/index.html")
    browser.run("document.querySelector('[data-pelajaran=\"2-mlp/03-mlp-pure-jax\"]').focus()")
    lit = browser.run("return [...document.querySelectorAll('.peta a.perlu')].map(a => a.dataset.pelajaran)")
    assert "2-mlp/02-logistic-regression" in lit and "3-convnet/03-conv2d" not in lit
    browser.run(
        "document.querySelector('[data-pelajaran=\"2-mlp/03-mlp-pure-jax\"]')"
        ".dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    wait_for(browser, "return location.pathname.endsWith('/2-mlp/03-mlp-pure-jax.html')")
    assert "MLP" in browser.driver.title


def test_the_film_moves_and_can_be_stopped(browser, site):
    browser.open(f"{site}/index.html")
    state = "return getComputedStyle(document.querySelector('.pita')).animationPlayState"
    assert browser.run(state) == "running"
    browser.run("document.querySelector('.film button').click()")
    assert browser.run(state) == "paused"
    assert browser.run("return document.querySelector('.film button').getAttribute('aria-pressed')") == "true"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index.html", "2-mlp/05-image-classification.html", "glosarium.html"])
def test_axe_finds_nothing_serious(browser, served, page, theme):
    browser.open(f"{served}/index.html")
    set_theme(browser, theme)
    browser.open(f"{served}/{page}")
    browser.run(AXE.read_text(encoding="utf-8"))
    found = browser.driver.execute_async_script("axe.run().then(arguments[0])")
    bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert not bad, [(one["id"], one["nodes"][0]["html"][:120], len(one["nodes"])) for one in bad]
    set_theme(browser, "light")
