"""The lock in the cluster: one holder at a time across processes, an end for those that died, the truth for those that come too late."""

import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from distrnn.cluster.lock import NAMESPACE, RayLock, open_lock
from distrnn.errors import StorageError, UsageError


@pytest.fixture
def name(local_ray, request):
    import ray

    name = f"t{abs(hash(request.node.name)):x}"[:20]
    yield name
    ray.kill(ray.get_actor(f"lock-{name}", namespace=NAMESPACE))


def test_threads_keep_each_other_away(name):
    lock, inside, most = open_lock(f"ray://{name}"), [], []

    def work(number: int) -> None:
        with lock.hold("key"):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.005)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert most == [1] * 8


def test_keys_do_not_wait_for_each_other(name):
    lock = RayLock(name)
    with lock.hold("one"), lock.hold("another"):
        pass


def test_another_process_finds_the_lock_by_its_name(name):
    import ray

    @ray.remote(num_cpus=0)
    def hold(lock: RayLock) -> float:
        with lock.hold("key"):
            return time.time()

    lock = RayLock(name)
    with lock.hold("key"):
        waiting = hold.remote(pickle.loads(pickle.dumps(lock)))
        assert ray.wait([waiting], timeout=1)[0] == []
        released = time.time()
    assert ray.get(waiting, timeout=30) >= released


def test_a_holder_that_dies_holds_nothing_when_its_lease_has_ended(name):
    import ray

    @ray.remote(num_cpus=0, max_retries=0)
    def die(lock: RayLock) -> None:
        import os

        lock.hold("key").__enter__()
        os._exit(1)

    lock = RayLock(name, lease_s=1.0)
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(die.remote(lock), timeout=30)
    started = time.monotonic()
    with lock.hold("key"):
        assert time.monotonic() - started < 5


def test_a_lease_is_renewed_while_it_is_held(name):
    lock, got = RayLock(name, lease_s=0.5), threading.Event()

    def wait() -> None:
        with lock.hold("key"):
            got.set()

    with lock.hold("key"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.wait(1.5)
    assert got.wait(10)
    waiting.join()


def test_a_holder_that_was_away_too_long_is_told(name, monkeypatch):
    monkeypatch.setattr("distrnn.cluster.lock._renewing", lambda _renew, _every_s: nullcontext())
    lock = RayLock(name, lease_s=0.2)
    with pytest.raises(StorageError) as caught, lock.hold("s3://models/a"):
        time.sleep(0.4)
    assert caught.value.message == (
        f"the lock ray://{name} of s3://models/a had ended before the write was done, so somebody else may have written too. Look at what "
        "is there, then run this again."
    )


def test_what_went_wrong_inside_is_what_is_said(name):
    with pytest.raises(KeyError), RayLock(name).hold("key"):
        raise KeyError
    with RayLock(name).hold("key"):
        pass


def test_a_keeper_that_was_restarted_hands_nothing_out_at_first(name):
    import ray

    with RayLock(name).hold("key"):
        keeper = ray.get_actor(f"lock-{name}", namespace=NAMESPACE)
    assert ray.get(keeper.acquire.remote("key", "me", 1))
    killed = process_of(keeper)
    ray.kill(keeper, no_restart=False)
    # It is not killed at once, and until then it answers by the book that it has
    while process_of(keeper) == killed:
        time.sleep(0.01)
    assert not ray.get(keeper.acquire.remote("another", "me", 1))


def process_of(actor) -> int:
    import ray

    return ray.get(actor.__ray_call__.remote(lambda _self: os.getpid()), timeout=30)


@pytest.mark.parametrize("url", ["ray://", "ray://Name", "ray://host:10001", "ray://a/b", "/srv/lock"])
def test_whatever_else_is_no_lock(url):
    with pytest.raises(UsageError, match=r"must be ray://NAME, .* Received: "):
        open_lock(url)
