"""Jobs on a cluster, through Ray's Jobs API: what was submitted, what became of it, what it says, and its end.

Ray speaks of submissions and drivers; whoever submits speaks of workflows and runs. The names of both, and the command that goes on with
the run, travel with the submission as its metadata, so that any machine that reaches the cluster can tell.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient

from distrnn.cluster.session import API_SERVER
from distrnn.errors import AccessError, ConflictError, NotFoundError, StorageError, UsageError
from distrnn.runs import LAST

T = TypeVar("T")
Status = Literal["pending", "running", "stopped", "finished", "refused", "failed"]
ENDED: tuple[Status, ...] = ("stopped", "finished", "refused", "failed")
REFUSED, STOPPED = 4, 143
RUN, WORKFLOW, ATTEMPT, DIGEST, RESUME = "distrnn_run", "distrnn_workflow", "distrnn_attempt", "distrnn_digest", "distrnn_resume"
STOP_WAIT_S = 60
FOLLOW_WITHOUT_ANSWER_S = 120.0
TALKATIVE = ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk", "ray._private.runtime_env.packaging")
_CONNECT_S = 10.0
_POLL_S = 1.0
_ERROR = "error: "


@dataclass(frozen=True)
class Job:
    """One submission of a run.

    Attributes:
        run_id: the run; a run that was stopped and goes on has several jobs.
        workflow: its name.
        attempt: counts the run's submissions from 1.
        submission: Ray's id of it.
        status: pending, running, stopped, finished, refused (by the gate; the version is published) or failed.
        exit_code: of the run; None while it has none.
        started_at: when it was submitted, ISO 8601 in UTC.
        ended_at: None while it has not.
        error: what a failed one ended with.
        resume: the command that goes on with the run.
        digest: of what was submitted.
    """

    run_id: str
    workflow: str
    attempt: int
    submission: str
    status: Status
    exit_code: int | None
    started_at: str | None
    ended_at: str | None
    error: str | None
    resume: str
    digest: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ENDED

    def to_json(self) -> dict[str, Any]:
        """The document of `jobs status --json`."""
        return {key: value for key, value in asdict(self).items() if key != "digest"}


class Jobs:
    """The jobs of one cluster.

    Args:
        address: of its dashboard, for instance http://head:8265.
    Raises:
        UsageError: it is no such address.
        StorageError: nobody answers there.
        AccessError: the cluster wants a token, or another one.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        _reach(self.address)
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        with self._answers(), _address_is(self.address):
            self._client = JobSubmissionClient(self.address)

    def all(self) -> list[Job]:
        """Every job that `distrnn submit` has submitted, newest first."""
        with self._answers():
            found = [job for details in self._client.list_jobs() if (job := of_details(details)) is not None]
        return sorted(found, key=lambda job: (job.started_at or "", job.attempt), reverse=True)

    def of_run(self, run_id: str) -> list[Job]:
        """The jobs of a run, newest first."""
        return sorted((job for job in self.all() if job.run_id == run_id), key=lambda job: job.attempt, reverse=True)

    def find(self, text: str) -> Job:
        """The newest job of a run.

        Args:
            text: the run's id, the id of a submission, or `last`.
        Raises:
            NotFoundError: there is none.
        """
        for job in self.all():
            if text in (job.run_id, job.submission, LAST):
                return job if text != job.run_id else self.of_run(text)[0]
        raise NotFoundError(f"no job of run {text!r} on {self.address}. See: distrnn jobs list")

    def now(self, job: Job) -> Job:
        """The same job as it is now."""
        with self._answers():
            found = of_details(self._client.get_job_info(job.submission))
        if found is None:
            raise AssertionError("a job keeps its metadata")
        return found

    def submit(self, submission: str, **what: Any) -> bool:
        """Submit a job.

        Args:
            submission: its id; another job cannot have it.
            what: the arguments of Ray's `submit_job`.
        Returns:
            False where a job has this id already.
        """
        with self._answers():
            try:
                self._client.submit_job(submission_id=submission, **what)
            except RuntimeError as error:
                if "already exists" not in str(error):
                    raise
                return False
        return True

    def ask(self, submission: str, **what: Any) -> str:
        """Let the cluster do something that is no run, and forget it; returns what it has printed."""
        self.submit(submission, **what)
        with self._answers():
            while not self._client.get_job_status(submission).is_terminal():
                time.sleep(_POLL_S / 4)
            text: str = self._client.get_job_logs(submission)
            self._client.delete_job(submission)
        return text

    def logs(self, job: Job) -> str:
        """What a job has said so far."""
        with self._answers():
            text: str = self._client.get_job_logs(job.submission)
        return text

    def follow(self, job: Job, write: Callable[[str], object]) -> Job:
        """Hand over what a job says until it has ended; a connection that breaks is made again for `FOLLOW_WITHOUT_ANSWER_S`.

        Returns:
            the job at its end.
        Raises:
            StorageError: the cluster has not answered for so long.
        """
        shown = 0

        async def tail() -> None:
            nonlocal shown
            heard = 0
            async for text in self._client.tail_job_logs(job.submission):
                heard += len(text)
                if heard > shown:
                    write(text[len(text) - (heard - shown) :])
                    shown = heard

        while not (job := self._patiently(lambda: self.now(job))).ended:
            with contextlib.suppress(Exception):
                asyncio.run(tail())
            time.sleep(_POLL_S)
        if rest := self._patiently(lambda: self.logs(job))[shown:]:
            write(rest)
        return job

    def stop(self, job: Job) -> Job:
        """Let a job write its checkpoint and end; Ray kills one that has not ended after `STOP_WAIT_S`.

        Returns:
            the job at its end.
        Raises:
            ConflictError: it does not end.
        """
        with self._answers():
            self._client.stop_job(job.submission)
        deadline = time.monotonic() + STOP_WAIT_S + _CONNECT_S
        while not (job := self.now(job)).ended:
            if time.monotonic() > deadline:
                raise ConflictError(f"run {job.run_id} has not ended within {STOP_WAIT_S} s. See: distrnn jobs logs {job.run_id}")
            time.sleep(_POLL_S / 4)
        return job

    def _patiently(self, ask: Callable[[], T]) -> T:
        """An answer, of a cluster whose head may be busy or start again."""
        deadline = time.monotonic() + FOLLOW_WITHOUT_ANSWER_S
        while True:
            try:
                return ask()
            except StorageError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except AuthenticationError as error:
            reason = next(iter(error.message.splitlines()), "").rstrip(".")
            raise AccessError(
                f"{self.address} wants a token: {reason}. Set RAY_AUTH_MODE=token, and the cluster's token in RAY_AUTH_TOKEN or in "
                "~/.ray/auth_token."
            ) from None
        except (RuntimeError, OSError) as error:  # requests' errors are OSErrors
            raise StorageError(f"the Ray cluster at {self.address} did not do it: {_line(error)}. Check --address.") from None


