"""Records of schedules that somebody has written who should not: each is refused by name, and none hides or holds up another."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.cli.schedule import _next, _row, standing
from distrnn.errors import IntegrityError, StorageError
from distrnn.registry.layout import decision_key, schedule_key
from distrnn.retraining.book import Book
from distrnn.retraining.metrics import export
from distrnn.retraining.policy import due
from distrnn.retraining.state import Entry, Inputs, State, Turn
from distrnn.telemetry import Telemetry
from distrnn.workflow.schedule_sections import Schedule
from storage_doubles import MemoryStore

AT = datetime(2026, 11, 2, 3, tzinfo=UTC)
DAILY = Schedule(cron="0 3 * * *")
TURN = Turn(tick=AT, missed=0, attempt=2, run_id="reviews-1", began_at=AT, not_before=AT, inputs=Inputs(data={}, workflow={}, code="1"))
MOMENTS = {"expires_at": AT, "last_tick": AT, "last_check_at": AT, "last_success_at": AT, "last_failure_at": AT, "last_outcome": "failed"}
STATE = State(
    workflow="reviews",
    cron="0 3 * * 1",
    timezone="Europe/Berlin",
    since=AT,
    holder="one",
    turn=TURN,
    counts={"failed": 2},
    seconds={"train": 1.5},
    **MOMENTS,
)
ENTRY = Entry(
    number=3,
    workflow="reviews",
    tick=AT,
    missed=0,
    attempt=1,
    outcome="promoted",
    reason="the first run",
    run_id="reviews-1",
    version={"name": "reviews", "number": 3, "digest": "sha256:33"},
    promotion={"alias": "production"},
    retry_at=AT,
    began_at=AT,
    ended_at=AT,
    scheduler="one",
    seconds={"train": 1.5},
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from([10**400, "2026-11-02T03:00:00", "9" * 99]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.sampled_from(["x", "train"]), inner, max_size=3),
    max_leaves=6,
)


def kept(record, **changes):
    """A record as it lies in the store, with something of it replaced."""
    document = record.model_dump(mode="json")
    for path, value in changes.items():
        *parents, last = path.split("__")
        inner = document
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return json.dumps(document).encode()


def book_with(**bodies):
    """A book with these states."""
    book = Book(MemoryStore())
    for workflow, body in bodies.items():
        book.store.put(schedule_key(workflow), body)
    return book


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("expires_at", "2026-11-02T03:00:00", "expected expires_at to be valid. Received: input should have timezone info"),
        ("turn__not_before", "2026-11-02T03:00:00", "expected turn.not_before to be valid. Received: input should have timezone info"),
        ("since", "0001-01-01T00:00:00+10:00", "expected since to be valid. Received: value error, expected a year from 1970 to 8999"),
        (
            "counts",
            {"failed": 10**400},
            "expected counts.failed to be valid. Received: input should be less than or equal to 9007199254740992",
        ),
        (
            "counts",
            {"x": 1},
            "expected counts.x.[key] to be valid. Received: input should be 'promoted', 'refused', 'finished', 'skipped', 'failed' or "
            "'abandoned'",
        ),
        ("cron", "every day", "expected cron to be valid. Received: value error, expected five fields of a crontab"),
        ("timezone", "../../etc/passwd", "expected timezone to be valid. Received: value error, expected the name of a time zone"),
        ("seconds", {"a b": 1.0}, "expected seconds.a b.[key] to be valid. Received: string should match pattern '^[a-z0-9_.-]{1,64}$'"),
        ("turn__run_id", "--address", "expected turn.run_id to be valid. Received: value error, expected the id of a run"),
        ("workflow", "other", "expected the record of this place. Received: the one of _schedules/other/state.json"),
        ("holder", "\ud800", "expected plain JSON. Received: what cannot be written again"),
    ],
)
def test_a_record_that_is_none_is_refused(path, value, reason):
    book = book_with(reviews=kept(STATE, **{path: value}))
    with pytest.raises(IntegrityError) as caught:
        book.read("reviews")
    assert caught.value.message == (
        f"{book.store.url}/_schedules/reviews/state.json is damaged: {reason}. Restore it from a backup, or remove it."
    )


def test_a_record_that_nests_without_end_is_refused():
    deep: dict[str, object] = {}
    for _ in range(300):
        deep = {"a": deep}
    book = book_with(reviews=kept(STATE, turn__inputs__data=deep))
    with pytest.raises(IntegrityError, match=r"expected plain JSON\. Received: what cannot be written again"):
        book.read("reviews")


@given(st.sampled_from(sorted({*STATE.model_dump(), *(f"turn__{key}" for key in TURN.model_dump())})), json_values)
def test_whatever_stands_in_a_state_it_is_refused_or_can_be_worked_with(path, value):
    book = book_with(reviews=kept(STATE, **{path: value}))
    damaged = []
    for state in book.states(damaged.append):
        due(state, DAILY, AT, "reviews-2")
        export(Telemetry(), state)
        assert (standing(state) is not None, _next(state) is not False) == (True, True)
        assert book.swap(state, book.read("reviews").tag) is not None
    assert all("is damaged" in error.message or "newer distrnn" in error.message for error in damaged)


@given(st.sampled_from(sorted(ENTRY.model_dump())), json_values)
def test_whatever_stands_in_a_decision_it_is_refused_or_can_be_shown(path, value):
    book, damaged = Book(MemoryStore()), []
    book.store.put(decision_key("reviews", 3), kept(ENTRY, **{path: value}))
    shown = [_row(entry) for entry in book.history("reviews", damaged.append)]
    assert len(shown) + len(damaged) == 1


def test_a_damaged_state_hides_no_other():
    damaged = []
    book = book_with(bad=b"{}", reviews=kept(STATE), worse=kept(STATE, cron="x"))
    book.store.put("_schedules/No Name/state.json", b"{}")
    assert book.states(damaged.append) == [STATE]
    assert [error.message.partition(" is damaged")[0].removeprefix(book.store.url) for error in damaged] == [
        "workflow name must start with a lower-case letter or digit and go on with lower-case letters, digits, '.', '_' or '-' "
        "(63 characters at most). Received: 'No Name'",
        "/_schedules/bad/state.json",
        "/_schedules/worse/state.json",
    ]


def test_a_damaged_decision_hides_no_other():
    damaged, book = [], Book(MemoryStore())
    book.decide(ENTRY)
    book.store.put(decision_key("reviews", 4), kept(ENTRY))
    assert list(book.history("reviews", damaged.append)) == [ENTRY]
    assert [error.message for error in damaged] == [
        f"{book.store.url}/_schedules/reviews/history/0000000004.json is damaged: expected the record of this place. "
        "Received: the one of _schedules/reviews/history/0000000003.json. Restore it from a backup, or remove it."
    ]


def test_storage_that_does_not_answer_is_no_damaged_record(monkeypatch):
    book = book_with(reviews=kept(STATE))

    def fail(*_arguments, **_options):
        raise StorageError("no answer")

    monkeypatch.setattr(book.store, "find", fail)
    with pytest.raises(StorageError, match="no answer"):
        book.states([].append)
