"""Looking after a registry: one with a little of everything, and key pairs to sign with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from distrnn.registry import ModelVersion, Registry
from storage_doubles import MemoryStore

SMALL = {"README.md": b"# A model\n", "numpy/weights.npz": b"weights", "numpy/empty.json": b"", "preprocessing.json": b"{}"}


@dataclass(frozen=True)
class KeyPair:
    """Files with a private key and its public one."""

    private: Path
    public: Path


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


def write_keys(folder: Path, name: str, passphrase: str | None = None) -> KeyPair:
    """A pair of Ed25519 keys in a folder."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.pub")
    how = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    pair.private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    pair.public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, spki))
    return pair


@pytest.fixture
def care_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DISTRNN_HOME is an empty folder."""
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def small_registry(care_home: Path) -> Registry:
    """An empty registry in memory."""
    return Registry(store=MemoryStore())


@pytest.fixture
def publish_small(tmp_path: Path) -> Callable[..., ModelVersion]:
    """A function that publishes small versions, each with other weights; a file that is given as empty is left out."""
    numbers = count(1)

    def make(registry: Registry, name: str = "imdb", **files: bytes) -> ModelVersion:
        number = next(numbers)
        chosen = {**SMALL, "numpy/weights.npz": f"weights {number}".encode(), **files}
        folder = write_files(tmp_path / f"model-{number}", {path: body for path, body in chosen.items() if body or path not in files})
        return registry.publish(name, folder, metadata={"metrics": {"accuracy": 0.8}})

    return make


@pytest.fixture
def new_keys(tmp_path: Path) -> Callable[..., KeyPair]:
    """A function that makes a pair of Ed25519 keys."""
    return partial(write_keys, tmp_path)


@pytest.fixture
def key_pair(new_keys: Callable[[str], KeyPair]) -> KeyPair:
    """A pair of Ed25519 keys."""
    return new_keys("key")
