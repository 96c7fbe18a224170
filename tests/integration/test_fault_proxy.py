"""Each fault of the proxy does to a request what it says, and a store does not notice."""

import os

import pytest

from distrnn.storage import open_store
from fixtures_faults import MIX, Record, at_random, when


@pytest.fixture
def proxied(moto_s3, fault_proxy, fresh_home, monkeypatch):
    """A proxy, and a store that sees the server through it alone."""
    proxy = fault_proxy(moto_s3)
    proxy.server.use(monkeypatch)
    return proxy, open_store(moto_s3.new_url())


@pytest.mark.parametrize("fault", MIX, ids=lambda fault: f"{fault.kind}-{fault.amount}")
def test_one_fault_is_not_noticed(proxied, fault):
    proxy, store = proxied
    first, second = os.urandom(1_000), os.urandom(1_000)
    proxy.rules = [when(fault, method="PUT", times=1)]
    assert store.create_if_absent("key", first)
    proxy.rules = [when(fault, method="GET", key="key", times=1)]
    body, tag = store.read_versioned("key")
    assert body == first
    proxy.rules = [when(fault, method="PUT", times=1)]
    assert store.compare_and_swap("key", second, tag) is not None
    assert store.compare_and_swap("key", first, tag) is None
    assert store.read("key") == second
    assert proxy.faults == {fault: 3}


def test_bodies_are_streamed_and_counted(proxied, tmp_path):
    proxy, store = proxied
    size_bytes = 20 << 20
    (tmp_path / "large").write_bytes(os.urandom(1 << 20) * (size_bytes >> 20))
    store.put_file("large", tmp_path / "large")
    store.get_file("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()
    key = next(key for key in proxy.sent_bytes if key.endswith("/large"))
    assert size_bytes <= proxy.sent_bytes[key] < size_bytes + 10_000
    assert size_bytes <= proxy.received_bytes[key] < size_bytes + 10_000


def test_random_faults_are_the_same_for_a_seed():
    def faults(seed: int) -> list[object]:
        rule = at_random(0.3, seed)
        return [rule(record) for record in records]

    records = [Record(number, "PUT" if number % 2 else "GET", "key", {}, None) for number in range(1_000)]
    assert faults(1) == faults(1) != faults(2)
    assert 250 < sum(fault is not None for fault in faults(1)) < 350
