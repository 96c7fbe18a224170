"""Verbs that download and predict load none of the heavy libraries, on a machine that has them all."""

import json
import subprocess
import sys

import pytest

from distrnn.registry import Registry

HEAVY = ("tensorflow", "keras", "ray", "pyarrow")
PROGRAM = f"""
import sys, json, atexit
atexit.register(lambda: open(sys.argv.pop(), "w").write(json.dumps([name for name in {HEAVY} if name in sys.modules])))
from distrnn.cli.main import main
file = sys.argv.pop()
sys.argv[0] = "distrnn"
try:
    main()
finally:
    sys.argv.append(file)
"""


@pytest.fixture
def registry(tmp_path, tiny_classifier, tiny_language_model):
    """A folder registry with `reviews` (alias `production`) and `text`, a version each; beside it a file of vectors."""
    registry = Registry(tmp_path / "registry")
    reviews = {"task": "classifier", "labels": ["negative", "positive"], "metrics": {"accuracy": 0.5}, "lineage": {}}
    registry.publish("reviews", tiny_classifier(), metadata=reviews)
    registry.publish("text", tiny_language_model(), metadata={"task": "language-model", "metrics": {}, "lineage": {}})
    registry.set_alias("reviews", "production", 1)
    (tmp_path / "vectors.txt").write_text("good 1 0\nbad 0 1\nfilm 1 1\nnot 2 1\n")
    return registry


@pytest.fixture
def loaded(tmp_path, registry, monkeypatch):
    """Run a verb to its successful end and return which heavy libraries it loaded."""
    monkeypatch.setenv("DISTRNN_REGISTRY", registry.url)

    def run(*arguments):
        report = tmp_path / "loaded.json"
        done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments, str(report)], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(report.read_text())

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("init", "mine"),
        ("sweep", "--help"),
        ("submit", "--help"),
        ("jobs", "list", "--help"),
        ("schedule", "run", "--help"),
        ("schedule", "list"),
        ("models", "list"),
        ("serve", "--help"),
        ("models", "show", "reviews@production"),
        ("models", "alias", "set", "reviews", "candidate", "1"),
        ("pull", "reviews"),
        ("predict", "reviews@production", "a good film"),
        ("generate", "text", "--prompt", "a cab", "--length", "5"),
        ("complete", "text", "a cab", "--each"),
        ("score", "text", "vectors.txt", "--window", "4"),
        ("predict", "reviews", "a good film", "--explain-html", "page.html"),
        ("tokenize", "reviews", "a good film", "--embed"),
        ("neighbors", "reviews", "good"),
        ("analogy", "vectors.txt", "good", "-", "bad", "+", "film"),
        ("runs", "list"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_verb_is_light(loaded, arguments):
    assert loaded(*arguments) == []
