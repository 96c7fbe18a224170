"""A lock that lives in the Ray cluster, for a registry on a server that cannot decide races.

One named, detached actor keeps the leases; it outlives the job that made it, and whoever is connected to the cluster finds it by its name.
A holder renews its lease while it writes. If it dies the lease ends; if it comes back too late it is told, and says so, because somebody
else may have written meanwhile.
"""

import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import ray
import ray.exceptions

from distrnn.cluster.lease import Leases
from distrnn.cluster.session import ray_session
from distrnn.errors import StorageError, UsageError

NAMESPACE = "distrnn"
LEASE_S = 30.0
_SCHEME = "ray://"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PAUSES_S = (0.01, 0.02, 0.05, 0.1)
_ANSWER_S = 30.0
_connection = ExitStack()


def open_lock(url: str, address: str | None = None) -> "RayLock":
    """The lock that `ray://NAME` names; nothing is made or connected to yet.

    Args:
        url: its name.
        address: of the cluster, where this process is not connected to it; default RAY_ADDRESS, else the one on this machine.
    Raises:
        UsageError: it is no name.
    """
    name = url.removeprefix(_SCHEME)
    if not url.startswith(_SCHEME) or not _NAME.fullmatch(name):
        raise UsageError(
            f"a lock in the cluster must be ray://NAME, the name of lower-case letters, digits, '.', '_' and '-'. Received: {url}. "
            "The cluster's address belongs into --address or RAY_ADDRESS."
        )
    return RayLock(name, address)


class RayLock:
    """A lock for each key. Pickles by its name, and may be used from several threads and processes of the cluster."""

    def __init__(self, name: str, address: str | None = None, *, lease_s: float = LEASE_S) -> None:
        self.name = name
        self.address = address
        self.lease_s = lease_s

    def __repr__(self) -> str:
        return f"RayLock({self.name!r})"

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Keep everybody else away from `key` while the context lasts.

        Raises:
            StorageError: the cluster does not answer, or somebody else may have held the lock before the context ended.
        """
        actor, owner = self._actor(), uuid.uuid4().hex
        waited = 0
        while not self._ask(actor.acquire.remote(key, owner, self.lease_s)):
            time.sleep(_PAUSES_S[min(waited, len(_PAUSES_S) - 1)])
            waited += 1
        held = False
        try:
            with _renewing(lambda: actor.renew.remote(key, owner, self.lease_s), self.lease_s / 3):
                yield
        finally:
            held = self._ask(actor.release.remote(key, owner))
        if not held:
            raise StorageError(
                f"the lock {_SCHEME}{self.name} of {key} had ended before the write was done, so somebody else may have written too. "
                "Look at what is there, then run this again."
            )

    def _actor(self) -> Any:
        try:
            _connect(self.address)
            options = {"name": f"lock-{self.name}", "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True}
            return _Keeper.options(**options).remote()  # type: ignore[attr-defined]
        except (ray.exceptions.RayError, ConnectionError, ValueError) as error:
            raise self._lost(error) from error

    def _ask(self, answer: Any) -> bool:
        try:
            return bool(ray.get(answer, timeout=_ANSWER_S))
        except ray.exceptions.RayError as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> StorageError:
        reason = " ".join(str(error).split())[:200]
        return StorageError(f"the lock {_SCHEME}{self.name} does not answer ({reason}). Check the Ray cluster, then run this again.")


# It does nothing but look things up, so it takes no CPU from anybody, and a node that dies does not take it along for good.
@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class _Keeper:
    """The actor: one call at a time, so one book needs no lock of its own."""

    def __init__(self) -> None:
        restarted = ray.get_runtime_context().was_current_actor_reconstructed
        self._leases = Leases(time.monotonic, time.monotonic() + LEASE_S if restarted else 0.0)

    def acquire(self, key: str, owner: str, lease_s: float) -> bool:
        return self._leases.acquire(key, owner, lease_s)

    def renew(self, key: str, owner: str, lease_s: float) -> bool:
        return self._leases.renew(key, owner, lease_s)

    def release(self, key: str, owner: str) -> bool:
        return self._leases.release(key, owner)


def _connect(address: str | None) -> None:
    """Connect this process to the cluster of the lock, until its end; a lock in a Ray of one's own would keep nobody away."""
    if not ray.is_initialized():
        _connection.enter_context(ray_session(address or os.environ.get("RAY_ADDRESS") or "auto"))


@contextmanager
def _renewing(renew: Callable[[], object], every_s: float) -> Iterator[None]:
    """Renew the lease from a thread of its own; what is lost shows at the release."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(every_s):
            renew()

    thread = threading.Thread(target=run, daemon=True, name="lock lease")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
