"""Manifests that nobody published, whole to whoever looks at their checksum only."""

import json
from typing import Any

from distrnn.registry.manifest import sealed, to_json_bytes


def resealed(body: bytes, **changes: Any) -> bytes:
    """A manifest with some entries replaced."""
    document = {key: value for key, value in json.loads(body).items() if key != "checksum"}
    return sealed(to_json_bytes({**document, **changes}, "a test's manifest"))


def unsealed(body: bytes) -> bytes:
    """A manifest without its checksum, for `sealed` to take after something was changed in it."""
    first, _checksum, rest = body.split(b"\n", 2)
    return first + b"\n" + rest
