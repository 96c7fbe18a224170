"""A registry service: in this process for what it answers, as a process of its own for what it is like to use it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from distrnn import Registry
from distrnn.registry import Rule
from distrnn.registry.maintenance import Maintenance
from distrnn.runtime import Preprocessing
from distrnn.text import TokenizerSpec, Vocabulary
from fixtures_care import write_keys
from fixtures_models import reviews
from fixtures_runtime import CHARACTERS, WORDS, tiny_layers, write_form

TOKEN = "a-token-of-the-tests-0123456789"
HOSTILE = "<img src=http://evil.test/x onerror=document.title='owned'></script><script>document.title='owned'</script>"
CARD = f"""# Hostile {HOSTILE}

{HOSTILE}

[click](javascript:document.title='owned') [data](data:text/html,<script>alert(1)</script>) ![pixel](http://evil.test/pixel.png)
<a href="javascript:alert(1)">x</a> <style>body{{display:none}}</style> <iframe src="http://evil.test/frame"></iframe>

| a | b |
| --- | --: |
| {HOSTILE} | {"long" * 300} |

```html
{HOSTILE}
```
"""

_shelves: list[str] = []


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A client of a service in this process; the registry is the one of `published` unless another is given."""
    from starlette.testclient import TestClient

    from distrnn.service.app import create_app
    from distrnn.service.settings import Settings

    def make(registry: Registry | None = None, **settings: Any) -> TestClient:
        app = create_app(
            Settings(**{"requests_per_s": 0.0, "page_age_s": 0.0, **settings}), registry or request.getfixturevalue("published")
        )
        return TestClient(app, base_url="http://registry.test", follow_redirects=False)

    return make


@pytest.fixture
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """As `published`, made once, for tests that only look at it; beside it lies what nobody may be handed."""
    if not _shelves:
        published, folder = request.getfixturevalue("published"), tmp_path_factory.mktemp("shelf")
        shutil.copytree(published.url, folder / "registry")
        (folder / "secret.txt").write_text("secret")
        for key in ("reviews/gc.json", "_schedules/x.json", ".locks/a.lock"):
            (folder / "registry" / key).parent.mkdir(exist_ok=True)
            (folder / "registry" / key).write_text("{}")
        _shelves.append(str(folder / "registry"))
    return Registry(_shelves[0])


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., "Serving"]]:
    """Start `distrnn serve` as a process on a free port; it ends with the session at the latest."""
    with ExitStack() as stack:

        def start(registry: str, *arguments: str, env: dict[str, str] | None = None) -> Serving:
            return stack.enter_context(Serving(tmp_path_factory.mktemp("serve"), registry, arguments, env or {}))

        yield start


class Serving:
    """A running `distrnn serve`; `url` is where."""

    def __init__(self, folder: Path, registry: str, arguments: tuple[str, ...], env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "distrnn", "serve", "--registry", registry, "--port", "0", "--json", *arguments]
        self._log = folder / "stderr.txt"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "DISTRNN_HOME": str(folder / "home"), **env}
            )

    def __enter__(self) -> "Serving":
        assert self.process.stdout is not None
        lines = []
        while not (lines and lines[-1] == "}\n"):
            line = self.process.stdout.readline()
            assert line, self.log
            lines.append(line)
        self.started = json.loads("".join(lines))
        self.url: str = self.started["url"]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)

    @property
    def log(self) -> str:
        """What it wrote to stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def memory_bytes(self) -> int:
        """What it holds in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> int:
        """End it as an operator would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@pytest.fixture(scope="session")
def foreign_models(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry to look at: `reviews` with three versions (v2 is signed, v3 a hostile publisher's), and `text`. Nobody may change it."""
    registry = Registry(tmp_path_factory.mktemp("foreign") / "registry")
    folders = tmp_path_factory.mktemp("models")
    for number, accuracy in enumerate((0.91, 0.94), 1):
        history = [{"loss": 0.7 / epoch, "validation_loss": 0.8 / epoch, "accuracy": 1 - 0.3 / epoch} for epoch in range(1, 6)]
        metadata = {**reviews(accuracy, f"run-{number}"), "history": history}
        registry.publish("reviews", classifier(folders / f"r{number}", number), metadata=metadata)
    hostile = classifier(folders / "hostile", 3)
    (hostile / "README.md").write_text(CARD, encoding="utf-8")
    metadata = {
        "task": HOSTILE,
        "labels": [HOSTILE, "b"],
        "metrics": {"accuracy": 0.95, HOSTILE: 1.0, "word": HOSTILE},
        "lineage": {"run_id": HOSTILE, HOSTILE: HOSTILE, "workflow": {HOSTILE: {"x": HOSTILE}}},
        "history": [HOSTILE, {"loss": HOSTILE}, {"loss": 1.0}],
        "parameters": HOSTILE,
    }
    registry.publish("reviews", hostile, metadata=metadata)
    registry.publish("text", language_model(folders / "text"), metadata={"task": "language-model", "metrics": {"bits_per_character": 2.0}})
    Maintenance(registry).sign("reviews@v2", write_keys(folders, "key").private)
    registry.set_alias("reviews", "production", 1, reason=HOSTILE)
    registry.guard("reviews", "production", [Rule.parse("accuracy min=0.9")])
    return registry


def classifier(folder: Path, seed: int) -> Path:
    """A published classifier of five words."""
    write_form(folder / "numpy", *tiny_layers(seed=seed))
    vocabulary = Vocabulary(WORDS, TokenizerSpec("word", "fold", "strip"))
    Preprocessing("classifier", vocabulary, ("negative", "positive"), sequence_length=6).write(folder)
    return folder


def language_model(folder: Path) -> Path:
    """A published language model of ten characters."""
    vocabulary = Vocabulary(tuple(CHARACTERS), TokenizerSpec("char", "keep", "keep"))
    sizes = {"ids": vocabulary.size, "outputs": vocabulary.size, "activation": "softmax", "sequences": True}
    write_form(folder / "numpy", *tiny_layers(**sizes))
    Preprocessing("language-model", vocabulary, sample_prompt="a cab").write(folder)
    return folder
