"""The record of a sweep, below a storage root: what is shown at its end, and what `--resume` goes on from.

sweeps/<sweep id>/result.json   the document of `sweep --json`, with the options and the resolved workflow; written after every trial
sweeps/<sweep id>/sweep.png     the picture
sweeps/<sweep id>/best.yaml     the best combination as a workflow
sweeps/<sweep id>/log.txt       what the libraries printed
"""

import contextlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from filelock import FileLock, Timeout

from distrnn.cluster.sweep_plan import Grid, SweepPlan
from distrnn.errors import ConflictError, IntegrityError, NotFoundError, UsageError, WorkflowError
from distrnn.runs import check_run_id, finite
from distrnn.storage import Store

LAST = "last"
RECORD, PICTURE, BEST, LOG = "result.json", "sweep.png", "best.yaml", "log.txt"


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep was given beside its workflow; going on needs the same.

    Attributes:
        overrides: dotted keys and their values; paths are absolute.
        grid: values by key, in place of those of the workflow.
        metric: in place of the workflow's.
        address: of the cluster.
        concurrent: trials at a time.
        shared_filesystem: local paths are reachable from every node.
        output: where the best workflow goes; absolute.
    """

    overrides: dict[str, Any]
    grid: Grid
    metric: str | None = None
    address: str | None = None
    concurrent: int | None = None
    shared_filesystem: bool = False
    output: str | None = None

    def or_else(self, earlier: "SweepOptions") -> "SweepOptions":
        """These options, with what is not given here as it was in the sweep that goes on."""
        merged = {field.name: getattr(self, field.name) or getattr(earlier, field.name) for field in fields(self)}
        return SweepOptions(**merged | {"overrides": {**earlier.overrides, **self.overrides}})

    def command(self, workflow_file: str) -> str:
        """The command that sweeps like this."""
        words = ["distrnn", "sweep", workflow_file]
        for key, values in self.grid.items():
            words += ["--grid", f"{key}={','.join(map(_yaml, values))}"]
        words += ["--metric", self.metric] if self.metric else []
        for key, value in self.overrides.items():
            words += ["--set", f"{key}={_yaml(value)}"]
        return shlex.join(words)

    def resume_command(self, workflow_file: str, sweep_id: str) -> str:
        """The command that goes on with a sweep; everything but where its record is stands in the record."""
        words = ["distrnn", "sweep", workflow_file, "--resume", sweep_id]
        if root := self.overrides.get("storage.root"):
            words += ["--set", f"storage.root={root}"]
        return shlex.join(words)


class SweepStore:
    """The sweeps below a storage root."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def save(self, record: Mapping[str, Any]) -> None:
        """Write or replace the record of a sweep."""
        body = json.dumps(finite(record), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        self.put(record["sweep_id"], RECORD, body.encode())

    def put(self, sweep_id: str, file: str, body: bytes) -> str:
        """Write or replace a file of a sweep; returns where it is."""
        self.store.put(_key(sweep_id, file), body)
        return self.location(sweep_id, file)

    def load(self, text: str) -> dict[str, Any]:
        """The record of a sweep by its id, or of the newest one by `last`.

        Raises:
            NotFoundError: there is no such sweep, or none at all.
            IntegrityError: the record is damaged.
        """
        sweep_id = self._newest() if text == LAST else check_run_id(text)
        found = self.store.find(_key(sweep_id, RECORD))
        if found is None:
            known = ", ".join(self._ids()[:3]) or "none"
            raise NotFoundError(f"no sweep {sweep_id!r} in {self.store.url}. The newest ones there: {known}")
        with contextlib.suppress(ValueError):
            document = json.loads(found[0])
            if isinstance(document, dict):
                return document
        raise IntegrityError(
            f"expected a JSON object in {self.location(sweep_id, RECORD)}. Remove the sweep's folder, or restore this file."
        )

    def location(self, sweep_id: str, file: str) -> str:
        """Path (a local store) or URL of a file of a sweep."""
        key = _key(sweep_id, file)
        return str(self.store.local_path(key) or f"{self.store.url.rstrip('/')}/{key}")

    def log_file(self, sweep_id: str) -> str | None:
        """The log as a path that libraries can append to; None where the store is no folder."""
        path = self.store.local_path(_key(sweep_id, LOG))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        return str(path) if path else None

    @contextlib.contextmanager
    def held(self, sweep_id: str) -> Iterator[None]:
        """Keep a sweep to one process of this machine, where its record is in a folder.

        Raises:
            ConflictError: another process is at it.
        """
        path = self.store.local_path(_key(sweep_id, "lock"))
        if path is None:
            yield
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConflictError(f"sweep {sweep_id} is in progress in another process. Wait for it, or stop it first.") from None
        try:
            yield
        finally:
            lock.release()

    def _newest(self) -> str:
        ids = self._ids()
        if not ids:
            raise NotFoundError(f"no sweep in {self.store.url} yet. Start one with: distrnn sweep WORKFLOW --grid KEY=V1,V2")
        return ids[0]

    def _ids(self) -> list[str]:
        """Newest first: an id ends with its time and four digits."""
        return sorted(self.store.folders("sweeps/"), key=lambda name: name.rsplit("-", 3)[1:], reverse=True)


def check_resumable(record: Mapping[str, Any], plan: SweepPlan) -> None:
    """Refuse to go on with a sweep that is over, or that is another one now.

    Raises:
        UsageError: nothing of it is left.
        WorkflowError: workflow, grid or metric are others.
    """
    sweep_id, file = record["sweep_id"], plan.base.file
    if record["status"] == "finished" or (record["status"] == "failed" and record["left"] == 0):
        raise UsageError(f"sweep {sweep_id} is finished; there is nothing to go on with. Its picture: {record['picture']}")
    now = {"workflow": plan.base.to_json(), "grid": plan.grid, "metric": plan.metric}
    then = {"workflow": record["resolved_workflow"], "grid": record["grid"], "metric": record["metric"]}
    different = [part for part in now if now[part] != then[part]]
    if different:
        raise WorkflowError(
            f"{file}: expected the {different[0]} that sweep {sweep_id} began with. Received: another one. Start a new sweep to change it.",
            file=file,
        )


def options_of(record: Mapping[str, Any]) -> SweepOptions:
    """The options that a sweep was started with."""
    return SweepOptions(**record["options"])


def opened(sweep_id: str, plan: SweepPlan, options: SweepOptions) -> dict[str, Any]:
    """What the record of a sweep says about itself from its first moment on."""
    return {
        "sweep_id": sweep_id,
        "options": asdict(options),
        "resolved_workflow": plan.base.to_json(),
        "workflow_file": plan.base.file,
    }


def _key(sweep_id: str, file: str) -> str:
    return f"sweeps/{check_run_id(sweep_id)}/{file}"


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
