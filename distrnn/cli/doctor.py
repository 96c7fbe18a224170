"""`distrnn doctor`: what is installed here, where things are kept, and whether those places can be used."""

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from distrnn.cli.options import Debug, Json, RegistryUrl, StorageUrl
from distrnn.cli.output import Block, Fields, Output, Table
from distrnn.errors import DistrnnError


def doctor(registry: RegistryUrl = None, storage: StorageUrl = None, json: Json = False, debug: Debug = False) -> None:
    """Show what is installed, where things are kept, and what is missing. Exits 1 if a place cannot be used."""
    from distrnn.cli import installed
    from distrnn.storage import default_home, default_registry, default_storage

    places = {
        "home": place(str(default_home()), "DISTRNN_HOME"),
        "registry": place(registry or default_registry(), "DISTRNN_REGISTRY"),
        "storage": place(storage or default_storage(), "DISTRNN_STORAGE"),
    }
    document = {**_machine(), "packages": installed.packages(), "extras": installed.extras(), "places": places}
    Output(json=json).result(document, *_blocks(document))
    if not all(found["usable"] for found in places.values()):
        raise typer.Exit(1)


def place(url: str, setting: str) -> dict[str, Any]:
    """Whether a folder or an S3 prefix can be written, and whether it can decide a race of writers.

    Args:
        url: where.
        setting: the environment variable that says so.
    Returns:
        `url`, `setting`, `usable`, `create_if_absent` and `compare_and_swap` (None where it was not found out), `problem`.
    """
    from distrnn.storage.locations import parse_url

    found = {"url": url, "setting": setting, "usable": True, "create_if_absent": None, "compare_and_swap": None, "problem": None}
    try:
        parsed = parse_url(url)
        if parsed.bucket is not None:
            return found | _raced(url)
        _try_folder(Path(parsed.path))
    except DistrnnError as error:
        return found | {"usable": False, "problem": error.message}
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return found | {"usable": False, "problem": f"{url} cannot be written: {reason}. Choose another place with {setting}."}
    # A folder's races are decided by our own protocol, which needs no more than a file system.
    return found | {"create_if_absent": True, "compare_and_swap": True}


def _try_folder(folder: Path) -> None:
    import tempfile

    while not folder.exists():
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder):
        pass


def _raced(url: str) -> dict[str, Any]:
    from distrnn.storage import open_store
    from distrnn.storage.capability import probe

    verdict = probe(open_store(url))
    return {
        "usable": verdict.decides_races,
        "create_if_absent": verdict.create_if_absent,
        "compare_and_swap": verdict.compare_and_swap,
        "problem": None if verdict.decides_races else f"{url} cannot decide a race of writers, so no model can be published there.",
    }


def _machine() -> dict[str, Any]:
    from distrnn import __version__

    return {
        "distrnn": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "cpus": os.cpu_count(),
    }


def _blocks(document: dict[str, Any]) -> Iterator[Block]:
    yield Fields({key: document[key] for key in ("distrnn", "python", "platform", "executable", "cpus")})
    yield Table(["package", "version"], [[name, version or "not installed"] for name, version in document["packages"].items()])
    rows = [[name, it["installed"], "" if it["installed"] else it["install"]] for name, it in document["extras"].items()]
    yield Table(["extra", "installed", "to install"], rows)
    places = document["places"].items()
    rows = [[name, found["url"], found["usable"], found["create_if_absent"], found["setting"]] for name, found in places]
    yield Table(["place", "where", "usable", "decides races", "set with"], rows)
    yield from (found["problem"] for _, found in places if found["problem"])
