"""The training job: Ray Train workers, one a node that holds the node's replicas, replaced when they die, their checkpoints kept.

`DataParallelTrainer` and not `TensorflowTrainer`: that one sets TF_USE_LEGACY_KERAS, which breaks Keras 3, and adds nothing that is needed.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.fs
import ray
from ray import train
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from distrnn.cluster.channel import Mailbox
from distrnn.cluster.checkpoint_store import FOLDER, CheckpointStore
from distrnn.data.inputs import NOTHING, Inputs
from distrnn.errors import DistrnnError
from distrnn.progress import Progress
from distrnn.storage import filesystem, open_store
from distrnn.training.plan import Placement

MODEL_FOLDER = "model"
OUTCOME_FILE = "outcome.json"
POLL_S = 0.2
STOP_WITHIN_S = 20.0


@dataclass(frozen=True)
class TrainJob:
    """All that the worker needs, as plain values.

    Attributes:
        workflow: resolved, as JSON.
        storage: URL of the storage root.
        fingerprint: of the dataset.
        placement: of the workers.
        run_folder: key of the run under the storage root.
        log_file: where the worker's output goes, if the workers can reach it.
        inputs: what is read beside the dataset.
    """

    workflow: dict[str, Any]
    storage: str
    fingerprint: str
    placement: Placement
    run_folder: str
    log_file: str | None
    inputs: Inputs = NOTHING


def train_on_ray(
    job: TrainJob,
    *,
    max_failures: int,
    progress: Progress,
    stop_requested: Callable[[], bool],
    folder: Path,
) -> dict[str, Any] | None:
    """Train, and bring the finished model into `folder`.

    Args:
        job: what to do.
        max_failures: how many times a lost worker is replaced.
        progress: told what worker 0 tells.
        stop_requested: asked several times a second; once it says yes the worker saves a checkpoint
            and ends; one that does not within `STOP_WITHIN_S` is left to its last checkpoint.
        folder: exists and is empty; receives the published forms.
    Returns:
        the outcome: history, metrics, details, seconds (see `outcome`); None where training stopped on request.
    Raises:
        DistrnnError: what ended the worker.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    mailbox = Mailbox.options(scheduling_strategy=here).remote()  # type: ignore[attr-defined]
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(_fit(job, mailbox, max_failures)), name="ray-train", daemon=True)
    thread.start()
    asked_at: float | None = None
    while thread.is_alive():
        thread.join(POLL_S)
        for event in ray.get(mailbox.take.remote()):
            progress(event)
        if asked_at is None and stop_requested():
            asked_at = time.monotonic()
            mailbox.stop.remote()
        if asked_at is not None and time.monotonic() - asked_at > STOP_WITHIN_S:
            return None
    if failure := ray.get(mailbox.failure.remote()):
        raise failure
    if finished := ray.get(mailbox.finished.remote()):
        return _collect(job, finished, folder)
    error = results[0] if results else None
    if isinstance(error, DistrnnError):
        raise error
    if isinstance(error, BaseException):
        raise DistrnnError(
            f"training ended without a result: {first_line(error)}. A lost worker is replaced {max_failures} times at most "
            "(train.max_failures); see the run's log.txt."
        )
    return None


def first_line(error: BaseException) -> str:
    """The last line of a message that may be a traceback, cut to 300 characters; Ray Train's own failures hold the error within."""
    error = getattr(error, "controller_failure", None) or error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def _fit(job: TrainJob, mailbox: Any, max_failures: int) -> Any:
    """What Ray Train returns, or the error it raises.

    It replaces a worker that is lost, unless that happens between its start and its first call: there it gives up (ray 2.60), and is asked
    again.
    """
    lost = 0
    while True:
        try:
            CheckpointStore(open_store(job.storage), job.run_folder).drop_list_of_rays()
            return _trainer(job, mailbox, max_failures - lost).fit()
        except train.ControllerError as error:
            lost += 1
            if lost > max_failures or not isinstance(error.controller_failure, ray.exceptions.RayActorError):
                return error
        except Exception as error:
            return error


def _trainer(job: TrainJob, mailbox: Any, max_failures: int) -> DataParallelTrainer:
    resources = {"CPU": job.placement.cpus, **({"GPU": job.placement.gpus} if job.placement.gpus else {})}
    fsspec_filesystem, path = filesystem(f"{job.storage}/{job.run_folder}")
    is_remote = not open_store(job.storage).is_local
    return DataParallelTrainer(
        _run_worker,
        train_loop_config={"job": job, "mailbox": mailbox},
        scaling_config=train.ScalingConfig(
            num_workers=job.placement.workers,
            use_gpu=job.placement.gpus > 0,
            resources_per_worker=resources,
            placement_strategy="STRICT_SPREAD" if job.placement.workers > 1 else "PACK",
        ),
        run_config=train.RunConfig(
            name=FOLDER,
            storage_path=path,
            storage_filesystem=pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fsspec_filesystem)) if is_remote else None,
            failure_config=train.FailureConfig(max_failures=max_failures),
        ),
    )


def _collect(job: TrainJob, name: str, folder: Path) -> dict[str, Any]:
    """Bring the finished model of a checkpoint into `folder`, and give its outcome."""
    with CheckpointStore(open_store(job.storage), job.run_folder).opened(name) as source:
        shutil.copytree(Path(source, MODEL_FOLDER), folder, dirs_exist_ok=True)
        document: dict[str, Any] = json.loads(Path(source, OUTCOME_FILE).read_text(encoding="utf-8"))
    return document


def _run_worker(config: dict[str, Any]) -> None:
    from distrnn.cluster.worker import run_worker

    run_worker(config)
