"""What Ray Train runs in each worker: find the others, go on from the newest whole checkpoint, train, and bring the finished model back.

The last checkpoint of a run carries the finished model and its evaluation, so that a run that stopped between training and registration
goes on from there. Ray Train replaces workers that die, and those whose neighbours died; every other failure is told through the mailbox,
because trying it again would only fail again.
"""

import contextlib
import json
import random
import socket
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import ray
from ray import train
from ray.train import CheckpointUploadMode
from ray.train.collective import barrier, broadcast_from_rank_zero

from distrnn.cluster.channel import WorkerSide
from distrnn.cluster.checkpoint_store import CheckpointStore, check_digests, digests, newest_whole
from distrnn.cluster.process import prepare_process
from distrnn.cluster.train_job import MODEL_FOLDER, OUTCOME_FILE, TrainJob, first_line
from distrnn.cluster.watching import watched
from distrnn.errors import DistrnnError, IntegrityError, StorageError
from distrnn.progress import Event, log
from distrnn.storage import open_store
from distrnn.workflow import validate

MEET_EVERY_S = 0.1
PORTS = range(20_000, 30_000)
DIGESTS = "digests"
FINISHED = "finished-"


def run_worker(config: dict[str, Any]) -> None:
    """The function that Ray Train runs; `config` holds the `job` and the `mailbox`."""
    job: TrainJob = config["job"]
    mailbox = config["mailbox"]
    if ray.get(mailbox.failure.remote()) is not None:
        return  # a worker has failed for good, and Ray Train has started its neighbours again
    prepare_process(job.log_file)
    try:
        _Worker(job, mailbox).run()
    except Exception as error:
        if job.placement.workers > 1 and _is_of_the_group(error):
            raise
        # told first: the log may be on the disk that is full
        ray.get(mailbox.fail.remote(_told(error)))
        with contextlib.suppress(OSError):
            traceback.print_exc()
        if job.placement.workers > 1:
            raise


def _told(error: Exception) -> DistrnnError:
    if isinstance(error, DistrnnError):
        return error
    if isinstance(error, OSError):
        return StorageError(f"training could not write or read a file: {error}")
    return DistrnnError(f"training failed: {type(error).__name__}: {first_line(error)}")


def _is_of_the_group(error: Exception) -> bool:
    """Whether it is the loss of another worker, which TensorFlow and Ray tell in many ways."""
    from distrnn.training.strategy import may_be_a_lost_worker

    return isinstance(error, ray.exceptions.RayError) or may_be_a_lost_worker(error)


def meet(mailbox: Any, group: str, rank: int, workers: int) -> list[str]:
    """Addresses of all workers of a group by rank, for TensorFlow to connect them; returns when the last of them has come."""
    address = f"{ray.util.get_node_ip_address()}:{free_port()}"
    ray.get(mailbox.arrive.remote(group, rank, address))
    while len(addresses := ray.get(mailbox.arrived.remote(group))) < workers:
        time.sleep(MEET_EVERY_S)
    return [addresses[at] for at in range(workers)]


def free_port() -> int:
    """A port of this machine that nobody listens at, for TensorFlow, which does so a moment later.

    None of those that systems give to outgoing connections (from 32,768 on) or Ray to its workers (up to 19,999): on a busy machine one of
    them would be taken in between.
    """
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise DistrnnError(f"no port from {PORTS[0]} to {PORTS[-1]} is free for TensorFlow's workers to meet at")


