"""A real browser that is driven: Chromium through its WebDriver, with the scripts of pages off; what it asks for is written down."""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fixtures_s3 import free_ports

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
PHONE = (390, 844)
WAIT_S = 10.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_KEYS = {"tab": "\ue004", "enter": "\ue007", "space": " ", "down": "\ue015"}
_TABS = 60


class Driven:
    """One window of the browser."""

    def __init__(self, driver: str, options: dict[str, Any]) -> None:
        self._driver = driver
        self._session = _ask(f"{driver}/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]

    def __call__(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        return _ask(f"{self._driver}/session/{self._session}/{path}", body, method)

    def open(self, url: str) -> None:
        self("url", {"url": url})

    def size(self, width: int, height: int) -> None:
        """The size of the page itself."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self("goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})

    def script(self, code: str) -> Any:
        """What an expression is in the page, asked from outside of it; asked again while the page has nothing yet that it speaks of."""
        deadline = time.monotonic() + WAIT_S
        while True:
            found = self("goog/cdp/execute", {"cmd": "Runtime.evaluate", "params": {"expression": code, "returnByValue": True}})
            if "exceptionDetails" not in found:
                return found["result"].get("value")
            if time.monotonic() > deadline:
                raise AssertionError(f"{code} failed in the page: {found['exceptionDetails']}")
            time.sleep(0.05)

    def find(self, selector: str) -> str:
        return self("element", {"using": "css selector", "value": selector})[ELEMENT]

    def text(self, selector: str = "main") -> str:
        return self(f"element/{self.find(selector)}/text")

    def click(self, selector: str) -> None:
        self(f"element/{self.find(selector)}/click", {})

    def follow(self, selector: str | None = None, *keys: str) -> None:
        """Click on something, or press keys, and wait until another page is there."""
        self.script("window.left = true")
        self.press(*keys) if selector is None else self.click(selector)
        until = time.monotonic() + 60
        while self.script("window.left || document.readyState !== 'complete'"):
            assert time.monotonic() < until, f"{selector or keys} led nowhere"
            time.sleep(0.05)

    def type(self, selector: str, text: str) -> None:
        element = self.find(selector)
        self(f"element/{element}/clear", {})
        self(f"element/{element}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Press keys on whatever has the focus."""
        typed = [{"type": kind, "value": _KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": typed}]})

    def focused(self) -> str:
        """What has the focus, as its outer HTML begins."""
        return str(self.script("document.activeElement.outerHTML"))[:300]

    def tab_to(self, text: str) -> None:
        """Press Tab until something has the focus whose own tag holds a text."""
        for _ in range(_TABS):
            self.press("tab")
            if text in self.focused().partition(">")[0]:
                return
        raise AssertionError(f"Tab does not lead to {text}; after {_TABS} times it is at {self.focused()}")

    @property
    def url(self) -> str:
        return self("url")

    def console(self) -> list[str]:
        """What it has complained of since this was asked last."""
        return [entry["message"] for entry in self("se/log", {"type": "browser"})]

    def asked(self) -> set[str]:
        """The addresses that it has asked for since this was asked last."""
        events = [json.loads(entry["message"])["message"] for entry in self("se/log", {"type": "performance"})]
        return {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}

    def picture(self, path: Path) -> None:
        """Write what the window shows, as a PNG."""
        path.write_bytes(base64.b64decode(self("screenshot")))

    def close(self) -> None:
        self("", method="DELETE")


@pytest.fixture(scope="session")
def browser(require_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Driven]]:
    """Open a window; `downloads` is the folder where files land."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    program = shutil.which("chromedriver")
    require_server(chromium is not None and program is not None, "chromium with chromium-driver")
    folder = tmp_path_factory.mktemp("browser")
    with ExitStack() as stack:
        (port,) = free_ports(1)
        process = stack.enter_context(subprocess.Popen([program, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        stack.callback(process.terminate)
        driver = f"http://127.0.0.1:{port}"
        _wait(f"{driver}/status")

        def new(*, downloads: Path | None = None, scripts: bool = False) -> Driven:
            preferences: dict[str, Any] = {} if scripts else {"profile.managed_default_content_settings.javascript": 2}
            if downloads is not None:
                preferences |= {"download.default_directory": str(downloads), "download.prompt_for_download": False}
            arguments = [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-extensions",
            ]
            arguments += [f"--user-data-dir={folder}/{time.monotonic_ns()}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
            options = {
                "goog:chromeOptions": {"binary": chromium, "args": arguments, "prefs": preferences},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            window = Driven(driver, options)
            stack.callback(window.close)
            return window

        yield new


def _wait(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            return _ask(url)
        except OSError:
            assert time.monotonic() < until, url
            time.sleep(0.1)


def _ask(url: str, body: Any = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url.rstrip("/"), data, {"Content-Type": "application/json"}, method=method)
    try:
        with _DIRECT.open(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode()[:500]}") from None
