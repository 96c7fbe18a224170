"""`distrnn doctor`: what is installed here, where things are kept, and whether those places can be used."""

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from distrnn.cli.extras import require
from distrnn.cli.options import Debug, Json, RegistryUrl, StorageUrl
from distrnn.cli.output import Block, Fields, Output, Table
from distrnn.errors import DistrnnError, UsageError

HTTP = ("http://", "https://")
ClusterAddress = Annotated[
    str | None,
    typer.Option("--address", metavar="ADDRESS", help="Look at every node of a Ray cluster: http://head:8265, host:port or auto."),
]
InstalledThere = Annotated[
    bool, typer.Option("--installed", help="The cluster's nodes have distrnn; do not send this machine's.", show_default=False)
]


def doctor(
    address: ClusterAddress = None,
    installed_there: InstalledThere = False,
    registry: RegistryUrl = None,
    storage: StorageUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what is installed, where things are kept, and what is missing, with --address on every node. Exits 1 if something is wrong."""
    if installed_there and not (address or "").startswith(HTTP):
        raise UsageError("--installed says what a cluster's nodes have; give --address, the URL of its dashboard, too.")
    from distrnn.cli import installed
    from distrnn.storage import default_home, default_registry, default_storage

    places = {
        "home": place(str(default_home()), "DISTRNN_HOME"),
        "registry": place(registry or default_registry(), "DISTRNN_REGISTRY", lock=os.environ.get("DISTRNN_LOCK")),
        "storage": place(storage or default_storage(), "DISTRNN_STORAGE"),
    }
    document = {**_machine(), "packages": installed.packages(), "extras": installed.extras(), "places": places}
    if address is not None:
        document["nodes"] = nodes(address, {name: places[name]["url"] for name in ("registry", "storage")}, installed=installed_there)
    Output(json=json).result(document, *_blocks(document))
    if not all(found["usable"] for found in places.values()) or any(node["problems"] for node in document.get("nodes", [])):
        raise typer.Exit(1)


def nodes(address: str, urls: dict[str, str], *, installed: bool) -> list[dict[str, Any]]:
    """What every node of a cluster has, and what is wrong there.

    Args:
        address: of the cluster, or of its dashboard.
        urls: registry and storage.
        installed: the cluster's nodes have distrnn.
    """
    require("submit", "doctor --address")
    from distrnn.cluster.nodes import check_nodes, check_nodes_from_outside

    if address.startswith(HTTP):
        return check_nodes_from_outside(urls, address, installed=installed)
    return check_nodes(urls, address)


def place(url: str, setting: str, *, lock: str | None = None) -> dict[str, Any]:
    """Whether a folder or an S3 prefix can be written, and whether it can decide a race of writers.

    Args:
        url: where.
        setting: the environment variable that says so.
        lock: decides the races of writers there, if the server cannot.
    Returns:
        `url`, `setting`, `usable`, `endpoint` (the server; None for a folder), `create_if_absent` and `compare_and_swap` (None where it
        was not found out), `probed_at` (when it was found out on a server), `problem`.
    """
    from distrnn.storage import open_store
    from distrnn.storage.locations import parse_url

    found: dict[str, Any] = {"url": url, "setting": setting, "usable": True, "endpoint": None}
    found |= {"create_if_absent": None, "compare_and_swap": None, "probed_at": None, "problem": None}
    try:
        if url.startswith(HTTP) and setting == "DISTRNN_REGISTRY":
            return found | _asked(url)
        parsed = parse_url(url)
        if parsed.bucket is not None:
            found["endpoint"] = open_store(url).endpoint
            return found | _raced(url, lock)
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


def _asked(url: str) -> dict[str, Any]:
    """A registry service answers; nobody publishes there, so nobody races."""
    from distrnn.storage import open_store

    store = open_store(url)
    next(iter(store.folders()), None)
    return {"endpoint": store.endpoint}


def _raced(url: str, lock: str | None) -> dict[str, Any]:
    from distrnn.storage import default_home, open_store
    from distrnn.storage.capability import probe_anew

    verdict = probe_anew(open_store(url), default_home())
    usable = verdict.decides_races or bool(lock)
    refused = f"{url} cannot decide a race of writers, so models can be published there only with a lock (DISTRNN_LOCK, --lock URL)."
    return {
        "usable": usable,
        "create_if_absent": verdict.create_if_absent,
        "compare_and_swap": verdict.compare_and_swap,
        "probed_at": verdict.probed_at,
        "problem": None if usable else refused,
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


def _decides_races(found: dict[str, Any]) -> bool | None:
    return None if found["create_if_absent"] is None else found["create_if_absent"] and found["compare_and_swap"]


def _blocks(document: dict[str, Any]) -> Iterator[Block]:
    yield Fields({key: document[key] for key in ("distrnn", "python", "platform", "executable", "cpus")})
    yield Table(["package", "version"], [[name, version or "not installed"] for name, version in document["packages"].items()])
    rows = [[name, it["installed"], "" if it["installed"] else it["install"]] for name, it in document["extras"].items()]
    yield Table(["extra", "installed", "to install"], rows)
    places = document["places"].items()
    rows = [[name, found["url"], found["usable"], _decides_races(found), found["setting"]] for name, found in places]
    yield Table(["place", "where", "usable", "decides races", "set with"], rows)
    rows = [
        [name, found["endpoint"], found["create_if_absent"], found["compare_and_swap"], found["probed_at"] or ""]
        for name, found in places
        if found["endpoint"]
    ]
    if rows:
        yield Table(["place", "server", "create if absent", "compare and swap", "probed at"], rows)
    yield from (found["problem"] for _, found in places if found["problem"])
    if found_nodes := document.get("nodes"):
        rows = [[node["node"], node["python"], not node["problems"], node["packages"]] for node in found_nodes]
        yield Table(["node", "python", "ready", "packages"], rows)
        yield from (f"{node['node']}: {problem}" for node in found_nodes for problem in node["problems"])