class _Worker:
    """One worker of a job."""

    def __init__(self, job: TrainJob, mailbox: Any) -> None:
        self._job, self._mailbox = job, mailbox
        self._rank = train.get_context().get_world_rank()
        self._side = WorkerSide(mailbox)
        self._store = open_store(job.storage)
        self._checkpoints = CheckpointStore(self._store, job.run_folder)
        self._group: str = broadcast_from_rank_zero(uuid.uuid4().hex[:8])

    def run(self) -> None:
        """Everything; ends early where training is finished or was interrupted."""
        from distrnn.cluster import outcome
        from distrnn.data.dataset import open_dataset
        from distrnn.training.job import train_and_export
        from distrnn.training.loop import Hooks, Interrupted
        from distrnn.training.strategy import Member

        last = self._last()
        if last is not None and last.startswith(FINISHED):
            if last not in self._reported():  # Ray Train deletes what it is told of twice
                self._report(last)
            self._finish(last)
            return
        workers = self._job.placement.workers
        member = Member(self._rank, meet(self._mailbox, self._group, self._rank, workers) if workers > 1 else ())
        workflow = validate(self._job.workflow, "workflow")
        dataset = open_dataset(self._store, self._job.fingerprint)
        leads = self._rank == 0
        hooks = Hooks(
            progress=self._side.progress if leads else _unheard,
            stop_requested=self._side.stop_requested if leads else lambda: False,
            save=self._save,
            agree=self._agree if member.workers > 1 else lambda find: find(),
        )
        checkpoint = self._read(last)
        watching = watched(hooks, workflow, self._store, self._job.run_folder, checkpoint, self._tell)
        with watching if leads else contextlib.nullcontext(hooks) as hooks, tempfile.TemporaryDirectory(prefix="distrnn-") as temporary:
            model = Path(temporary, MODEL_FOLDER)
            model.mkdir()
            try:
                result = train_and_export(workflow, dataset, self._job.placement, hooks, checkpoint, model, member, inputs=self._job.inputs)
            except Interrupted:
                return
            name = f"{FINISHED}{self._group}"
            if result is not None:
                document = {**outcome.describe(workflow, dataset, result, model), DIGESTS: digests(model)}
                Path(temporary, OUTCOME_FILE).write_text(json.dumps(document), encoding="utf-8")
                self._checkpoints.put(name, Path(temporary))
            self._report(name)
            self._finish(name)

    def _finish(self, name: str) -> None:
        if self._rank == 0:
            ray.get(self._mailbox.finish.remote(name))

    def _agree(self, find: Callable[[], Any]) -> Any:
        return broadcast_from_rank_zero(find() if self._rank == 0 else None)

    def _last(self) -> str | None:
        """The newest checkpoint that is whole; worker 0 looks for it."""

        def find() -> str | None:
            found = newest_whole(self._checkpoints.names(), self._check, self._tell)
            if found is not None:
                log(f"going on from checkpoint {found}")
            return found

        last: str | None = self._agree(find)
        return last

    def _reported(self) -> list[str]:
        """What Ray Train's list holds."""
        return [PurePosixPath(report.checkpoint.path).name for report in train.get_all_reported_checkpoints() if report.checkpoint]

    def _check(self, name: str) -> None:
        if not name.startswith(FINISHED):
            self._read(name)
            return
        with self._checkpoints.opened(name) as folder:
            try:
                document = json.loads(Path(folder, OUTCOME_FILE).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                raise IntegrityError(f"its file {OUTCOME_FILE} is not what was written") from None
            check_digests(Path(folder, MODEL_FOLDER), document.get(DIGESTS, {}))

    def _read(self, name: str | None) -> Any:
        from distrnn.training import checkpoints

        if name is None:
            return None
        with self._checkpoints.opened(name) as folder:
            return checkpoints.read(folder)

    def _save(self, checkpoint: Any) -> None:
        """Keep a checkpoint; one worker that cannot goes on without it, because the next may succeed."""
        from distrnn.training import checkpoints

        position, workers = checkpoint.position, self._job.placement.workers
        name = f"epoch-{position.epoch + 1:05d}-step-{position.step:08d}-{self._group}"
        with tempfile.TemporaryDirectory(prefix="distrnn-checkpoint-") as temporary:
            try:
                checkpoints.write(Path(temporary), checkpoint, rank=self._rank, workers=workers)
                self._checkpoints.put(name, Path(temporary), barrier if workers > 1 else lambda: None)
            except (DistrnnError, OSError) as error:
                if workers > 1:
                    raise
                self._tell(f"a checkpoint could not be written ({first_line(error)}); training goes on, the one before it counts")
                return
        if self._rank == 0:
            with contextlib.suppress(DistrnnError, OSError):
                self._checkpoints.keep(self._job.workflow["train"]["checkpoints_kept"])

    def _report(self, name: str) -> None:
        """Give the finished model to the driver. Ray Train is told of no other checkpoint: it fails where its own list cannot be kept."""
        storage = train.get_context().get_storage()
        checkpoint = train.Checkpoint(f"{storage.experiment_fs_path}/{name}", storage.storage_filesystem)
        train.report({"finished": True}, checkpoint=checkpoint, checkpoint_upload_mode=CheckpointUploadMode.NO_UPLOAD)

    def _tell(self, message: str) -> None:
        """Tell the driver at once, and the log."""
        log(message)
        ray.get(self._mailbox.exchange.remote([Event("train", 0, None, "", {"warning": message})]))


def _unheard(_event: Event) -> None:
    """Worker 0 speaks for all."""
