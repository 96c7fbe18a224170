"""Whether every node of a cluster can do its part: a task on each looks at what is installed there, and reads and writes the places.

A place is the same place everywhere only if what one node writes another one reads, so the process that asks leaves a mark there first.
"""

import json
import platform
import shlex
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from distrnn import __version__
from distrnn.cluster.jobs import Jobs
from distrnn.cluster.packing import copy_of_package
from distrnn.cluster.session import ray_session
from distrnn.errors import DistrnnError, StorageError
from distrnn.storage import open_store

NEEDED = ("distrnn", "ray", "tensorflow", "keras", "pyarrow", "numpy")
MARKS = "_doctor"
ANSWER_S = 120.0


def check_nodes(places: Mapping[str, str], address: str) -> list[dict[str, Any]]:
    """Look at every node of a cluster.

    Args:
        places: URLs of storage and registry by what they are called.
        address: of the cluster: host:port, or auto for the one that this process runs on.
    Returns:
        for each node, the head first: `node` (its address), `python`, `packages` (versions; None where one is missing), `problems`.
    """
    with ray_session(address), _marked(places) as mark:
        alive = sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: "node:__internal_head__" not in node["Resources"])
        asked = [(node["NodeManagerAddress"], _ask(node["NodeID"], places, mark)) for node in alive]
        found = [_answer(where, task) for where, task in asked]
    return [node | {"problems": node["problems"] + differences(found[0], node)} for node in found]


def check_nodes_from_outside(places: Mapping[str, str], address: str, *, installed: bool) -> list[dict[str, Any]]:
    """As `check_nodes`, from a machine that reaches the cluster's dashboard only: a job there does it.

    Args:
        places: as above.
        address: the dashboard's URL.
        installed: the cluster's nodes have distrnn, so the code is not sent.
    """
    words = [word for name, url in places.items() for word in (f"--{name}", url)]
    command = shlex.join(["python", "-m", "distrnn", "doctor", *words, "--address", "auto", "--json"])
    cluster = Jobs(address)
    with tempfile.TemporaryDirectory(prefix="distrnn-doctor-") as temporary:
        code = {} if installed else {"py_modules": [copy_of_package(Path(temporary))]}
        said = cluster.ask(f"doctor-{uuid.uuid4().hex[:12]}", entrypoint=f"exec {command}", runtime_env=code)
    found: list[dict[str, Any]] = document_in(said)["nodes"]
    return [node | {"problems": node["problems"] + another_version(node)} for node in found]


def differences(first: Mapping[str, Any], node: Mapping[str, Any]) -> list[str]:
    """What a node has in other versions than the head; objects that travel between the two may not be understood."""
    if not first["packages"] or not node["packages"]:
        return []
    rows = [("python", first["python"], node["python"])]
    rows += [(name, first["packages"].get(name), node["packages"].get(name)) for name in NEEDED]
    return [f"{name} is {there}, on the head it is {here}" for name, here, there in rows if here and there and here != there]


def another_version(node: Mapping[str, Any]) -> list[str]:
    """What a node's distrnn is, if it is not this one; a run that was submitted with --installed is refused there."""
    there = node["packages"].get("distrnn")
    return [f"distrnn is {there}, where this was asked it is {__version__}"] if there and there != __version__ else []


def look(places: Mapping[str, str], mark: str) -> dict[str, Any]:
    """What a process finds where it runs."""
    packages = {name: _version(name) for name in NEEDED}
    missing = [name for name, version in packages.items() if version is None and find_spec(name) is None]
    problems = [f"{', '.join(missing)}: not installed. Install with: pip install 'distrnn[train]'"] if missing else []
    problems += [problem for name, url in places.items() if (problem := _try(name, url, mark))]
    return {"python": platform.python_version(), "packages": packages, "problems": problems}


def _try(name: str, url: str, mark: str) -> str | None:
    """Write something, read it, take it away again, and read what the asking process wrote."""
    own = f"{mark}/{uuid.uuid4().hex}"
    try:
        store = open_store(url)
        store.put(own, b"written")
        read = store.read(own)
        store.delete(own)
        if store.find(f"{mark}/mark") is None:
            return f"{name}: {url} is another place here, without what the head wrote there. Use an s3:// URL, or mount the same folder."
    except DistrnnError as error:
        return f"{name}: {error.message}"
    except OSError as error:
        return f"{name}: {url} cannot be used: {(error.strerror or str(error)).lower()}."
    return None if read == b"written" else f"{name}: {url} gives back other bytes than were written."


@contextmanager
def _marked(places: Mapping[str, str]) -> Iterator[str]:
    """Leave a mark at every place; one that cannot be written is a finding of every node."""
    mark = f"{MARKS}/{uuid.uuid4().hex}"
    for url in places.values():
        with suppress(DistrnnError, OSError):
            open_store(url).put(f"{mark}/mark", b"mark")
    try:
        yield mark
    finally:
        for url in places.values():
            with suppress(DistrnnError, OSError):
                open_store(url).delete(f"{mark}/mark")


def _ask(node_id: str, places: Mapping[str, str], mark: str) -> Any:
    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    return ray.remote(num_cpus=0, max_retries=0)(look).options(scheduling_strategy=there).remote(dict(places), mark)


def _answer(where: str, task: Any) -> dict[str, Any]:
    try:
        return {"node": where, **ray.get(task, timeout=ANSWER_S)}
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:200]
        return {"node": where, "python": None, "packages": {}, "problems": [f"no task could be run there: {reason}"]}


def document_in(text: str) -> dict[str, Any]:
    """The document of `doctor --json` that a job has printed among other lines.

    Raises:
        StorageError: there is none.
    """
    lines = text.splitlines()
    for first, line in enumerate(lines):
        if line == "{":
            with suppress(ValueError):
                document: dict[str, Any] = json.JSONDecoder().raw_decode("\n".join(lines[first:]))[0]
                if "nodes" in document:
                    return document
    raise StorageError(f"expected a document from the cluster. Received: {_last(lines)}")


def _last(lines: Sequence[str]) -> str:
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "nothing")


def _version(name: str) -> str | None:
    if name == "distrnn":  # code that was sent has no metadata, and comes before what is installed
        return __version__
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
