"""A run that its schedule gives up while it publishes or promotes: what it has begun does not become visible."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distrnn.cluster import record
from distrnn.cluster.pipeline import _Run
from distrnn.cluster.record import Options
from distrnn.errors import ConflictError
from distrnn.registry import ModelVersion, Registry
from distrnn.registry.fences import FENCE, fence_of
from distrnn.registry.layout import PENDING, schedule_key
from distrnn.registry.manifest import SCHEMA_VERSION, to_json_bytes
from distrnn.runs import RunStore
from distrnn.storage import Store
from distrnn.storage.local import LocalStore
from distrnn.workflow import LoadedWorkflow, validate
from storage_doubles import Watched

WORKFLOW = {
    "name": "weekly",
    "data": {"source": "synthetic-reviews"},
    "model": {"type": "lstm", "sequence_length": 5},
    "train": {"epochs": 1},
    "register": {"name": "reviews", "promote": {"alias": "production", "metric": "accuracy", "min": 0.5}},
}
EVALUATION_SET = "e5" * 32
GIVEN_UP = (
    "the schedule of weekly has given up this run (its number is 3, the newest one 4), so nothing is published. "
    "See: distrnn schedule history weekly"
)


class Stages:
    """The stages of one scheduled run after its training, over a registry in a folder that gives the run up at an operation."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, LocalStore(folder / "registry")
        self.set_fence(3)

    def set_fence(self, number: int) -> None:
        """What the schedule's record says."""
        self.store.put(schedule_key("weekly"), to_json_bytes({"schema_version": SCHEMA_VERSION, "fence": number}, "a state"))

    def run(self, at: Callable[[str, str], bool] = lambda name, key: False) -> _Run:
        """The run; it is given up right after the first operation of which `at` is true."""
        store: Any = Watched(self.store, after=lambda name, key: self.set_fence(4) if at(name, key) else None)
        loaded = LoadedWorkflow(validate(WORKFLOW, "w.yaml"), "w.yaml")
        runs = RunStore(LocalStore(self.folder / "storage"))
        options = Options({})
        return _Run(loaded, runs, Registry(store=store), record.start(runs, loaded, options, None), lambda _: None, options, resumed=False)

    def register(self, run: _Run) -> ModelVersion:
        """Publish a model of few bytes with the figures of a run."""
        model = self.folder / "model" / "numpy"
        model.mkdir(parents=True, exist_ok=True)
        (model / "weights.npz").write_bytes(run.run_id.encode())
        lineage = {"dataset": "d5" * 32, "evaluation_set": EVALUATION_SET, "workflow": run.loaded.to_json(), "run_id": run.run_id}
        metrics = {"accuracy": 0.9, "loss": 0.3, "auc": 0.95, "examples": 10}
        metadata = {"task": "classifier", "labels": ["a", "b"], "parameters": 10, "metrics": metrics, "lineage": lineage}
        splits = {name: {"rows": 10, "tokens": 50} for name in ("train", "validation", "test")}
        version = run._register(model.parent, metadata, splits)
        assert version is not None
        return version


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stages:
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(FENCE, fence_of("weekly", 3))
    return Stages(tmp_path)


def announced(store: Store) -> list[str]:
    return [entry.key for entry in store.list(PENDING)]


def test_a_run_that_keeps_its_number_publishes_and_promotes(stages: Stages) -> None:
    run = stages.run()
    version = stages.register(run)
    decision = run._promote(version, EVALUATION_SET)
    assert decision is not None
    assert (version.number, decision["decision"]) == (1, "promoted")
    assert Registry(store=stages.store).resolve("reviews@production").number == 1


def test_a_run_that_is_given_up_while_it_uploads_publishes_nothing(stages: Stages) -> None:
    with pytest.raises(ConflictError) as caught:
        stages.register(stages.run(at=lambda name, key: name == "put_file"))
    assert (caught.value.exit_code, caught.value.message) == (6, GIVEN_UP)
    assert Registry(store=stages.store).names() == []
    assert announced(stages.store) == []


def test_a_run_that_is_given_up_while_it_promotes_moves_no_alias(stages: Stages) -> None:
    run = stages.run(at=lambda name, key: name == "put" and key.startswith(PENDING) and bool(Registry(store=stages.store).names()))
    version = stages.register(run)
    with pytest.raises(ConflictError) as caught:
        run._promote(version, EVALUATION_SET)
    assert (caught.value.exit_code, caught.value.message) == (6, GIVEN_UP)
    assert Registry(store=stages.store).aliases("reviews") == {}
    assert Registry(store=stages.store).alias("reviews", "production").history == ()
    assert announced(stages.store) == []
