"""Where a word for a model leads: a version, a run, the newest finished run of a workflow."""

import json

import pytest

from distrnn import Registry
from distrnn.errors import NotFoundError, UsageError
from distrnn.evaluation.contenders import Finder
from distrnn.runs import RunStore
from distrnn.storage import open_store

OLD, NEW = "reviews-20261121-015300-ab12", "reviews-20261122-015300-ab12"


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry")


@pytest.fixture
def runs(tmp_path):
    return RunStore(open_store(str(tmp_path / "storage")))


@pytest.fixture
def finder(tmp_path, registry):
    return Finder(registry.url, str(tmp_path / "storage"))


@pytest.fixture
def record(registry, runs, tiny_classifier):
    """Record a run, finished unless said otherwise, which registers a version unless told not to."""

    def make(run_id=NEW, status="finished", register=True, **keys):
        version = None
        if register:
            metadata = {"task": "classifier", "lineage": {"run_id": run_id, "workflow": {"name": "reviews"}, "evaluation_set": "e5" * 32}}
            published = registry.publish("reviews", tiny_classifier(run_id, seed=len(run_id)), metadata=metadata)
            version = {"name": "reviews", "number": published.number, "digest": published.digest, "unchanged": False}
        workflow = {"name": "reviews", "model": {"task": "classifier"}}
        document = {"run_id": run_id, "workflow": "reviews", "status": status, "version": version, "resolved_workflow": workflow}
        runs.save(run_id, {**document, "history": [{"loss": 0.5}], "options": {"registry": registry.url}, **keys})

    return make


def test_a_version_leads_to_its_run(finder, record):
    record()
    found = finder.find("reviews@v1")
    assert (found.name, found.run["run_id"], found.history, found.missing) == ("reviews@v1", NEW, [{"loss": 0.5}], ())
    assert (found.task, found.workflow, found.evaluation_set) == ("classifier", {"name": "reviews"}, "e5" * 32)


@pytest.mark.parametrize("word", [NEW, "last"])
def test_a_run_leads_to_its_version(finder, record, word):
    record()
    found = finder.find(word)
    assert (str(found.version), found.run["run_id"], found.note) == ("reviews@v1", NEW, None)


def test_a_run_is_found_by_a_name_of_its_own(finder, record):
    record("my-run")
    assert finder.find("my-run").run["run_id"] == "my-run"


def test_the_registry_that_a_run_has_recorded_is_asked(tmp_path, record):
    record()
    assert str(Finder(None, str(tmp_path / "storage")).find(NEW).version) == "reviews@v1"


def test_a_workflow_means_its_newest_finished_run(finder, record, runs, workflow_path):
    record(OLD)
    record(NEW, status="failed", register=False)
    record("other-20261123-015300-ab12", register=False, workflow="other")
    found = finder.find(workflow_path)
    assert found.run["run_id"] == OLD
    assert found.note.startswith("that run had other values than the file has now: ")


def test_a_workflow_that_was_run_as_it_is_needs_no_note(finder, record, workflow_path):
    from distrnn.workflow import load_workflow

    record(OLD, resolved_workflow=load_workflow(workflow_path).to_json())
    assert finder.find(workflow_path).note is None


def test_a_workflow_that_never_finished_says_how_to_run_it(finder, record, runs, workflow_path):
    record(OLD, status="interrupted", register=False)
    with pytest.raises(NotFoundError) as caught:
        finder.find(workflow_path)
    assert caught.value.message == (
        f"no finished run of {workflow_path} (workflow reviews) in {runs.store.url}. Make one with: distrnn run {workflow_path}"
    )


def test_a_run_that_has_not_finished_is_refused(finder, record):
    record(status="running", register=False)
    with pytest.raises(UsageError) as caught:
        finder.find("last")
    assert caught.value.message == (
        f"compare takes runs that have finished. Received: 'last', which is running. See: distrnn runs show {NEW}"
    )


def test_a_run_without_a_version_takes_part_with_what_it_has(finder, record):
    record(register=False)
    found = finder.find(NEW)
    assert (found.name, found.version, found.task, found.evaluation_set) == (NEW, None, "classifier", None)
    assert found.missing == ("its run registered no version, so there is no model to ask",)


def test_a_version_of_another_registry_is_not_taken_for_that_of_the_run(tmp_path, finder, record, runs):
    record()
    document = runs.load(NEW)
    document["version"]["digest"] = "sha256:" + "0" * 64
    runs.save(NEW, document)
    found = finder.find(NEW)
    assert found.version is None
    assert found.missing == (f"reviews@v1 in {tmp_path}/registry is another one than the run made; name its registry (--registry)",)
    assert finder.find("reviews@v1").run is None


def test_a_version_whose_run_is_elsewhere_says_so(tmp_path, registry, record):
    record()
    found = Finder(registry.url, str(tmp_path / "elsewhere")).find("reviews@v1")
    assert (found.run, found.history) == (None, [])
    assert found.missing == (
        f"the record of its run is not in {tmp_path}/elsewhere; name the storage root that it was made in (--storage)",
    )


@pytest.mark.parametrize("reference", ["reviews@v9", "nothing", "nothing-20261121-015300-ab12", "nothing.yaml"])
def test_what_is_not_there_is_not_found(finder, record, reference):
    record()
    with pytest.raises(NotFoundError):
        finder.find(reference)


@pytest.mark.parametrize("lineage", [None, [], {}, {"workflow": 3}, {"evaluation_set": 3, "run_id": "../../x"}, {"placement": "cpu"}])
def test_metadata_of_any_shape_takes_part(finder, registry, tiny_classifier, lineage):
    registry.publish("odd", tiny_classifier(), metadata={"lineage": lineage, "metrics": "good"})
    found = finder.find("odd")
    assert (found.evaluation_set, found.metrics, found.workflow, found.placement, found.run) == (None, {}, {}, {}, None)


@pytest.fixture
def workflow_path(tmp_path, classifier):
    path = tmp_path / "reviews.yaml"
    path.write_text(json.dumps({**classifier, "name": "reviews"}))
    return str(path)
