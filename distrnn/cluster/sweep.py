"""A sweep from the workflow file to the best combination: validate all, prepare each dataset once, train the trials, rank, draw.

The validation split ranks; nothing here opens the test split, whose figures belong to the run of the best one.
"""

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distrnn.cluster import sweep_data, sweep_record, sweep_result
from distrnn.cluster.interrupts import Interrupts
from distrnn.cluster.planning import names_file, place_workflow, require_shared, storage_of
from distrnn.cluster.result import Stopwatch
from distrnn.cluster.session import ray_session
from distrnn.cluster.sweep_output import free_file, write_new
from distrnn.cluster.sweep_plan import SweepPlan, Trial, make_plan
from distrnn.cluster.sweep_record import SweepOptions, SweepStore
from distrnn.cluster.sweep_trial import STAGE, TrialJob
from distrnn.cluster.sweep_tune import run_trials
from distrnn.errors import DataError, DistrnnError, InterruptedRunError
from distrnn.evaluation import sweep_picture
from distrnn.progress import Event, Progress, silent
from distrnn.runs import new_run_id
from distrnn.storage import default_storage, open_store
from distrnn.training.plan import Placement
from distrnn.workflow import Workflow, storage_root


@dataclass(frozen=True)
class SweepResult:
    """What a sweep gives.

    Attributes:
        document: of `sweep --json`.
        error: that the program ends with after showing it: every trial failed, or a signal arrived.
    """

    document: dict[str, Any]
    error: DistrnnError | None


def sweep_workflow(
    workflow_path: str | Path, options: SweepOptions, *, resume: str | None = None, progress: Progress = silent
) -> SweepResult:
    """Sweep, or go on with a sweep.

    Args:
        workflow_path: the YAML file.
        options: what it was given beside it.
        resume: id of a sweep to go on with, or `last`.
        progress: told how far the sweep is, stage `sweep`; `line` of its info is one for each trial that ended.
    Raises:
        DistrnnError: see `distrnn.errors`; InterruptedRunError if a signal arrives before any trial ended.
    """
    store = open_store(storage_root(workflow_path, options.overrides) or default_storage())
    with contextlib.ExitStack() as stack:
        record = None
        if resume is not None:
            record = SweepStore(store).load(resume)
            stack.enter_context(SweepStore(store).held(record["sweep_id"]))
            options = options.or_else(sweep_record.options_of(record))
        plan = make_plan(workflow_path, options.overrides, options.grid, options.metric)
        stack.enter_context(names_file(plan.base))
        if record is not None:
            sweep_record.check_resumable(record, plan)
        output = free_file(options.output or f"{plan.base.workflow.name}-best.yaml")
        sweeps = SweepStore(storage_of(plan.base))
        sweep_id = record["sweep_id"] if record else new_run_id(plan.base.workflow.name, datetime.now(UTC))
        if record is None:
            stack.enter_context(sweeps.held(sweep_id))
        return _Sweep(plan, options, sweeps, sweep_id, output, record or {}, progress).result()


