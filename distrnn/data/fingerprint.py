"""The dataset's name: a digest over everything that decides its bytes, and the words for what changed between two of them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from distrnn.text import TokenizerSpec

# Raised by whoever changes what the same input turns into.
PREPROCESSING_VERSION = 2


def fingerprint_parts(source: str, source_digest: str, spec: TokenizerSpec, splits: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that decides the dataset's bytes, as plain values."""
    return {
        "source": {"name": source, "sha256": source_digest},
        "tokenizer": spec.to_json(),
        "splits": dict(splits),
        "preprocessing_version": PREPROCESSING_VERSION,
    }


def fingerprint(parts: Mapping[str, Any]) -> str:
    """sha256 of the parts, in hexadecimal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What changed, one phrase a key, for instance `tokenizer.vocabulary_size 20000 is now 10000`."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return [_phrase(key, old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]


def _phrase(key: str, before: Any, after: Any) -> str:
    if key == "source.sha256":
        return "the source's bytes changed"
    return f"{key} {json.dumps(before)} is now {json.dumps(after)}"


def _leaves(parts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in parts.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
