"""What a gc removes and what it leaves: announcements, grace, retention, damaged documents, its lease."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import ConflictError, IntegrityError, NotFoundError
from distrnn.registry import Registry
from distrnn.registry.aliases import AliasRecord
from distrnn.registry.gc import Collected, collect
from distrnn.registry.layout import blob_key, content_key, lease_key, pending_key, timestamp, version_key
from distrnn.registry.lease import DURATION, SKEW, Lease
from distrnn.registry.maintenance import Maintenance
from distrnn.registry.pending import Pending
from distrnn.registry.retention import Retention, beyond, held
from storage_doubles import MemoryStore

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ALL = Retention()
NONE = timedelta(0)
ORPHAN = blob_key("imdb", "ab" * 32)


@pytest.fixture
def registry(small_registry, publish_small):
    for _ in range(3):
        publish_small(small_registry)
    return small_registry


@pytest.fixture
def store(registry):
    registry.store.put(ORPHAN, b"nobody's")
    return registry.store


def clean(store, **changes):
    return collect(store, "imdb", **{"retention": ALL, "grace": NONE, "apply": True, **changes})


def test_what_nobody_refers_to_goes(store):
    before = store.snapshot()
    assert clean(store) == Collected("imdb", (), 1, len(b"nobody's"))
    assert before.keys() - store.snapshot().keys() == {ORPHAN}


def test_a_dry_run_says_the_same_and_changes_nothing(store):
    before = store.snapshot()
    assert clean(store, apply=False) == Collected("imdb", (), 1, len(b"nobody's"))
    assert store.snapshot() == before


def test_what_is_young_stays(store):
    assert clean(store, grace=timedelta(hours=24)).blobs == 0
    assert store.size(ORPHAN) is not None


def test_what_a_writer_announced_stays(store):
    with Pending(store, "imdb", ["ab" * 32]):
        assert clean(store) == Collected("imdb")
    assert clean(store).blobs == 1


def test_what_a_dead_writer_announced_goes_with_its_announcement(store):
    document = {
        "schema_version": 1,
        "name": "imdb",
        "attempt": "dead",
        "started_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-02T00:00:00Z",
        "digests": ["ab" * 32],
    }
    store.put(pending_key("imdb", "dead"), json.dumps(document).encode())
    assert clean(store) == Collected("imdb", (), 1, len(b"nobody's"), 0, 1)
    assert store.size(pending_key("imdb", "dead")) is None


def test_an_upload_that_nobody_completed_goes(store):
    store.begin_upload(blob_key("imdb", "cd" * 32))
    assert clean(store).uploads == 1
    assert clean(store).uploads == 0


def test_an_upload_beside_a_writer_at_work_stays(store):
    with Pending(store, "imdb"):
        store.begin_upload(blob_key("imdb", "cd" * 32))
        assert clean(store).uploads == 0


def test_a_note_of_content_that_is_gone_goes(registry, store):
    Maintenance(registry).delete("imdb@v2", reason="wrong")
    assert clean(store).leftovers == 1
    assert [entry.key for entry in store.list(content_key("imdb", "")[:-5])] != []


@pytest.mark.parametrize("key", [version_key("imdb", 2), pending_key("imdb", "x"), content_key("imdb", "x")])
def test_a_document_that_cannot_be_read_stops_it(store, key):
    store.put(key, b"{")
    before = store.snapshot()
    with pytest.raises(IntegrityError):
        clean(store)
    after = store.snapshot()
    assert {name for name in before if after.get(name) != before[name]} <= {lease_key("imdb")}


def test_one_damaged_model_does_not_keep_the_others_dirty(registry, publish_small):
    publish_small(registry, "other")
    registry.store.put(version_key("imdb", 2), b"{")
    registry.store.put(blob_key("other", "ab" * 32), b"x")
    cleaned = []
    with pytest.raises(IntegrityError, match="imdb/versions/0000000002"):
        cleaned.extend(one.name for one in Maintenance(registry).gc(grace=NONE, apply=True))
    assert registry.store.size(blob_key("other", "ab" * 32)) is None


def test_a_model_that_is_not_there(registry):
    with pytest.raises(NotFoundError, match="has no model 'imbd', so there is nothing to clean"):
        list(Maintenance(registry).gc("imbd"))


def test_versions_beyond_the_retention_go_with_their_files(registry, store):
    registry.set_alias("imdb", "production", 1)
    gone = registry.resolve("imdb@v2").manifest.files
    assert clean(store, retention=Retention(newest=1)).versions == (2,)
    assert [version.number for version in registry.versions("imdb")] == [3, 1]
    own = [file for file in gone if file.path == "numpy/weights.npz"]
    assert [store.size(blob_key("imdb", file.sha256)) for file in own] == [None]
    assert list(Maintenance(registry).verify()) == []


def test_what_an_alias_held_lately_stays(registry, store):
    registry.set_alias("imdb", "production", 1)
    registry.set_alias("imdb", "production", 3)
    assert clean(store, retention=Retention(newest=1)).versions == (2,)
    assert clean(store, retention=Retention(newest=1, held_within=NONE)).versions == (1,)


# the decision

NUMBERED = st.sets(st.integers(1, 60), max_size=20)


@given(NUMBERED, st.integers(0, 10), st.sets(st.integers(1, 60), max_size=5))
def test_the_newest_and_the_held_stay(numbers, newest, holders):
    aliases = [AliasRecord("m", f"a{number}", number, "sha256:x") for number in holders]
    gone = beyond(Retention(newest=newest), [(number, timestamp(NOW)) for number in numbers], aliases, NOW)
    kept = numbers - set(gone)
    assert kept == set(sorted(numbers)[len(numbers) - min(newest, len(numbers)) :]) | (numbers & holders)
    assert list(gone) == sorted(gone)


@given(NUMBERED)
def test_without_a_rule_everything_stays(numbers):
    assert beyond(Retention(), [(number, timestamp(NOW)) for number in numbers], [], NOW) == ()


@pytest.mark.parametrize(("days", "gone"), [(1, (1, 2)), (10, (1,)), (100, ())])
def test_the_young_stay(days, gone):
    created = [(1, timestamp(NOW - timedelta(days=50))), (2, timestamp(NOW - timedelta(days=5))), (3, timestamp(NOW))]
    assert beyond(Retention(younger_than=timedelta(days=days)), created, [], NOW) == gone


def test_a_version_of_unknown_age_counts_as_young():
    assert beyond(Retention(younger_than=timedelta(days=1)), [(1, "yesterday")], [], NOW) == ()


def test_a_refusal_is_no_holding():
    record = AliasRecord("m", "production").moved("promote", 1, "d").moved("refuse", 1, "d").moved("promote", 2, "d")
    assert held([record], timedelta(days=1), datetime.now(UTC)) == {1, 2}
    assert held([record], NONE, datetime.now(UTC) + timedelta(days=1)) == {2}


# the lease


def test_two_do_not_have_the_lease():
    store = MemoryStore()
    lease = Lease(store, "m")
    lease.acquire()
    with pytest.raises(ConflictError, match=r"^another gc of 'm' is at work \(until .*\)\. Nothing was removed;"):
        Lease(store, "m").acquire()
    lease.release()
    Lease(store, "m").acquire()


def at(monkeypatch, moment):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return moment

    monkeypatch.setattr("distrnn.registry.lease.datetime", Clock)


def test_a_lease_ends_by_itself_and_its_holder_notices(monkeypatch):
    store, dead = MemoryStore(), Lease(MemoryStore(), "m")
    dead.store = store
    at(monkeypatch, NOW)
    dead.acquire()
    at(monkeypatch, NOW + DURATION + SKEW - timedelta(seconds=1))
    with pytest.raises(ConflictError):
        Lease(store, "m").acquire()
    at(monkeypatch, NOW + DURATION + SKEW)
    Lease(store, "m").acquire()
    with pytest.raises(ConflictError, match="another gc of 'm' took over"):
        dead.ensure()


def test_a_lease_is_renewed_before_it_ends(monkeypatch):
    store = MemoryStore()
    lease = Lease(store, "m")
    at(monkeypatch, NOW)
    lease.acquire()
    for minutes in range(1, 30):
        at(monkeypatch, NOW + timedelta(minutes=minutes))
        lease.ensure()
        with pytest.raises(ConflictError):
            Lease(store, "m").acquire()


def test_a_lease_that_cannot_be_read_is_no_lease_to_take():
    store = MemoryStore()
    store.put(lease_key("m"), json.dumps({"schema_version": 1, "expires_at": "soon"}).encode())
    with pytest.raises(IntegrityError, match=r"gc\.json is damaged: expected expires_at\. Received: 'soon'"):
        Lease(store, "m").acquire()


def test_a_publisher_waits_for_a_gc(registry, publish_small, monkeypatch):
    lease = Lease(registry.store, "imdb")
    lease.acquire()
    waited = []

    def pause(seconds):
        waited.append(registry.store.size(version_key("imdb", 4)))
        lease.release()

    monkeypatch.setattr("distrnn.registry.lease.pause", pause)
    assert publish_small(registry).number == 4
    assert waited == [None]


def test_a_registry_of_its_own_is_not_a_model(registry):
    with Pending(registry.store, "imdb"):
        assert Registry(store=registry.store).names() == ["imdb"]
