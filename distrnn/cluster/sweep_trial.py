"""One trial of a sweep, in its worker: train, report each epoch to Ray Tune, and tell the driver how it ended.

A trial that fails is a result like any other, so it returns; Ray Tune starts anew only those whose process died.
"""

import os
import time
import traceback
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune

from distrnn.cluster.channel import WorkerSide
from distrnn.cluster.process import prepare_process
from distrnn.cluster.train_job import first_line
from distrnn.errors import DistrnnError
from distrnn.progress import Event
from distrnn.storage import open_store
from distrnn.training.plan import Placement
from distrnn.workflow import validate

STAGE = "trial"


@dataclass(frozen=True)
class TrialJob:
    """All that a worker needs, as plain values.

    Attributes:
        workflow: resolved, as JSON.
        storage: URL of the storage root.
        fingerprint: of the dataset.
        placement: of the worker.
        log_file: where the worker's output goes, if the worker can reach it.
    """

    workflow: dict[str, Any]
    storage: str
    fingerprint: str
    placement: Placement
    log_file: str | None


def run_trial(config: dict[str, Any], jobs: list[TrialJob], mailbox: Any) -> None:
    """The function that Ray Tune runs.

    Args:
        config: `trial` is the trial's position.
        jobs: of all trials.
        mailbox: hears events whose info has `trial`; the last one, of stage `STAGE`, has `outcome` too.
    """
    if ray.get(mailbox.exchange.remote([])):
        return
    index = config["trial"]
    job = jobs[index]
    prepare_process(job.log_file)
    # Trials stand side by side on the CPUs of a node, so each keeps to its own
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(job.placement.cpus)
    side = WorkerSide(mailbox)
    outcome = _outcome(job, side, index)
    if outcome is not None:
        side.progress(Event(STAGE, 1, 1, "trials", {"trial": index, "outcome": outcome}))


def _outcome(job: TrialJob, side: WorkerSide, index: int) -> dict[str, Any] | None:
    """`history`, `parameters` (None where it failed), `seconds` and `error` (None where it did not); None where a stop was requested."""
    from distrnn.training.loop import Interrupted

    history: list[dict[str, Any]] = []
    parameters, error = None, None
    started = time.perf_counter()
    try:
        parameters = _train(job, side, index, history)
    except Interrupted:
        return None
    except DistrnnError as failure:
        error = failure.to_json()
    except Exception as failure:
        traceback.print_exc()
        error = DistrnnError(f"training failed: {type(failure).__name__}: {first_line(failure)}").to_json()
    return {"history": history, "parameters": parameters, "seconds": round(time.perf_counter() - started, 3), "error": error}


def _train(job: TrialJob, side: WorkerSide, index: int, history: list[dict[str, Any]]) -> int:
    """Train to the end; fills `history` and returns the number of parameters."""
    from distrnn.data.dataset import open_dataset
    from distrnn.training.job import train
    from distrnn.training.loop import Hooks

    workflow = validate(job.workflow, "workflow")
    dataset = open_dataset(open_store(job.storage), job.fingerprint)

    def tell(event: Event) -> None:
        side.progress(Event(event.stage, event.done, event.total, event.unit, {**event.info, "trial": index}))

    def report(checkpoint: Any) -> None:
        for entry in checkpoint.position.history[len(history) :]:
            history.append(entry)
            tune.report({key: value for key, value in entry.items() if value is not None})

    trained = train(workflow, dataset, job.placement, Hooks(tell, side.stop_requested, report), None)
    return int(trained.model.count_params())
