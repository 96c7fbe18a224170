"""Every interleaving of a few actors over one store, one after the other.

Each actor runs in a thread of its own and stops before every operation that another actor could notice; a scheduler lets one of them go
on at a time. A run is a sequence of choices; the next run takes the other choice at the last point that has one left, until none has.
Orders that differ only in neighbouring operations that do not touch each other are tried once (sleep sets, Godefroid 1996): the
states that are reached are the same.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

WRITES = frozenset({"put", "put_file", "create_if_absent", "compare_and_swap", "delete", "abort_upload"})
LISTS = frozenset({"list", "folders", "abandoned_uploads"})


class Abandoned(BaseException):
    """This run is like one that was tried."""


class Deadlock(AssertionError):
    """Every actor that is left waits for another."""


@dataclass(frozen=True)
class Operation:
    """What an actor is about to do."""

    name: str
    key: str

    def touches(self, other: "Operation") -> bool:
        """Whether the order of the two can be noticed."""
        if self.name not in WRITES and other.name not in WRITES:
            return False
        if self.name in LISTS:
            return other.key.startswith(self.key)
        if other.name in LISTS:
            return self.key.startswith(other.key)
        return self.key == other.key


@dataclass
class _Choice:
    """One point of a run: who could go on with what, who need not be tried, who was."""

    enabled: dict[str, Operation]
    asleep: dict[str, Operation]
    tried: list[str] = field(default_factory=list)

    def left(self) -> list[str]:
        return [actor for actor in self.enabled if actor not in self.asleep and actor not in self.tried]

    def asleep_after(self) -> dict[str, Operation]:
        chosen = self.enabled[self.tried[-1]]
        still = {**self.asleep, **{actor: self.enabled[actor] for actor in self.tried[:-1]}}
        return {actor: operation for actor, operation in still.items() if not operation.touches(chosen)}


class _Actor:
    def __init__(self, name: str, work: Callable[[], Any]) -> None:
        self.name, self.work = name, work
        self.result: Any = None
        self.error: BaseException | None = None
        self.next: Operation | None = None
        self.waiting = False
        self.finished = False
        self.go = threading.Semaphore(0)


class Run:
    """One run of the actors; `store(actor)` gives an actor its view of the store."""

    def __init__(self, relevant: Callable[[str], bool]) -> None:
        self.relevant = relevant
        self.trace: list[str] = []
        self._stopped = threading.Semaphore(0)
        self._abandoned = False
        self._here = threading.local()

    def step(self, name: str, key: str) -> None:
        """An actor stops here until it is its turn."""
        actor: _Actor | None = getattr(self._here, "actor", None)
        if actor is None or not (self.relevant(key) or name in LISTS):
            return
        self._stop(actor, Operation(name, key))

    def pause(self, _seconds: float) -> None:
        """An actor waits until another one has done something."""
        actor: _Actor = self._here.actor
        actor.waiting = True
        self._stop(actor, Operation("pause", ""))

    def _stop(self, actor: _Actor, operation: Operation) -> None:
        if not self._abandoned:
            actor.next = operation
            self._stopped.release()
            actor.go.acquire()
        if self._abandoned:
            raise Abandoned

    def _body(self, actor: _Actor) -> None:
        self._here.actor = actor
        try:
            actor.result = actor.work()
        except Abandoned:
            pass
        except BaseException as error:
            actor.error = error
        actor.finished, actor.next = True, None
        self._stopped.release()

    def play(self, work: dict[str, Callable[[], Any]], path: list[_Choice], after: Callable[[], None]) -> dict[str, Any] | None:
        """Run the actors along a path, and on from its end by first choices; None where it was abandoned.

        `after` is called after every operation, while nobody runs.
        """
        actors = {name: _Actor(name, job) for name, job in work.items()}
        threads = [threading.Thread(target=self._body, args=(actor,), daemon=True) for actor in actors.values()]
        for thread in threads:
            thread.start()
            self._stopped.acquire()
        depth, asleep = 0, dict[str, Operation]()
        try:
            while any(not actor.finished for actor in actors.values()):
                enabled = {name: actor.next for name, actor in actors.items() if actor.next is not None and not actor.waiting}
                if not enabled:
                    raise Deadlock(" ► ".join(self.trace))
                if depth == len(path):
                    path.append(_Choice(enabled, asleep))
                    if not path[-1].left():
                        return None
                    path[-1].tried.append(path[-1].left()[0])
                choice = path[depth]
                chosen = actors[choice.tried[-1]]
                self.trace.append(f"{chosen.name}: {choice.enabled[chosen.name].name} {choice.enabled[chosen.name].key}".rstrip())
                depth, asleep = depth + 1, choice.asleep_after()
                if choice.enabled[chosen.name].name in WRITES:
                    for other in actors.values():
                        other.waiting = other.waiting and other is chosen
                chosen.next = None
                chosen.go.release()
                self._stopped.acquire()
                after()
            return {name: actor.error or actor.result for name, actor in actors.items()}
        finally:
            self._abandoned = True
            for actor in actors.values():
                actor.go.release()
            for thread in threads:
                thread.join(10)


def interleavings(
    start: Callable[[Run], tuple[dict[str, Callable[[], Any]], Callable[[], None]]],
    relevant: Callable[[str], bool],
) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Every run of the actors, with what each returned or raised.

    Args:
        start: makes a fresh store and gives the actors' work, and a check that is called after every operation.
        relevant: whether an operation on a key can be noticed by another actor.
    """
    path: list[_Choice] = []
    while True:
        run = Run(relevant)
        work, check = start(run)
        outcome = run.play(work, path, check)
        if outcome is not None:
            yield run, outcome
        while path and not path[-1].left():
            path.pop()
        if not path:
            return
        path[-1].tried.append(path[-1].left()[0])
