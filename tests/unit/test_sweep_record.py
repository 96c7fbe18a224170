"""The record of a sweep, and going on with one."""

import re

import pytest

from distrnn.cluster.sweep_plan import make_plan
from distrnn.cluster.sweep_record import SweepOptions, SweepStore, check_resumable, opened, options_of
from distrnn.errors import ConflictError, IntegrityError, NotFoundError, UsageError, WorkflowError
from distrnn.storage import open_store
from fixtures_sweep import GRID, SWEEP

OPTIONS = SweepOptions({"train.epochs": 3}, GRID, concurrent=2)


@pytest.fixture
def sweeps(tmp_path):
    return SweepStore(open_store(str(tmp_path / "storage")))


@pytest.fixture
def record(sweep_plan):
    return {**SWEEP, "status": "interrupted", "left": 2, **opened(SWEEP["sweep_id"], sweep_plan, OPTIONS)}


def test_record_is_read_as_it_was_written(sweeps, record):
    sweeps.save(record)
    assert sweeps.load(record["sweep_id"]) == record
    assert options_of(sweeps.load("last")) == OPTIONS


def test_last_is_the_newest_whatever_its_name(sweeps, record):
    for name in ("b-20261126-142609-2ce0", "a-20261126-152609-0000", "c-20251126-152609-ffff"):
        sweeps.save({**record, "sweep_id": name})
    assert sweeps.load("last")["sweep_id"] == "a-20261126-152609-0000"


def test_sweep_that_does_not_exist(sweeps, record):
    with pytest.raises(NotFoundError, match=r"^no sweep in .* yet\. Start one with: distrnn sweep WORKFLOW --grid KEY=V1,V2$"):
        sweeps.load("last")
    sweeps.save(record)
    with pytest.raises(NotFoundError) as caught:
        sweeps.load("other")
    assert str(caught.value) == f"no sweep 'other' in {sweeps.store.url}. The newest ones there: reviews-20261126-142609-2ce0"


def test_record_that_is_damaged(sweeps):
    place = sweeps.put("broken", "result.json", b"{")
    with pytest.raises(IntegrityError, match=f"^expected a JSON object in {re.escape(place)}. Remove the sweep's folder"):
        sweeps.load("broken")


def test_one_process_at_a_time(sweeps):
    with sweeps.held("mine"), pytest.raises(ConflictError, match=r"^sweep mine is in progress in another process"), sweeps.held("mine"):
        pass


def test_what_is_not_given_again_is_as_it_was():
    merged = SweepOptions({"data.path": "/data"}, {}, concurrent=1, output="/best.yaml").or_else(OPTIONS)
    assert merged == SweepOptions({"train.epochs": 3, "data.path": "/data"}, GRID, concurrent=1, output="/best.yaml")


def test_resume_command_says_where_the_record_is():
    options = SweepOptions({"storage.root": "s3://bucket/root", "train.epochs": 3}, GRID)
    assert options.resume_command("w.yaml", "mine") == "distrnn sweep w.yaml --resume mine --set storage.root=s3://bucket/root"


def test_the_same_sweep_goes_on(record, sweep_plan):
    check_resumable(record, sweep_plan)
    check_resumable({**record, "left": 0, "status": "running"}, sweep_plan)


def test_a_finished_sweep_does_not_go_on(record, sweep_plan):
    with pytest.raises(UsageError) as caught:
        check_resumable({**record, "status": "finished", "left": 0}, sweep_plan)
    assert str(caught.value) == (
        f"sweep {record['sweep_id']} is finished; there is nothing to go on with. Its picture: {record['picture']}"
    )


@pytest.mark.parametrize(("overrides", "grid", "part"), [({"train.seed": 1}, GRID, "workflow"), ({}, {"model.units": [4, 9]}, "grid")])
def test_another_sweep_does_not_go_on(record, workflow_file, overrides, grid, part):
    with pytest.raises(WorkflowError) as caught:
        check_resumable(record, make_plan(workflow_file, overrides, grid))
    assert str(caught.value) == (
        f"{workflow_file}: expected the {part} that sweep {record['sweep_id']} began with. Received: another one. "
        "Start a new sweep to change it."
    )
