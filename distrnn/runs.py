"""The record of every run, below a storage root: what `runs list|show|report` and `--resume` read.

    runs/<run id>/run.json      the document of `run --json`, with status, started_at and the resolved workflow
    runs/<run id>/report.html   the page a person looks at
    runs/<run id>/log.txt       what the libraries printed
    runs/<run id>/tensorboard/  event files, where the workflow asks for them

A run is recorded when it starts and again whenever its status changes, so that a run which was killed is still found.
"""

import json
import math
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from distrnn.errors import ConflictError, IntegrityError, NotFoundError, UsageError

if TYPE_CHECKING:
    from distrnn.storage import Store

RunFile = Literal["run.json", "report.html", "log.txt", "tensorboard"]
LAST = "last"
_RUN_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_STAMP = re.compile(r"-(\d{8})-(\d{6})-[0-9a-f]{4}$")


def new_run_id(workflow_name: str, now: datetime) -> str:
    """A name no other run has: the workflow, the time in UTC, four random digits.

    Args:
        workflow_name: a valid name of a workflow.
        now: with its time zone.
    Returns:
        For instance `imdb-lstm-20261121-015300-ab12`.
    """
    return f"{workflow_name}-{now.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def check_run_id(run_id: str) -> str:
    """Return `run_id` if it may name a run.

    Raises:
        UsageError: it may not.
    """
    if not _RUN_ID.fullmatch(run_id) or run_id == LAST:
        raise UsageError(
            "run id must start with a lower-case letter or digit and go on with lower-case letters, digits, '.', '_' or '-' "
            f"(100 characters at most), and {LAST!r} is reserved. Received: {run_id!r}"
        )
    return run_id


class RunStore:
    """The runs below a storage root."""

    def __init__(self, store: "Store") -> None:
        self.store = store

    def create(self, run_id: str, document: Mapping[str, Any]) -> None:
        """Record a run that starts.

        Raises:
            ConflictError: another run has this id.
            UsageError: `run_id` may not name a run.
        """
        if not self.store.create_if_absent(_key(run_id, "run.json"), _encode(document)):
            raise ConflictError(f"there is a run {run_id!r} already. Choose another --run-id, or go on with it: --resume {run_id}")

    def save(self, run_id: str, document: Mapping[str, Any]) -> None:
        """Replace the record of a run.

        Raises:
            UsageError: `run_id` may not name a run.
        """
        self.store.put(_key(run_id, "run.json"), _encode(document))

    def load(self, run_id: str) -> dict[str, Any]:
        """Read the record of a run.

        Raises:
            NotFoundError: there is no such run.
            IntegrityError: the record is no JSON object.
            UsageError: `run_id` may not name a run.
        """
        try:
            body = self.store.read(_key(run_id, "run.json"))
        except NotFoundError:
            raise NotFoundError(f"no run {run_id!r} in {self.store.url}. See: distrnn runs list") from None
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            place = self.location(run_id, "run.json")
            raise IntegrityError(
                f"expected a JSON object in {place}. Received: {body[:40]!r}. Remove the run's folder, or restore this file."
            )
        return document

    def ids(self) -> list[str]:
        """The ids of all runs, newest first."""
        parts = [entry.key.split("/") for entry in self.store.list("runs/")]
        names = [part[1] for part in parts if len(part) == 3 and part[2] == "run.json" and _RUN_ID.fullmatch(part[1])]
        return sorted(names, key=lambda name: (self._started(name), name), reverse=True)

    def list(self) -> "list[dict[str, Any]]":
        """The records of all runs, newest first."""
        return [self.load(run_id) for run_id in self.ids()]

    def resolve(self, text: str) -> str:
        """The id that `text` means: `last`, or the id of a run.

        Raises:
            NotFoundError: there is no such run, or none at all.
            UsageError: `text` may not name a run.
        """
        if text == LAST:
            ids = self.ids()
            if not ids:
                raise NotFoundError(f"no run in {self.store.url} yet. Start one with: distrnn run WORKFLOW")
            return ids[0]
        if self.store.size(_key(text, "run.json")) is None:
            raise NotFoundError(f"no run {text!r} in {self.store.url}. See: distrnn runs list")
        return text

    def save_report(self, run_id: str, page: str) -> str:
        """Keep the report of a run; returns where it is."""
        self.store.put(_key(run_id, "report.html"), page.encode())
        return self.location(run_id, "report.html")

    def save_log(self, run_id: str, path: Path) -> str:
        """Keep the log file of a run; returns where it is."""
        self.store.put_file(_key(run_id, "log.txt"), path)
        return self.location(run_id, "log.txt")

    def read(self, run_id: str, file: RunFile) -> bytes:
        """Read a file of a run.

        Raises:
            NotFoundError: there is no such run, or it has no such file.
            UsageError: `run_id` may not name a run.
        """
        try:
            return self.store.read(_key(run_id, file))
        except NotFoundError:
            status = self.load(run_id).get("status", "unknown")
            raise NotFoundError(f"run {run_id!r} has no {file}; its status is {status}. See: distrnn runs show {run_id}") from None

    def location(self, run_id: str, file: RunFile) -> str:
        """Path (a local store) or URL of a file of a run."""
        key = _key(run_id, file)
        return str(self.store.local_path(key) or f"{self.store.url.rstrip('/')}/{key}")

    def _started(self, run_id: str) -> str:
        if match := _STAMP.search(run_id):
            return match[1] + match[2]
        return re.sub(r"\D", "", str(self.load(run_id).get("started_at", "")))[:14]


def _key(run_id: str, file: RunFile) -> str:
    return f"runs/{check_run_id(run_id)}/{file}"


def _encode(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(finite(document), indent=2, allow_nan=False) + "\n").encode()


def finite(value: Any) -> Any:
    """Plain values with None for every float that JSON has not: the run whose loss became NaN must still be recorded and shown."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
