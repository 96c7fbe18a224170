"""The decisions of the gates at /metrics: all of them, those that moved nothing too, and never fewer than before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import IntegrityError, StorageError
from distrnn.registry import Move, Rule
from distrnn.registry.layout import alias_key
from distrnn.registry.manifest import LIMIT_BYTES
from distrnn.service.decisions import Decisions, counted, grown
from distrnn.storage.local import LocalStore

METRIC = "distrnn_promotion_decisions_total"
PROMOTED, REFUSED = ("reviews", "promoted"), ("reviews", "refused")
STRICT = [Rule.parse("accuracy min=0.988")]


@pytest.fixture
def decide(published):
    """A function that asks the gate of an alias, `staging` unless said otherwise, for a version of `reviews`."""

    def ask(number, alias="staging"):
        return published.promote(published.resolve(f"reviews@v{number}"), alias, STRICT).decision

    return ask


@pytest.fixture
def looked(published):
    """A function that counts again and says what there is about `reviews`."""
    decisions = Decisions(published.store)

    def look():
        decisions.look(["reviews", "text"])
        return tuple(decisions.totals()[key] for key in (PROMOTED, REFUSED))

    return look


def move(action):
    return Move("2026-11-27T00:00:00Z", action, None, 1, "a")


def test_promotions_and_refusals_are_decisions_and_other_moves_are_none():
    moves = ["set", "promote", "refuse", "refuse", "rollback", "guard", "undo", "delete", "promote", "what?"]
    assert counted(map(move, moves)) == {"promoted": 2, "refused": 2}


@given(st.lists(st.dictionaries(st.sampled_from(["promoted", "refused"]), st.integers(0, 9))))
def test_no_count_ever_falls(seen):
    before = {}
    for now in seen:
        assert all(more >= 0 for more in grown(before, now).values())
        before = now


def test_where_nothing_was_decided_there_are_none(looked):
    assert looked() == (0, 0)


def test_an_alias_that_never_held_anything_counts(looked, decide):
    assert decide(1) == "refused"
    assert looked() == (0, 1)


def test_the_decisions_of_all_aliases_are_added_up(looked, decide):
    assert [decide(1), decide(2), decide(2, "other"), decide(1, "other")] == ["refused", "promoted", "promoted", "refused"]
    assert looked() == (2, 2)
    decide(1)
    assert looked() == (2, 3)


def test_deleting_an_alias_takes_no_decision_back(published, looked, decide):
    decide(2)
    published.delete_alias("reviews", "staging", force=True, reason="no longer used")
    assert looked() == (1, 0)


def test_a_document_that_was_lost_and_began_anew_is_added(published, looked, decide):
    assert [decide(1), decide(1), decide(2)] == ["refused", "refused", "promoted"]
    assert looked() == (1, 2)
    published.store.delete(alias_key("reviews", "staging"))
    assert looked() == (1, 2)
    decide(1)
    assert looked() == (1, 3)


def test_an_alias_that_has_not_changed_is_not_read_again(small_registry, publish_small):
    store, decisions = small_registry.store, Decisions(small_registry.store)
    version = publish_small(small_registry)
    small_registry.promote(version, "staging", [Rule.parse("accuracy min=0.7")])
    decisions.look(["imdb"])
    store.calls.clear()
    decisions.look(["imdb"])
    assert store.calls == {"LIST": 1}
    small_registry.promote(version, "staging", [Rule.parse("accuracy min=0.9")], run_id="run-2")
    decisions.look(["imdb"])
    assert decisions.totals() == {("imdb", "promoted"): 1, ("imdb", "refused"): 1}


@pytest.mark.parametrize("body", [b"{}", b"\0" * (LIMIT_BYTES + 1)], ids=["empty", "too long"])
def test_a_damaged_alias_costs_its_own_decisions_only(published, decide, body):
    decide(2, "other")
    published.store.put(alias_key("reviews", "broken"), body)
    decisions = Decisions(published.store)
    with pytest.raises(IntegrityError, match=r"broken\.json is damaged"):
        decisions.look(["reviews", "text"])
    assert decisions.totals() == {PROMOTED: 1, ("text", "promoted"): 0, ("text", "refused"): 0}


def test_of_a_model_that_could_not_be_looked_at_nothing_is_said(published, monkeypatch):
    def fail(*_arguments, **_options):
        raise StorageError("the disk is gone")

    decisions = Decisions(published.store)
    monkeypatch.setattr(LocalStore, "list", fail)
    with pytest.raises(StorageError):
        decisions.look(["reviews"])
    assert decisions.totals() == {}


def test_a_scrape_tells_them_and_they_do_not_fall(service, published, decide):
    client = service(metrics_age_s=0.0)

    def scraped(decision):
        (line,) = [
            line
            for line in client.get("/metrics").text.splitlines()
            if line.startswith(f'{METRIC}{{decision="{decision}",model="reviews"}}')
        ]
        return float(line.split()[-1])

    assert (scraped("promoted"), scraped("refused")) == (0.0, 0.0)
    decide(1), decide(2)
    assert (scraped("promoted"), scraped("refused")) == (1.0, 1.0)
    published.store.delete(alias_key("reviews", "staging"))
    assert (scraped("promoted"), scraped("refused")) == (1.0, 1.0)


def test_a_service_that_starts_anew_goes_on_from_the_registry(service, decide):
    decide(1)
    for _ in range(2):
        assert f'{METRIC}{{decision="refused",model="reviews"}} 1.0' in service().get("/metrics").text
