"""A pool of Ray actors: each works on one task at a time, and one that dies costs that task and is replaced.

Tasks go to actors that have said that they are up, so a cluster that cannot place all of them, or has lost a node, works with those it has.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError

from distrnn.errors import DataError, DistrnnError

ATTEMPTS = 3
DEAD_WITHIN_S = 5.0
_STARTING = None
_DEATHS = (RayActorError, OutOfMemoryError, WorkerCrashedError)


class ActorPool:
    """Actors that do tasks of one kind after another.

    A task is handed out only when an actor is free, so nothing queues up anywhere but here.

    Args:
        start: starts one actor.
        size: how many actors.
    """

    def __init__(self, start: Callable[[], Any], size: int) -> None:
        self._start = start
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int | None]] = {}
        self._failed_starts = 0
        for _ in range(size):
            self._start_one()

    def __enter__(self) -> "ActorPool":
        return self

    def __exit__(self, *_: object) -> None:
        for actor in [*self._idle, *(actor for actor, _ in self._busy.values())]:
            ray.kill(actor)
        if self._busy:  # an actor that is being killed may still write; whoever removes what it wrote must come after it
            ray.wait(list(self._busy), num_returns=len(self._busy), timeout=DEAD_WITHIN_S)
        self._idle, self._busy = [], {}

    def run(self, method: str, tasks: Sequence[tuple[Any, ...]], done: Callable[[int, Any], None]) -> list[Any]:
        """Call `method` once for each task.

        Args:
            method: of the actor.
            tasks: arguments of each call.
            done: told the task's number and its result as they come.

        Returns:
            results in the order of the tasks.

        Raises:
            DistrnnError: the one an actor raised.
            DataError: a task outlived no actor in `ATTEMPTS` attempts.
        """
        waiting, attempts = deque(range(len(tasks))), [0] * len(tasks)
        results: dict[int, Any] = {}
        while len(results) < len(tasks):
            while waiting and self._idle:
                actor, number = self._idle.pop(), waiting.popleft()
                self._busy[getattr(actor, method).remote(*tasks[number])] = (actor, number)
            (ready,), _ = ray.wait(list(self._busy), num_returns=1)
            actor, finished = self._busy.pop(ready)
            try:
                result = _result(ready)
            except _DEATHS as error:
                self._count_death(finished, attempts, error)
                if finished is not _STARTING:
                    waiting.appendleft(finished)
                self._start_one()
                continue
            self._idle.append(actor)
            if finished is not _STARTING:
                results[finished] = result
                done(finished, result)
        return [results[number] for number in range(len(tasks))]

    def _start_one(self) -> None:
        actor = self._start()
        self._busy[actor.__ray_ready__.remote()] = (actor, _STARTING)

    def _count_death(self, number: int | None, attempts: list[int], error: Exception) -> None:
        if number is _STARTING:
            self._failed_starts += 1
            if self._failed_starts >= ATTEMPTS:
                raise DataError(f"{ATTEMPTS} preprocessing actors died while they started: {_said(error)}. See: distrnn doctor") from error
            return
        attempts[number] += 1
        if attempts[number] >= ATTEMPTS:
            raise DataError(
                f"a preprocessing actor died {ATTEMPTS} times on the same chunk: {_said(error)}. If memory ran out, use "
                "fewer of them (scaling.actors)."
            ) from error


def _result(reference: Any) -> Any:
    try:
        return ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, DistrnnError):
            raise error.cause from None
        raise DistrnnError(f"preprocessing failed: {type(error.cause).__name__}: {' '.join(str(error.cause).split())[:300]}") from None


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
