"""Scheduled runs that are real: processes on this machine, and jobs on a cluster whose scheduler dies."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from distrnn.registry import Registry
from distrnn.registry.fences import FENCE
from distrnn.retraining import inputs
from distrnn.retraining.book import Book
from distrnn.retraining.runner import Processes, Run
from distrnn.retraining.scheduler import Around, Scheduled, Scheduler
from distrnn.workflow import load_workflow
from fixtures_processes import Command
from fixtures_s3 import S3Server
from fixtures_training_cluster import Bucket
from fixtures_training_jobs import JobNodes
from fixtures_training_runs import end_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WORKFLOW = """
name: reviews
data: {source: csv, path: reviews.csv, labels: [bad, good], test_fraction: 0.3}
model: {type: lstm, sequence_length: 10, embedding_dim: 4, units: 4}
train: {epochs: EPOCHS, global_batch_size: 8, checkpoint_every_s: 0.5, steps_per_call: 1}
scaling: {device: cpu}
register: {name: reviews, promote: {alias: production, metric: accuracy, min: 0.0}}
schedule: {cron: "0 3 * * *", retries: {count: 1, wait_s: 60}}
"""


class Clock:
    """Says what the test says, and goes on from there as time does."""

    def __init__(self, text: str) -> None:
        self.set(text)

    def set(self, text: str) -> None:
        self._base, self._since = datetime.fromisoformat(text).replace(tzinfo=UTC), time.monotonic()

    def __call__(self) -> datetime:
        return self._base + timedelta(seconds=time.monotonic() - self._since)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Scheduled]:
    """Write the workflow and so many reviews."""

    def make(rows: int = 60, epochs: int = 1, data_path: str | None = None) -> Scheduled:
        lines = [f"a {'good' if row % 2 else 'dull'} film number {row},{'good' if row % 2 else 'bad'}" for row in range(rows)]
        (tmp_path / "reviews.csv").write_text("\n".join(["text,label", *lines]))
        text = WORKFLOW.replace("EPOCHS", str(epochs))
        (tmp_path / "reviews.yaml").write_text(text.replace("reviews.csv", data_path) if data_path else text)
        loaded = load_workflow(tmp_path / "reviews.yaml")
        assert loaded.workflow.schedule is not None
        return Scheduled(loaded, loaded.workflow.schedule)

    return make


class Party:
    """What several schedulers share."""

    def __init__(self, scheduled: Scheduled, clock: Clock, address: str | None = None) -> None:
        self.registry, self.scheduled, self.clock = Registry(), scheduled, clock
        self.book, self.address, self.runs = Book(self.registry.store), address, list[Run]()
        self.executor = ThreadPoolExecutor(1)

    def scheduler(self, holder: str) -> Scheduler:
        processes = Processes(self.address)
        start = processes.start

        def remembered(order):
            self.runs.append(start(order))
            return self.runs[-1]

        processes.start = remembered  # type: ignore[method-assign]
        look = partial(inputs.inputs_of, registry=self.registry)
        around = Around(self.book, processes, look, self.executor, self.clock, self.registry.url)
        return Scheduler(around, [self.scheduled], holder)

    def story(self) -> list[str]:
        return [f"{entry.outcome}: {entry.error or entry.reason}" for entry in self.book.history("reviews")][::-1]

    def step_until(self, scheduler: Scheduler, count: int) -> None:
        """Step until so many decisions are made."""
        deadline = time.monotonic() + 280.0
        while len(self.story()) < count:
            scheduler.step()
            assert time.monotonic() < deadline, self.story()
            time.sleep(0.1)


def test_processes_train_when_the_data_changed_and_only_then(write: Callable[..., Scheduled], monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(inputs, "code", lambda: "1")  # whoever works on the code while this runs changes it
    clock = Clock("2026-11-01T00:00:00")
    party = Party(write(), clock)
    scheduler = party.scheduler("one")
    scheduler.step()
    clock.set("2026-11-01T03:00:00")
    party.step_until(scheduler, 1)
    clock.set("2026-11-02T03:00:00")
    party.step_until(scheduler, 2)
    write(rows=80)
    clock.set("2026-11-03T03:00:00")
    party.step_until(scheduler, 3)
    assert party.story() == [
        "promoted: the first run",
        "skipped: data, workflow and code are unchanged",
        "promoted: the data changed: the source's bytes changed",
    ]
    assert Registry().resolve("reviews@production").number == 2
    party.executor.shutdown()


def test_a_run_that_its_schedule_has_given_up_publishes_nothing(
    write: Callable[..., Scheduled], start_command: Callable[..., Command], monkeypatch
) -> None:
    monkeypatch.setenv(FENCE, "reviews:7")
    command = start_command("run", write().loaded.file)
    assert end_of(command) == 6, command.stderr
    assert command.stderr.splitlines()[-1] == (
        "error: the schedule of reviews has given up this run (its number is 7, the newest one None), so nothing is published. "
        "See: distrnn schedule history reviews"
    )
    assert not list((command.home / "registry").rglob("versions/*.json"))


def test_a_job_outlives_its_scheduler_and_the_next_one_takes_note_of_it(
    job_nodes: JobNodes, rgw_s3: S3Server, write: Callable[..., Scheduled], monkeypatch, tmp_path: Path
) -> None:
    from distrnn.cluster.jobs import Jobs
    from distrnn.storage import open_store

    rgw_s3.use(monkeypatch)
    bucket = Bucket(rgw_s3)
    for name, value in (("RAY_AUTH_MODE", "disabled"), ("DISTRNN_STORAGE", bucket.storage), ("DISTRNN_REGISTRY", bucket.registry)):
        monkeypatch.setenv(name, value)
    write()
    open_store(bucket.storage).put_file("reviews.csv", tmp_path / "reviews.csv")
    clock = Clock("2026-11-01T00:00:00")
    party = Party(write(epochs=3, data_path=f"{bucket.storage}/reviews.csv"), clock, job_nodes.url)
    killed = party.scheduler("killed")
    killed.step()
    clock.set("2026-11-01T03:00:00")
    deadline = time.monotonic() + 280.0
    while not [job for job in Jobs(job_nodes.url).all() if job.workflow == "reviews" and job.status == "running"]:
        killed.step()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    party.runs[0].stop()  # the process that followed the job dies with its scheduler
    clock.set("2026-11-01T03:10:00")
    party.step_until(party.scheduler("next"), 1)
    assert party.story() == ["promoted: the first run"]
    (entry,) = party.book.history("reviews")
    assert (entry.scheduler, entry.number) == ("next", 1)
    assert [job.submission for job in Jobs(job_nodes.url).of_run(str(entry.run_id))] == [f"{entry.run_id}.1"]
    assert Registry().resolve("reviews@production").number == 1
    party.executor.shutdown()
