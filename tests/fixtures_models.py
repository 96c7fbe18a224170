"""A registry with a few models, as the verbs of the command line find it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from distrnn import Registry

EVALUATION_SET = "e5" * 32
REVIEWS = {"task": "classifier", "labels": ["negative", "positive"]}
CARD = "---\nlicense: mit\n---\n\n# reviews\n\nJudges **reviews**.\n"


def reviews(accuracy: float, run_id: str) -> dict:
    """The metadata of a version of `reviews`."""
    lineage = {"run_id": run_id, "dataset": "5c" * 32, "evaluation_set": EVALUATION_SET, "workflow": {"name": "reviews", "seed": run_id}}
    return {**REVIEWS, "metrics": {"accuracy": accuracy, "examples": 3000}, "lineage": lineage}


@pytest.fixture
def published(cli: Callable, tmp_path: Path, tiny_classifier: Callable, tiny_language_model: Callable) -> Registry:
    """The default registry: `reviews` with two versions (v1 is `production` and has a card), `text` with one."""
    registry = Registry(tmp_path / "home" / "registry")
    (tiny_classifier() / "README.md").write_text(CARD, encoding="utf-8")
    registry.publish("reviews", tmp_path / "classifier", metadata=reviews(0.986, "run-1"))
    registry.publish("reviews", tiny_classifier("better", seed=1), metadata=reviews(0.99, "run-2"))
    registry.publish("text", tiny_language_model(), metadata={"task": "language-model", "metrics": {"bits_per_character": 2.0082}})
    registry.set_alias("reviews", "production", 1, reason="the first", run_id="run-1")
    return registry


@pytest.fixture
def short(published: Registry) -> Callable[[str], str]:
    """The beginning of a version's digest, as messages show it."""
    return lambda reference: published.resolve(reference).digest[:19]


@pytest.fixture
def key_files(tmp_path: Path) -> SimpleNamespace:
    """Key files: `private`, its `public`, and the public one of an `other` pair."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    ours, theirs = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    bodies = {
        "private": ours.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
        "public": ours.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo),
        "other": theirs.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo),
    }
    for name, body in bodies.items():
        (tmp_path / f"{name}.pem").write_bytes(body)
    return SimpleNamespace(**{name: tmp_path / f"{name}.pem" for name in bodies})