def of_details(details: JobDetails) -> Job | None:
    """The job that Ray's description is of; None for one that is no run of ours."""
    told: Mapping[str, str] = details.metadata or {}
    if RUN not in told or details.submission_id is None:
        return None
    code = _exit_code(details.status.value, details.driver_exit_code)
    return Job(
        run_id=told[RUN],
        workflow=told[WORKFLOW],
        attempt=int(told[ATTEMPT]),
        submission=details.submission_id,
        status=status_of(details.status.value, code),
        exit_code=code,
        started_at=_moment(details.start_time),
        ended_at=_moment(details.end_time),
        error=error_in(details.message) if details.status.value == "FAILED" else None,
        resume=told[RESUME],
        digest=told[DIGEST],
    )


def status_of(word: str, exit_code: int | None) -> Status:
    """Our word for Ray's: a run whose gate refused has done all that it was asked to."""
    if word == "FAILED":
        return "refused" if exit_code == REFUSED else "failed"
    words: dict[str, Status] = {"PENDING": "pending", "RUNNING": "running", "STOPPED": "stopped", "SUCCEEDED": "finished"}
    return words[word]


def error_in(message: str | None) -> str | None:
    """The error in what Ray says about a failed job: the line that the run ended with, else the last one."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    said = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    found = said or lines
    return found[-1] if found else None


def _exit_code(word: str, code: int | None) -> int | None:
    if word == "STOPPED":
        return STOPPED
    if word == "FAILED" and code is None:
        return 1
    return 128 - code if code is not None and code < 0 else code


def _moment(milliseconds: int | None) -> str | None:
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


def _reach(address: str) -> None:
    """Find out within seconds that nobody is there; Ray's client would wait for minutes."""
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--address must be the URL of a Ray dashboard, for instance http://head:8265. Received: {address!r}")
    try:
        socket.create_connection((parts.hostname, port), timeout=_CONNECT_S).close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(f"no Ray cluster answers at {address}: {reason}. Check --address.") from None


@contextlib.contextmanager
def _address_is(address: str) -> Iterator[None]:
    """Let Ray's client go where it is told; its environment variables would overrule its argument."""
    before = os.environ.get(API_SERVER)
    os.environ[API_SERVER] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ[API_SERVER]
        else:
            os.environ[API_SERVER] = before
