"""A run in a process of its own: `distrnn run`, or `distrnn submit --wait` where there is a cluster.

A process can be waited for without waiting, told to stop, and can die without taking the scheduler along; what it found out is the
document that `--json` prints. A run goes on where its last attempt stopped; one that was submitted is found again on its cluster by its id.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from distrnn.errors import AccessError, DistrnnError, NotFoundError, StorageError
from distrnn.registry.fences import FENCE, fence_of
from distrnn.retraining.policy import REFUSED
from distrnn.runs import RunStore
from distrnn.storage import open_store

STOP_WITHIN_S = 60.0


@dataclass(frozen=True)
class Order:
    """What is to be run.

    Attributes:
        workflow_file: the YAML file.
        workflow: its name.
        run_id: of the run, new or not.
        fence: the number that it must still have when it publishes.
        again: it is not the first attempt.
        settings: `--set` texts.
        storage: URL of the storage root, where the records of runs are.
        registry: URL of the registry.
        lock: URL of the lock that whoever writes to the registry holds.
    """

    workflow_file: str
    workflow: str
    run_id: str
    fence: int
    again: bool
    settings: Sequence[str]
    storage: str
    registry: str
    lock: str | None = None


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, and the document that it printed (None: it printed none)."""

    exit_code: int
    result: dict[str, Any] | None
    error: str | None


class Run(Protocol):
    """A run at work."""

    def poll(self) -> Ended | None:
        """How it ended; None while it has not."""

    def stop(self) -> None:
        """Let it save what it has and end; returns when it has ended."""


class Runner(Protocol):
    """Starts runs."""

    finds_again: bool
    """Whether an order for a run that is still at work finds that run, and starts no second one."""

    def start(self, order: Order) -> Run:
        """Start a run, or go on with it."""


class Processes:
    """Starts runs on this machine, or on a cluster.

    Args:
        address: of the cluster's dashboard; None: each run starts Ray on this machine.
        options: further words for `distrnn submit`.
    """

    def __init__(self, address: str | None = None, options: Sequence[str] = ()) -> None:
        self.finds_again = address is not None
        self._address, self._options = address, tuple(options)

    def start(self, order: Order) -> Run:
        """Start `distrnn run` or `distrnn submit`; a run that is finished already, its scheduler having missed that, is only told of."""
        record = self._record(order)
        if record.get("status") == "finished":
            return Finished(record)
        words = self.words(order, recorded=bool(record) or self._submitted(order))
        return Process([sys.executable, "-m", "distrnn", *words], {FENCE: fence_of(order.workflow, order.fence)})

    def _record(self, order: Order) -> dict[str, Any]:
        """What is recorded of the run; this machine need not be allowed to read the storage of a cluster."""
        try:
            return RunStore(open_store(order.storage)).load(order.run_id)
        except NotFoundError:
            return {}
        except (AccessError, StorageError):
            if self._address is None:
                raise
            return {}

    def _submitted(self, order: Order) -> bool:
        """Whether an earlier attempt has come as far as the cluster: one that did not has left nothing to go on with."""
        if self._address is None or not order.again:
            return False
        from distrnn.cluster.jobs import Jobs

        return bool(Jobs(self._address).of_run(order.run_id))

    def words(self, order: Order, *, recorded: bool) -> list[str]:
        """The command line of an order.

        Args:
            order: what to run.
            recorded: the run has begun before.
        """
        words = ["run"] if self._address is None else ["submit", "--wait", "--address", self._address, *self._options]
        words += [order.workflow_file, "--json", "--registry", order.registry]
        words += [word for text in order.settings for word in ("--set", text)]
        words += ["--lock", order.lock] if order.lock else []
        return [*words, "--resume" if recorded else "--run-id", order.run_id]


@dataclass(frozen=True)
class Finished:
    """A run that was finished before."""

    record: dict[str, Any]

    def poll(self) -> Ended:
        """How it ended."""
        refused = (self.record.get("promotion") or {}).get("decision") == "refused"
        return Ended(REFUSED if refused else 0, self.record, None)

    def stop(self) -> None:
        """There is nothing to stop."""


@dataclass(frozen=True)
class NotStarted:
    """A run that could not be started, which has failed like any other."""

    error: DistrnnError

    def poll(self) -> Ended:
        """How it ended."""
        return Ended(self.error.exit_code, None, f"the run could not be started: {self.error.message}")

    def stop(self) -> None:
        """There is nothing to stop."""


class Process:
    """A command that prints one JSON document, in a process group of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._ended: Ended | None = None
        self._output = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [*dies_with_us(), *command],
            stdout=self._output,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,
        )

    def poll(self) -> Ended | None:
        """How it ended; None while it has not."""
        code = self._process.poll()
        if code is not None and self._ended is None:
            self._output.seek(0)
            self._ended = ended(code, _parse(self._output.read()))
            self._output.close()
        return self._ended

    def stop(self) -> None:
        """SIGTERM, so that a checkpoint is written; SIGKILL for the whole group if that takes too long."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self.poll()


def dies_with_us() -> list[str]:
    """What lets a process be told to end when this one is killed, where the system has it; a fence keeps it from publishing in any case."""
    return ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


def ended(exit_code: int, document: dict[str, Any] | None) -> Ended:
    """What a process' exit code and document say: that of `submit` holds the run's own as its `result`."""
    if document is None:
        how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        return Ended(exit_code, None, None if exit_code == 0 else f"the run's process {how} and said nothing")
    if "error" in document and "message" in document:
        return Ended(exit_code, None, str(document["message"]))
    result = document["result"] if "submission" in document else document
    return Ended(exit_code, result, document.get("error") if "submission" in document else None)


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
