"""The training job: one Ray Train worker that holds all replicas, its checkpoints kept by Ray Train, replaced when it dies.

`DataParallelTrainer` and not `TensorflowTrainer`: that one sets TF_USE_LEGACY_KERAS, which breaks Keras 3, and adds nothing that is needed.
The last checkpoint of a run carries the finished model and its evaluation, so that a run that stopped between training and registration
goes on from there.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.fs
import ray
from ray import train
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from distrnn.cluster.channel import Mailbox, WorkerSide
from distrnn.errors import DistrnnError, StorageError
from distrnn.progress import Progress
from distrnn.storage import filesystem, open_store
from distrnn.training.plan import Placement
from distrnn.workflow import validate

MODEL_FOLDER = "model"
OUTCOME_FILE = "outcome.json"
CHECKPOINTS_KEPT = 2
POLL_S = 0.2
STOP_WITHIN_S = 20.0


@dataclass(frozen=True)
class TrainJob:
    """All that the worker needs, as plain values.

    Attributes:
        workflow: resolved, as JSON.
        storage: URL of the storage root.
        fingerprint: of the dataset.
        placement: of the worker.
        run_folder: key of the run under the storage root.
        log_file: where the worker's output goes, if the worker can reach it.
    """

    workflow: dict[str, Any]
    storage: str
    fingerprint: str
    placement: Placement
    run_folder: str
    log_file: str | None


def train_on_ray(
    job: TrainJob, *, max_failures: int, progress: Progress, stop_requested: Callable[[], bool], folder: Path
) -> dict[str, Any] | None:
    """Train, and bring the finished model into `folder`.

    Args:
        job: what to do.
        max_failures: how many times a lost worker is replaced.
        progress: told what the worker tells.
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
    trainer = _trainer(job, mailbox, max_failures)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(_fit(trainer)), name="ray-train", daemon=True)
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
    failure = ray.get(mailbox.failure.remote())
    if failure is not None:
        raise failure
    result = results[0]
    if isinstance(result, BaseException):
        raise DistrnnError(
            f"training ended without a result: {_first_line(result)}. A lost worker is replaced {max_failures} times at most "
            "(train.max_failures); see the run's log.txt."
        )
    return _collect(result.checkpoint, folder) if result.checkpoint else None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def _fit(trainer: DataParallelTrainer) -> Any:
    try:
        return trainer.fit()
    except Exception as error:
        return error


def _trainer(job: TrainJob, mailbox: Any, max_failures: int) -> DataParallelTrainer:
    resources = {"CPU": job.placement.cpus, **({"GPU": job.placement.gpus} if job.placement.gpus else {})}
    fsspec_filesystem, path = filesystem(f"{job.storage}/{job.run_folder}")
    is_remote = not open_store(job.storage).is_local
    return DataParallelTrainer(
        run_worker,
        train_loop_config={"job": job, "mailbox": mailbox},
        scaling_config=train.ScalingConfig(num_workers=1, use_gpu=job.placement.gpus > 0, resources_per_worker=resources),
        run_config=train.RunConfig(
            name="checkpoints",
            storage_path=path,
            storage_filesystem=pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fsspec_filesystem)) if is_remote else None,
            failure_config=train.FailureConfig(max_failures=max_failures),
            checkpoint_config=train.CheckpointConfig(num_to_keep=CHECKPOINTS_KEPT),
        ),
    )


def _collect(checkpoint: Any, folder: Path) -> dict[str, Any] | None:
    with checkpoint.as_directory() as source:
        if not Path(source, OUTCOME_FILE).exists():
            return None
        shutil.copytree(Path(source, MODEL_FOLDER), folder, dirs_exist_ok=True)
        document: dict[str, Any] = json.loads(Path(source, OUTCOME_FILE).read_text(encoding="utf-8"))
    return document


def run_worker(config: dict[str, Any]) -> None:
    """The function that Ray Train runs in the worker; every failure but the death of the process is told through the mailbox."""
    job: TrainJob = config["job"]
    side = WorkerSide(config["mailbox"])
    _send_output_to(job.log_file)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    try:
        _train(job, side)
    except DistrnnError as error:
        ray.get(config["mailbox"].fail.remote(error))
    except OSError as error:
        ray.get(config["mailbox"].fail.remote(StorageError(f"training could not write or read a file: {error}")))
    except Exception as error:
        traceback.print_exc()
        ray.get(config["mailbox"].fail.remote(DistrnnError(f"training failed: {type(error).__name__}: {_first_line(error)}")))


def _train(job: TrainJob, side: WorkerSide) -> None:
    from distrnn.cluster import outcome
    from distrnn.data.dataset import open_dataset
    from distrnn.training import checkpoints
    from distrnn.training.job import train_and_export
    from distrnn.training.loop import Hooks, Interrupted

    workflow = validate(job.workflow, "workflow")
    dataset = open_dataset(open_store(job.storage), job.fingerprint)
    with tempfile.TemporaryDirectory(prefix="distrnn-") as temporary:
        last = train.get_checkpoint()
        start = None
        if last is not None:
            with last.as_directory() as folder:
                if Path(folder, OUTCOME_FILE).exists():
                    train.report({"finished": True}, checkpoint=train.Checkpoint.from_directory(_copy(folder, temporary)))
                    return
                start = checkpoints.read(Path(folder))
        final = Path(temporary, "final")
        (final / MODEL_FOLDER).mkdir(parents=True)
        hooks = Hooks(side.progress, side.stop_requested, _save)
        try:
            result = train_and_export(workflow, dataset, job.placement, hooks, start, final / MODEL_FOLDER)
        except Interrupted:
            return
        document = outcome.describe(workflow, dataset, result, final / MODEL_FOLDER)
        (final / OUTCOME_FILE).write_text(json.dumps(document), encoding="utf-8")
        train.report({"finished": True}, checkpoint=train.Checkpoint.from_directory(str(final)))


def _copy(source: str, temporary: str) -> str:
    return str(shutil.copytree(source, Path(temporary, "finished")))


def _save(checkpoint: Any) -> None:
    from distrnn.training import checkpoints

    with tempfile.TemporaryDirectory(prefix="distrnn-checkpoint-") as folder:
        checkpoints.write(Path(folder), checkpoint)
        train.report({"epoch": checkpoint.position.epoch}, checkpoint=train.Checkpoint.from_directory(folder))


def _send_output_to(log_file: str | None) -> None:
    """TensorFlow writes to the file descriptors themselves, so those are pointed at the run's log."""
    if log_file is None:
        return
    with contextlib.suppress(OSError), Path(log_file).open("a", encoding="utf-8") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