class _Sweep:
    """One execution; the stages share what is below."""

    def __init__(
        self,
        plan: SweepPlan,
        options: SweepOptions,
        sweeps: SweepStore,
        sweep_id: str,
        output: Path,
        record: Mapping[str, Any],
        progress: Progress,
    ) -> None:
        self.plan, self.options, self.sweeps, self.id, self.output, self.progress = plan, options, sweeps, sweep_id, output, progress
        self.interrupts, self.watch = Interrupts(), Stopwatch()
        self.datasets: list[str] = record.get("datasets", [])
        done = {sweep_result.identity(row["values"]): row for row in record.get("trials", [])}
        self.rows = {i: done[key] for i, trial in enumerate(plan.trials) if (key := sweep_result.identity(trial.values)) in done}

    def result(self) -> SweepResult:
        """All stages; the record says how they ended."""
        self._save("running")
        error: DistrnnError | None = None
        try:
            with self.interrupts.handled():
                self._execute()
        except InterruptedRunError as interruption:
            error = self._interrupted(interruption)
            if not self.rows:
                self._save("interrupted")
                raise error from None
        except BaseException:
            self._save("failed")
            raise
        error = error or sweep_result.failure(self.plan, self._ranked())
        status = "interrupted" if isinstance(error, InterruptedRunError) else "failed" if error else "finished"
        document = self._finish(status)
        return SweepResult(document, error)

    def _interrupted(self, interruption: InterruptedRunError) -> InterruptedRunError:
        command = self.options.resume_command(self.plan.base.file, self.id)
        message = f"sweep {self.id} was {interruption.message}; finished trials are kept. Go on with: {command}"
        return InterruptedRunError(message, signal=interruption.fields["signal"])

    def _execute(self) -> None:
        waiting = [index for index in range(len(self.plan.trials)) if index not in self.rows]
        if not waiting:
            return
        sweep_data.check_all_trainable(self.plan)
        log_file = self.sweeps.log_file(self.id)
        with contextlib.ExitStack() as stack:
            with self.watch.stage("start"):
                nodes = stack.enter_context(ray_session(self.options.address, log_file))
            workflow, store = self.plan.base.workflow, self.sweeps.store
            places = {"storage.root": store.url}
            alone = require_shared(workflow, nodes, self.options.address, places, self.options.shared_filesystem)
            placement = place_workflow(_for_a_trial(workflow), nodes)
            with self.watch.stage("prepare"):
                datasets = self._prepare()
            jobs = [self._job(self.plan.trials[index], placement, datasets[index], log_file if alone else None) for index in waiting]
            # Tune keeps a state that only it reads: on one machine for as long as it runs, on a cluster where every node reaches it
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="distrnn-sweep-", ignore_cleanup_errors=True))
            folder = temporary if alone else f"{store.url.rstrip('/')}/sweeps/{self.id}"
            with self.watch.stage("trials"), _quiet_stdout(log_file):
                self._train(jobs, waiting, folder)
        if self.interrupts.received is not None:
            raise InterruptedRunError(f"interrupted by {signal.Signals(self.interrupts.received).name}", signal=self.interrupts.received)

    def _job(self, trial: Trial, placement: Placement, fingerprint: str, log_file: str | None) -> TrialJob:
        return TrialJob(trial.loaded.to_json(), self.sweeps.store.url, fingerprint, placement, log_file)

    def _prepare(self) -> list[str]:
        """The dataset of every trial; a sweep that goes on needs those it began with."""
        fingerprints = sweep_data.prepare_all(self.plan, self.sweeps.store, self.progress)
        datasets = sorted(set(fingerprints))
        if self.datasets and self.datasets != datasets:
            raise DataError(
                f"expected the data that sweep {self.id} began with. Received: other texts. Bring the data back, or start a new sweep."
            )
        self.datasets = datasets
        return fingerprints

    def _train(self, jobs: list[TrialJob], waiting: list[int], folder: str) -> None:
        self._tell("starting the workers")
        dead: dict[int, str] = {}
        try:
            with self.interrupts.deferred():
                dead = run_trials(
                    jobs,
                    concurrent=self.options.concurrent,
                    max_failures=self.plan.base.workflow.train.max_failures,
                    folder=folder,
                    listen=lambda event: self._hear(event, waiting),
                    stop_requested=lambda: self.interrupts.received is not None,
                )
        except Exception:
            # A signal to the whole process group ends Ray as well; what it fails with then is not the news
            if self.interrupts.received is None:
                raise
        if self.interrupts.received is None:
            for position, reason in dead.items():
                if (index := waiting[position]) not in self.rows:
                    self._add(index, sweep_result.lost(self.plan.trials[index], self.plan.metric, reason))

    def _hear(self, event: Event, waiting: list[int]) -> None:
        index = waiting[event.info["trial"]]
        trial = self.plan.trials[index]
        if event.stage == STAGE:
            self._add(index, sweep_result.row(trial, self.plan.metric, event.info["outcome"]))
        elif warning := event.info.get("warning"):
            self._tell(trial.label, warning=f"{trial.label}: {warning}")
        else:
            self._tell(f"{trial.label}: {_epoch(event.info)}")

    def _add(self, index: int, row: sweep_result.Row) -> None:
        self.rows[index] = row
        self._save("running")
        label = self.plan.trials[index].label
        if row["status"] == "failed":
            said = f"{label}: failed, {row['error']['message']}"
        else:
            said = f"{label}: validation {self.plan.metric} {row['value']:.4f} at epoch {row['best_epoch']} of {row['epochs']}"
        took = f" ({row['seconds']:.1f} s)" if row["seconds"] is not None else ""
        self._tell(said, line=f"sweep: {len(self.rows)}/{len(self.plan.trials)} trials, {said}{took}")

    def _tell(self, message: str, **more: str) -> None:
        self.progress(Event("sweep", len(self.rows), len(self.plan.trials), "trials", {"message": message, **more}))

    def _ranked(self) -> list[sweep_result.Row]:
        return sweep_result.ranked(list(self.rows.values()), self.plan.metric)

    def _finish(self, status: str) -> dict[str, Any]:
        """Draw, write the best workflow, and save the record."""
        rows = self._ranked()
        self.sweeps.put(self.id, sweep_record.PICTURE, sweep_picture.draw(self._document(status)))
        command = self.options.command(self.plan.base.file)
        best = sweep_result.best_workflow(self.plan, rows, self.id, command, f"{datetime.now(UTC):%Y-%m-%d}")
        if best is None:
            return self._save(status)
        file = self.sweeps.put(self.id, sweep_record.BEST, best.encode())
        if status == "finished":
            write_new(self.output, best, file)
            file = str(self.output)
        return self._save(status, best_file=file)

    def _save(self, status: str, *, best_file: str | None = None) -> dict[str, Any]:
        document = self._document(status)
        if best_file is not None:
            top = document["trials"][0]
            document["best"] = {"file": best_file, **{key: top[key] for key in ("values", "value", "best_epoch")}}
        self.sweeps.save({**document, **sweep_record.opened(self.id, self.plan, self.options)})
        return document

    def _document(self, status: str) -> dict[str, Any]:
        return {
            "sweep_id": self.id,
            "status": status,
            "workflow": self.plan.base.workflow.name,
            "metric": self.plan.metric,
            "grid": self.plan.grid,
            "datasets": self.datasets,
            "trials": self._ranked(),
            "left": len(self.plan.trials) - len(self.rows),
            "best": None,
            "picture": self.sweeps.location(self.id, sweep_record.PICTURE),
            "record": self.sweeps.location(self.id, sweep_record.RECORD),
            "seconds": self.watch.seconds,
        }


def _for_a_trial(workflow: Workflow) -> Workflow:
    """A workflow whose `auto` is one CPU, and one GPU where there are any: trials stand side by side."""
    scaling = workflow.scaling
    ones = {key: 1 for key in ("cpus_per_worker", "gpus_per_worker") if getattr(scaling, key) == "auto"}
    return workflow.model_copy(update={"scaling": scaling.model_copy(update=ones)})


def _epoch(info: Mapping[str, Any]) -> str:
    return f"epoch {info.get('epoch', '?')}/{info.get('epochs', '?')}" + (f", loss {info['loss']:.4f}" if "loss" in info else "")


@contextlib.contextmanager
def _quiet_stdout(log_file: str | None) -> Iterator[None]:
    """What Ray prints about dead workers goes to the log: stdout is for the result."""
    with Path(log_file or os.devnull).open("a", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        yield
