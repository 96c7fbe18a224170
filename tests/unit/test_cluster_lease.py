"""The book of leases: one owner at a time, and none that died."""

import pytest

from distrnn.cluster.lease import Leases


@pytest.fixture
def clock():
    """A time that is set, and the book that reads it."""
    time = [0.0]
    return time, Leases(lambda: time[0])


def test_one_owner_at_a_time(clock):
    _, leases = clock
    assert [leases.acquire("key", owner, 30) for owner in ("a", "b", "a")] == [True, False, True]
    assert leases.acquire("another", "b", 30)
    assert [leases.release("key", owner) for owner in ("b", "a", "a")] == [False, True, False]
    assert leases.acquire("key", "b", 30)


def test_a_lease_ends_by_itself(clock):
    time, leases = clock
    leases.acquire("key", "a", 30)
    time[0] = 29
    assert not leases.acquire("key", "b", 30)
    time[0] = 30
    assert leases.acquire("key", "b", 30)
    assert (leases.renew("key", "a", 30), leases.release("key", "a")) == (False, False)
    assert leases.release("key", "b")


def test_a_renewed_lease_goes_on(clock):
    time, leases = clock
    leases.acquire("key", "a", 30)
    time[0] = 20
    assert leases.renew("key", "a", 30)
    time[0] = 49
    assert not leases.acquire("key", "b", 30)
    time[0] = 50
    assert (leases.renew("key", "a", 30), leases.release("key", "a")) == (False, False)


def test_a_book_begun_anew_hands_nothing_out_before_old_leases_have_ended():
    time = [100.0]
    leases = Leases(lambda: time[0], closed_until=130.0)
    assert not leases.acquire("key", "a", 30)
    time[0] = 130
    assert leases.acquire("key", "a", 30)
