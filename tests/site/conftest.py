"""Chromium with its network log, and the site served on the loopback address or opened from the folder."""

import functools
import http.server
import json
import shutil
import threading

import pytest

from tools.site import HTML

webdriver = pytest.importorskip("selenium.webdriver", reason="make site-test installs selenium")


class Browser:
    """Drive one Chromium and collect what it asked for and what it complained about.

    Attributes:
        driver: Selenium's.
    """

    def __init__(self, driver):
        self.driver = driver

    def open(self, address):
        """Open a page and wait until its formulas are typeset."""
        self.driver.get(address)
        self.driver.execute_async_script(
            "const done = arguments[0], typeset = window.MathJax?.startup?.promise;"
            "typeset ? typeset.then(() => done()) : done()"
        )

    def requests(self):
        """Return the addresses asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def errors(self):
        """Return the errors on the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def resize(self, width, height=900):
        """Give the page a width in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def run(self, script, *arguments):
        """Run JavaScript and return its value."""
        return self.driver.execute_script(script, *arguments)


@pytest.fixture(scope="session")
def browser():
    driver_path, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if not (driver_path and chromium):
        pytest.fail("Chromium belum terpasang; di Debian: sudo apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{flag}")
    options.add_argument("--autoplay-policy=no-user-gesture-required")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_path))
    driver.set_script_timeout(60)
    yield Browser(driver)
    driver.quit()


@pytest.fixture(scope="session")
def served():
    """Address of the site on a server of this process."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=HTML)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=["served", "folder"])
def site(request):
    """Address of the site, without the last slash: once served, once opened from the folder."""
    return request.getfixturevalue("served") if request.param == "served" else HTML.as_uri()
