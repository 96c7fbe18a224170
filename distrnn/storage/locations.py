"""Where things are kept when nobody says otherwise, and what a storage URL means."""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from distrnn.errors import UsageError

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")


class Place(NamedTuple):
    """A parsed URL: a bucket and the prefix in it, or no bucket and an absolute path."""

    bucket: str | None
    path: str


def parse_url(url: str) -> Place:
    """Read a storage URL.

    Raises:
        UsageError: it is neither `s3://bucket/prefix` nor `file:///folder` nor a path, or it carries credentials.
    """
    if not url or "\0" in url:
        raise UsageError(f"storage must be s3://bucket/prefix, file:///folder or a path. Received: {url!r}")
    if "://" not in url:
        return Place(None, os.path.abspath(os.path.expanduser(url)))
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise UsageError(
            "a storage URL must not carry credentials: put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile."
        )
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return Place(None, os.path.abspath(unquote(parts.path)))
    if parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc) and not parts.query and not parts.fragment:
        segments = [segment for segment in parts.path.split("/") if segment]
        if not any(segment in (".", "..") for segment in segments):
            return Place(parts.netloc, "/".join(segments))
    raise UsageError(f"storage must be s3://bucket/prefix, file:///folder or a path. Received: {url!r}")


def default_home() -> Path:
    """The user's own folder: DISTRNN_HOME, else ~/.distrnn."""
    return Path(os.environ.get("DISTRNN_HOME") or "~/.distrnn").expanduser().absolute()


def default_storage() -> str:
    """Where datasets and runs go: DISTRNN_STORAGE, else `storage` in the user's folder."""
    return os.environ.get("DISTRNN_STORAGE") or str(default_home() / "storage")


def default_registry() -> str:
    """Where models go: DISTRNN_REGISTRY, else `registry` in the user's folder."""
    return os.environ.get("DISTRNN_REGISTRY") or str(default_home() / "registry")
