"""The registry's pages in a real browser with scripts off: what a person sees, does, and gets; what strangers' texts cannot do."""

import time
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from distrnn.registry.layout import version_key
from fixtures_browser import PHONE
from fixtures_service import HOSTILE

PAGES = ("/", "/models/reviews", "/models/reviews/v2", "/models/reviews/v3", "/models/text/v1", "/models/none")
COMPARE = "/compare?left=reviews%40v1&right=reviews%40v3"


@pytest.fixture(scope="module")
def running(serving, foreign_models):
    """A service over `reviews` with three versions, the last of a hostile publisher, and `text` with one."""
    return serving(foreign_models.url)


@pytest.fixture(scope="module")
def window(browser, tmp_path_factory):
    found = browser(downloads=tmp_path_factory.mktemp("downloads"))
    found.size(1200, 900)
    return found


def open_page(window, running, path):
    window.console(), window.asked()
    window.open(running.url + path)


@pytest.mark.parametrize("path", [*PAGES, COMPARE])
def test_a_page_asks_nobody_else_runs_nothing_and_complains_of_nothing(window, running, path):
    open_page(window, running, path)
    complaints = [line for line in window.console() if not (path == "/models/none" and "status of 404" in line)]
    assert complaints == []
    assert {urlsplit(url).netloc for url in window.asked() if not url.startswith("data:")} == {urlsplit(running.url).netloc}
    assert window.script("document.querySelectorAll('script, img, iframe, object, style, [onerror]').length") == 0
    assert "owned" not in window.script("document.title").replace(HOSTILE, "")


def test_a_page_that_asks_others_would_be_noticed(window, running, tmp_path):
    (tmp_path / "page.html").write_text("<img src='http://evil.test/x'>")
    window.asked()
    window.open((tmp_path / "page.html").as_uri())
    assert "http://evil.test/x" in window.asked()
    assert window.console() != []


@pytest.mark.parametrize("path", [*PAGES, COMPARE])
def test_a_page_fits_a_phone(browser, window, running, path):
    window.size(*PHONE)
    try:
        open_page(window, running, path)
        root = "document.documentElement"
        assert (window.script(f"{root}.clientWidth"), window.script(f"{root}.scrollWidth")) == (PHONE[0], PHONE[0])
    finally:
        window.size(1200, 900)


def test_hostile_text_is_shown_as_it_is(window, running):
    open_page(window, running, "/models/reviews/v3")
    text = window.text()
    assert text.count(HOSTILE) >= 5
    assert "pixel" in window.text(".card")
    assert window.script("[...document.querySelectorAll('.card a')].map(a => a.href)") == ["http://evil.test/pixel.png"]


def test_from_the_list_to_a_comparison(window, running):
    open_page(window, running, "/")
    assert "2 models" in window.text("header")
    window.follow("tbody a[href='/models/reviews']")
    assert "3 versions published" in window.text("header")
    assert window.script("document.querySelectorAll('svg circle').length") == 3
    window.click("input[name=left][value='reviews@v1']")
    window.click("input[name=right][value='reviews@v2']")
    window.follow("form.compare button")
    assert parse_qs(urlsplit(window.url).query) == {"left": ["reviews@v1"], "right": ["reviews@v2"]}
    row = window.text("tbody tr")
    assert row == "Accuracy 0.9100 0.9400 +0.03000 better"


def test_a_version_shows_its_curves_and_where_it_comes_from(window, running, foreign_models):
    open_page(window, running, "/models/reviews/v1")
    assert "production" in window.text("header")
    assert window.script("document.querySelectorAll('svg polyline').length") == 3
    text = window.text()
    assert "run-1" in text
    assert foreign_models.resolve("reviews@v1").digest in text
    assert f"distrnn pull reviews@v1 \\\n  --registry {running.url}" in text


def test_a_text_is_judged(window, running):
    open_page(window, running, "/models/reviews/v1")
    window.type("textarea", f"a good film {HOSTILE}")
    window.follow("#try button")
    assert window.script("document.querySelector('textarea').value") == f"a good film {HOSTILE}"
    assert window.script("document.querySelectorAll('.answer .bar').length") == 2
    assert window.text(".answer strong") in ("negative", "positive")
    assert window.console() == []


def test_a_language_model_writes(window, running):
    open_page(window, running, "/models/text/v1")
    window.type("textarea", "a cab")
    window.type("#length", "30")
    window.follow("#try button")
    assert len(window.script("document.querySelector('.written').textContent")) == 5 + 30


def test_the_keyboard_alone_leads_to_a_version_and_judges_a_text(window, running):
    open_page(window, running, "/")
    window.press("tab")
    assert "Skip to the content" in window.focused()
    window.tab_to('href="/models/reviews"')
    window.follow(None, "enter")
    window.tab_to('href="/models/reviews/v1"')
    window.follow(None, "enter")
    assert urlsplit(window.url).path == "/models/reviews/v1"
    window.tab_to("<textarea")
    window.press(*"bad", "tab")
    window.follow(None, "enter")
    assert window.text(".answer strong") in ("negative", "positive")
    assert window.script("document.querySelector('textarea').value") == "bad"


def test_the_keyboard_alone_compares_two_versions(window, running):
    open_page(window, running, "/models/reviews")
    window.tab_to('name="left"')
    assert 'value="reviews@v2"' in window.focused()
    window.press("down")
    assert 'value="reviews@v1"' in window.focused()
    window.tab_to("<button")
    window.follow(None, "enter")
    assert parse_qs(urlsplit(window.url).query) == {"left": ["reviews@v1"], "right": ["reviews@v3"]}


def test_a_file_is_downloaded_whole(browser, running, foreign_models, tmp_path):
    window = browser(downloads=tmp_path)
    window.open(f"{running.url}/models/reviews/v1")
    window.click("a[href$='numpy/weights.npz']")
    (file,) = [file for file in foreign_models.resolve("reviews@v1").manifest.files if file.path == "numpy/weights.npz"]
    saved = tmp_path / "reviews-v1-weights.npz"
    until = time.monotonic() + 20
    while not saved.exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert sha256(saved.read_bytes()).hexdigest() == file.sha256


def test_a_damaged_version_is_a_page_that_says_so(window, running, foreign_models):
    path = Path(foreign_models.url, version_key("text", 1))
    whole = path.read_bytes()
    path.write_bytes(b"{}")
    try:
        open_page(window, running, "/models/text/v1")
        assert "is damaged" in window.text("header")
        assert foreign_models.url not in window.text()
    finally:
        path.write_bytes(whole)
