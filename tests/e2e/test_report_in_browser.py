"""The report in a real browser: what a person sees, what the page asks of the network, what runs in it."""

import html
import json
import os
import re
import shutil
import subprocess

import pytest

from distrnn.evaluation.report import render
from fixtures_report import HOSTILE, classifier_run, language_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = """<!doctype html><title>waiting</title><iframe scrolling=no style="width: 390px; height: 9px; border: 0" srcdoc="{page}"></iframe>
<script>onload = () => {{ const root = document.querySelector("iframe").contentDocument.documentElement;
document.title = root.clientWidth + " " + root.scrollWidth }}</script>"""


class Browser:
    """A headless Chromium with a profile of its own for each page."""

    def __init__(self, new_folder):
        self.new_folder = new_folder

    def open(self, page):
        """The DOM after loading, what the browser logged, and every URL the page asked for."""
        folder = self.new_folder()
        (folder / "report.html").write_text(page, encoding="utf-8")
        command = [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *(f"--user-data-dir={folder}/profile", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"),
            *(
                "--enable-logging=stderr",
                f"--log-net-log={folder}/net.json",
                "--virtual-time-budget=2000",
                "--dump-dom",
                (folder / "report.html").as_uri(),
            ),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, done.stderr, asked_by_page(folder / "net.json")


def asked_by_page(net_log):
    events = [event.get("params", {}) for event in json.loads(net_log.read_text())["events"]]
    # Chromium calls home too; what the page starts carries its origin, which is "null" for a file
    return {event["url"] for event in events if event.get("initiator", "not an origin") != "not an origin"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        if os.environ.get("DISTRNN_REQUIRE_SERVERS") == "1":
            pytest.fail("chromium is not installed, and DISTRNN_REQUIRE_SERVERS=1")
        pytest.skip("chromium is not installed")
    return Browser(lambda: tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module", params=[classifier_run, language_run], ids=["classifier", "language-model"])
def opened(browser, request):
    return browser.open(render(*request.param()))


def test_the_sections_are_there(browser):
    dom, _, _ = browser.open(render(*classifier_run()))
    assert re.findall(r"<h2>(.*?)</h2>", dom) == [
        *("Promotion", "Metrics", "Learning curves", "Confusion matrix", "Calibration", "Vectors of words"),
        *("Pre-trained vectors", "Most confident mistakes"),
        *("Where the time went", "Dataset", "Lineage", "Workflow"),
    ]


def test_hostile_text_stays_text(opened):
    dom, _, _ = opened
    assert "<script" not in dom
    assert "<img" not in dom
    assert html.escape(HOSTILE, quote=False) in dom


def test_hostile_text_does_nothing(opened):
    dom, _, _ = opened
    assert "run imdb-lstm-20261121-015300-ab12</title>" in dom


def test_nothing_is_asked_of_the_network(opened):
    _, _, asked = opened
    assert asked == set()


def test_a_page_that_asks_would_be_noticed(browser):
    _, _, asked = browser.open('<img src="http://127.0.0.1:9/asked.png">')
    assert asked == {"http://127.0.0.1:9/asked.png"}


def test_the_console_stays_empty(opened):
    _, log, _ = opened
    assert "CONSOLE" not in log


@pytest.mark.parametrize("run", [classifier_run, language_run])
def test_the_page_fits_a_phone(browser, run):
    dom, _, _ = browser.open(PHONE.format(page=html.escape(render(*run()))))
    assert "<title>390 390</title>" in dom
