"""The trials of a sweep on Ray Tune: every one gets its CPUs or its GPU, as many at a time as the cluster holds."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pyarrow.fs
import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from distrnn.cluster.channel import Mailbox
from distrnn.cluster.sweep_trial import TrialJob, run_trial
from distrnn.errors import DistrnnError
from distrnn.progress import Event
from distrnn.storage import filesystem, open_store

POLL_S = 0.2
STOP_WITHIN_S = 3.0
# A worker that goes on with the next trial saves the seconds that TensorFlow takes to import, and keeps some 25 MB of what XLA compiled
# for each (measured), so beyond so many trials every one has a process of its own.
MOST_REUSING = 100
# Tune's own tables and files say nothing that the sweep's do not; the first of them would be on stdout, where the result belongs.
SETTINGS = {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}


def run_trials(
    jobs: list[TrialJob],
    *,
    concurrent: int | None,
    max_failures: int,
    folder: str,
    listen: Callable[[Event], None],
    stop_requested: Callable[[], bool],
) -> dict[int, str]:
    """Run every trial; Ray must be up.

    Args:
        jobs: what to do, one a trial.
        concurrent: trials at a time, at most; None: as many as there is room for.
        max_failures: how many times a trial whose process died is started anew.
        folder: URL of the folder where Tune keeps its state.
        listen: told what the trials tell; see `sweep_trial.run_trial`.
        stop_requested: asked several times a second; once it says yes the trials end, and those that do not within `STOP_WITHIN_S`
            are left to Ray's own end.
    Returns:
        the trials whose process died once too often, and what is known about it.
    Raises:
        DistrnnError: Ray Tune itself failed.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    mailbox = Mailbox.options(scheduling_strategy=here).remote()  # type: ignore[attr-defined]
    tuner = _tuner(jobs, mailbox, concurrent, max_failures, folder)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(_fit(tuner)), name="ray-tune", daemon=True)
    thread.start()
    asked_at: float | None = None
    while thread.is_alive():
        thread.join(POLL_S)
        for event in ray.get(mailbox.take.remote()):
            listen(event)
        if asked_at is None and stop_requested():
            asked_at = time.monotonic()
            mailbox.stop.remote()
        if asked_at is not None and time.monotonic() - asked_at > STOP_WITHIN_S:
            return {}
    for event in ray.get(mailbox.take.remote()):
        listen(event)
    if isinstance(results[0], BaseException):
        raise DistrnnError(f"Ray Tune ended without a result: {_first_line(results[0])}. See the sweep's log.txt.") from results[0]
    return {result.config["trial"]: _first_line(result.error) for result in results[0] if result.error is not None}


def _fit(tuner: Any) -> Any:
    try:
        return tuner.fit()
    except Exception as error:
        return error


def _tuner(jobs: list[TrialJob], mailbox: Any, concurrent: int | None, max_failures: int, folder: str) -> Any:
    os.environ.update({key: value for key, value in SETTINGS.items() if key not in os.environ})
    placement = jobs[0].placement
    resources = {"cpu": placement.cpus, **({"gpu": placement.gpus} if placement.gpus else {})}
    fsspec_filesystem, path = filesystem(folder)
    is_remote = not open_store(folder).is_local
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(run_trial, jobs=jobs, mailbox=mailbox), resources),
        param_space={"trial": tune.grid_search(list(range(len(jobs))))},
        tune_config=tune.TuneConfig(max_concurrent_trials=concurrent, reuse_actors=len(jobs) <= MOST_REUSING),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=path,
            storage_filesystem=pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fsspec_filesystem)) if is_remote else None,
            failure_config=tune.FailureConfig(max_failures=max_failures),
            verbose=0,
        ),
    )


def _first_line(error: BaseException) -> str:
    with contextlib.suppress(StopIteration):
        return next(line.strip() for line in str(error).splitlines() if line.strip())[:300]
    return type(error).__name__
