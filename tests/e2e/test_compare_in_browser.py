"""The page of a comparison in a real browser, wide and on a phone, with text that tries to break out of it."""

import html
import os
import shutil
import subprocess

import pytest

from comparisons import classifiers, languages, unknown
from distrnn.evaluation.compare_page import render

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = """<!doctype html><title>waiting</title><iframe scrolling=no style="width: 390px; height: 9px; border: 0" srcdoc="{page}"></iframe>
<script>onload = () => {{ const root = document.querySelector("iframe").contentDocument.documentElement;
document.title = root.clientWidth + " " + root.scrollWidth }}</script>"""


@pytest.fixture
def opened(tmp_path):
    """Open a page and give its DOM and what the browser logged."""
    if CHROMIUM is None:
        if os.environ.get("DISTRNN_REQUIRE_SERVERS") == "1":
            pytest.fail("chromium is not installed, and DISTRNN_REQUIRE_SERVERS=1")
        pytest.skip("chromium is not installed")

    def load(page):
        (tmp_path / "page.html").write_text(page, encoding="utf-8")
        command = [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *(f"--user-data-dir={tmp_path}/profile", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"),
            *("--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", (tmp_path / "page.html").as_uri()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, done.stderr

    return load


@pytest.mark.parametrize("comparison", [classifiers, languages, unknown])
def test_nothing_runs_and_nothing_is_complained_about(opened, comparison):
    dom, log = opened(render(comparison()))
    assert "<script" not in dom
    assert "<img" not in dom
    assert "<title>owned</title>" not in dom
    assert "CONSOLE" not in log


@pytest.mark.parametrize("comparison", [classifiers, languages, unknown])
def test_the_page_fits_a_phone(opened, comparison):
    dom, _ = opened(PHONE.format(page=html.escape(render(comparison()))))
    assert "<title>390 390</title>" in dom
