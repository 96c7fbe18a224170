"""Guards and roads: what moves an alias, what does not, and where it goes back to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import ConflictError, GateRefusedError, IntegrityError, NotFoundError, UsageError
from distrnn.registry import Registry, Rule
from distrnn.registry.aliases import AliasRecord
from distrnn.registry.layout import blob_key
from distrnn.registry.maintenance import Maintenance
from distrnn.registry.moves import previous_holder
from storage_doubles import Watched

RULE = Rule("accuracy", min=0.9)


@pytest.fixture
def registry(small_registry, publish_small):
    for _ in range(3):
        publish_small(small_registry)
    return small_registry


def loads(_version):
    """A version that can be loaded."""


def history(*moves):
    record = AliasRecord("m", "a")
    for action, number in moves:
        record = record.moved(action, number, "d")
    return record.history


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_going_back_step_by_step_is_the_way_that_was_come(numbers):
    way = [number for position, number in enumerate(numbers) if position == 0 or number != numbers[position - 1]]
    moves = [("set", number) for number in numbers]
    for expected in [*reversed(way[:-1]), None]:
        assert previous_holder(history(*moves)) == expected
        moves.append(("rollback", expected))


@pytest.mark.parametrize(
    ("moves", "previous"),
    [
        ([], None),
        ([("set", 1)], None),
        ([("set", 1), ("promote", 2)], 1),
        ([("set", 1), ("promote", 2), ("refuse", 2), ("guard", 2)], 1),
        ([("set", 1), ("set", 2), ("rollback", 1), ("set", 3)], 1),
        ([("set", 1), ("set", 2), ("undo", 1)], None),
        ([("set", 1), ("delete", None)], 1),
        ([("refuse", None)], None),
    ],
)
def test_the_holder_before(moves, previous):
    assert previous_holder(history(*moves)) == previous


def test_a_rollback_goes_one_back_and_says_why(registry):
    registry.set_alias("imdb", "production", 1)
    registry.set_alias("imdb", "production", 2)
    record = registry.rollback("imdb", "production", check=loads, reason="complaints", run_id="r")
    last = record.history[-1]
    assert (record.number, last.action, last.from_number, last.to_number, last.reason, last.run_id) == (
        1,
        "rollback",
        2,
        1,
        "complaints",
        "r",
    )


def test_a_guarded_alias_may_be_rolled_back_and_keeps_its_guard(registry):
    registry.set_alias("imdb", "production", 1)
    registry.set_alias("imdb", "production", 2)
    registry.guard("imdb", "production", [RULE])
    assert registry.rollback("imdb", "production", check=loads).rules == (RULE,)


def test_there_must_be_something_to_go_back_to(registry):
    registry.set_alias("imdb", "production", 1)
    with pytest.raises(NotFoundError) as caught:
        registry.rollback("imdb", "production", check=loads)
    assert caught.value.message == "imdb@production held no other version before, so there is nothing to go back to."


def test_a_version_that_does_not_load_is_not_gone_back_to(registry):
    def breaks(version):
        raise IntegrityError(f"{version} does not load.")

    registry.set_alias("imdb", "production", 1)
    registry.set_alias("imdb", "production", 2)
    with pytest.raises(IntegrityError, match="imdb@v1 does not load"):
        registry.rollback("imdb", "production", check=breaks)
    assert registry.alias("imdb", "production").number == 2


def test_a_version_that_is_damaged_is_not_gone_back_to(registry):
    registry.set_alias("imdb", "production", 1)
    registry.set_alias("imdb", "production", 2)
    (weights,) = [file for file in registry.resolve("imdb@v1").manifest.files if file.path == "numpy/weights.npz"]
    registry.store.put(blob_key("imdb", weights.sha256), b"altered 1")
    with pytest.raises(IntegrityError, match=r"numpy/weights\.npz"):
        registry.rollback("imdb", "production", check=loads)
    assert registry.alias("imdb", "production").number == 2


def test_a_version_that_was_deleted_is_not_gone_back_to(registry):
    registry.set_alias("imdb", "production", 1)
    registry.set_alias("imdb", "production", 2)
    Maintenance(registry).delete("imdb@v1", reason="no good")
    with pytest.raises(NotFoundError, match=r"^imdb@v1, which imdb@production held before, was deleted on .*: no good\."):
        registry.rollback("imdb", "production", check=loads)


def test_a_rollback_that_was_overtaken_changes_nothing(registry):
    registry.set_alias("imdb", "production", 1)
    registry.set_alias("imdb", "production", 2)
    with pytest.raises(ConflictError, match=r"^imdb@production was moved by somebody else meanwhile"):
        registry.rollback("imdb", "production", check=lambda version: registry.set_alias("imdb", "production", 3))
    assert registry.alias("imdb", "production").number == 3


@pytest.mark.parametrize("road", ["set", "delete", "rules", "no rules"])
def test_a_guard_refuses_every_other_road_without_a_reason(registry, road):
    registry.set_alias("imdb", "production", 1)
    registry.guard("imdb", "production", [RULE])
    roads = {
        "set": lambda **how: registry.set_alias("imdb", "production", 2, **how),
        "delete": lambda **how: registry.delete_alias("imdb", "production", **how),
        "rules": lambda **how: registry.guard("imdb", "production", [Rule("accuracy", min=0.1)], **how),
        "no rules": lambda **how: registry.guard("imdb", "production", [], **how),
    }
    with pytest.raises(GateRefusedError) as caught:
        roads[road]()
    assert caught.value.message == (
        "alias 'production' of 'imdb' is guarded (accuracy min=0.9), so only a promotion through these rules or a rollback moves it. "
        "Run the workflow, or force the change and say why."
    )
    with pytest.raises(UsageError, match="needs a reason, which is recorded"):
        roads[road](force=True)
    last = roads[road](force=True, reason="they know").history[-1]
    assert (last.forced, last.reason) == (True, "they know")


def test_a_guard_may_stand_before_the_alias_holds_anything(registry):
    record = registry.guard("imdb", "production", [RULE], reason="from the start")
    assert (record.number, record.updated_at, record.history[-1].action) == (None, "", "guard")
    with pytest.raises(NotFoundError, match="has no alias 'production'"):
        registry.resolve("imdb@production")
    with pytest.raises(GateRefusedError):
        registry.set_alias("imdb", "production", 1)


def test_the_same_guard_again_is_no_move(registry):
    registry.guard("imdb", "production", [RULE])
    assert len(registry.guard("imdb", "production", [RULE]).history) == 1


def test_a_guard_needs_a_model(registry):
    with pytest.raises(NotFoundError, match="has no model 'imbd'"):
        registry.guard("imbd", "production", [RULE])


def test_a_refused_move_leaves_no_announcement(registry):
    registry.guard("imdb", "production", [RULE])
    store = Watched(registry.store)
    with pytest.raises(GateRefusedError):
        Registry(store=store).set_alias("imdb", "production", 1)
    assert store.calls["put"] == 0


def test_deleting_needs_one_version(registry):
    with pytest.raises(UsageError) as caught:
        Maintenance(registry).delete("imdb", reason="all of it")
    assert caught.value.message == "delete needs one version, for instance imdb@v3; a whole model is never deleted. Received: 'imdb'"


def test_a_held_version_is_not_deleted(registry):
    registry.set_alias("imdb", "production", 2)
    registry.set_alias("imdb", "candidate", 2)
    with pytest.raises(ConflictError) as caught:
        Maintenance(registry).delete("imdb@v2", reason="old")
    assert caught.value.message == (
        "imdb@v2 is held by imdb@candidate, imdb@production, so it was not deleted. Move or delete the alias first."
    )


def test_what_was_deleted_is_not_deleted_again(registry):
    Maintenance(registry).delete("imdb@v2", reason="old")
    with pytest.raises(NotFoundError, match="imdb@v2 was deleted on"):
        Maintenance(registry).delete("imdb@v2", reason="old")
