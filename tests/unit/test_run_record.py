"""The record of a run: what goes on, what is refused, what the message says."""

import pytest

from distrnn.cluster import record
from distrnn.cluster.record import Options
from distrnn.errors import ConflictError, DataError, InterruptedRunError, UsageError, WorkflowError
from distrnn.runs import RunStore
from distrnn.storage import open_store
from distrnn.workflow import LoadedWorkflow, validate
from fixtures_workflow import CLASSIFIER, changed


@pytest.fixture
def runs(tmp_path):
    return RunStore(open_store(str(tmp_path)))


def loaded(*change):
    document = changed(CLASSIFIER, *change) if change else CLASSIFIER
    return LoadedWorkflow(validate(document, "w.yaml"), "w.yaml")


def started(runs, **options):
    return record.start(runs, loaded(), Options({}, **options), "mine")


def test_an_interrupted_run_says_how_to_go_on(runs):
    document = record.start(runs, loaded(), Options({"storage.root": "/a folder"}), "mine")
    error = record.stopped(runs, document, InterruptedRunError("interrupted by SIGTERM", signal=15))
    assert str(error) == (
        "run mine was interrupted by SIGTERM; what is done is kept. "
        "Go on with: distrnn run w.yaml --resume mine --set 'storage.root=/a folder'"
    )
    assert (error.exit_code, runs.load("mine")["status"]) == (143, "interrupted")


def test_a_failed_run_keeps_its_error(runs):
    error = DataError("no text")
    assert record.stopped(runs, started(runs), error) is error
    assert (runs.load("mine")["status"], runs.load("mine")["error"]) == ("failed", "no text")


def test_options_that_are_not_given_again_are_those_of_before():
    earlier = Options({"train.epochs": 3, "data.limit": 5}, "s3://b/registry", "head:6379", True, "/shared/lock")
    assert Options({"data.limit": 6}).or_else(earlier) == Options(
        {"train.epochs": 3, "data.limit": 6}, "s3://b/registry", "head:6379", True, "/shared/lock"
    )


def test_the_url_of_a_webhook_is_not_recorded(runs):
    given = {"train.epochs": 3, "notify.url": "https://hooks/token", "schedule.cron": "0 3 * * 1", "notify": {"url": "https://hooks/token"}}
    assert record.start(runs, loaded(), Options(given), "mine")["options"]["overrides"] == {"train.epochs": 3}


def test_a_changed_key_is_named(runs):
    document = started(runs)
    with pytest.raises(WorkflowError) as caught:
        record.go_on(runs, document, loaded("train.epochs", 4))
    assert str(caught.value) == "w.yaml: key 'train.epochs': expected 3, as in run mine. Received: 4. Start a new run to change it."


@pytest.mark.parametrize(("key", "value"), [("scaling.replicas_per_worker", 2), ("train.checkpoint_every_s", 5), ("train.max_failures", 9)])
def test_what_the_weights_do_not_depend_on_may_change(runs, key, value):
    assert record.go_on(runs, started(runs), loaded(key, value))["status"] == "running"


def test_a_finished_run_does_not_go_on(runs):
    with pytest.raises(UsageError) as caught:
        record.go_on(runs, {**started(runs), "status": "finished"}, loaded())
    assert str(caught.value) == "run mine is finished; there is nothing to go on with. See: distrnn runs show mine"


def test_other_data_is_refused(runs):
    document = record.with_dataset(runs, started(runs), "a" * 64)
    with pytest.raises(DataError) as caught:
        record.with_dataset(runs, document, "b" * 64)
    assert str(caught.value) == (
        "expected the data that run mine began with (dataset aaaaaaaaaaaa). Received: dataset bbbbbbbbbbbb. "
        "Bring the data back, or start a new run."
    )


def test_a_run_belongs_to_one_process(runs):
    started(runs)
    with record.held(runs, "mine"), pytest.raises(ConflictError) as caught, record.held(runs, "mine"):
        pass
    assert str(caught.value) == "run mine is in progress in another process. See: distrnn runs show mine"


def test_the_vectors_of_a_run_are_recorded_and_no_others_taken(runs):
    document = record.with_vectors(runs, started(runs), "/v.txt", "a" * 64)
    assert runs.load("mine")["vectors"] == "a" * 64
    assert record.with_vectors(runs, document, "/moved/v.txt", "a" * 64) == document
    with pytest.raises(DataError) as caught:
        record.with_vectors(runs, document, "/v.txt", "b" * 64)
    assert str(caught.value) == (
        "/v.txt: expected the vectors that this run began with (sha256 aaaaaaaaaaaa). Received: sha256 bbbbbbbbbbbb. "
        "Bring the file back, or start a new run."
    )


def test_the_documents_that_a_teacher_labelled_are_recorded_and_no_others_taken(runs):
    document = record.with_pseudo_labels(runs, started(runs), "a" * 64, "teacher@sha256:12")
    assert runs.load("mine")["pseudo_labels"] == {"name": "a" * 64, "teacher": "teacher@sha256:12"}
    with pytest.raises(DataError) as caught:
        record.with_pseudo_labels(runs, document, "b" * 64, "teacher@sha256:12")
    assert str(caught.value) == (
        "expected the pseudo-labelled documents that run mine began with (aaaaaaaaaaaa). Received: others (bbbbbbbbbbbb). "
        "Bring the file of train.pseudo_labels.path back if it changed, or start a new run: other documents are left out, too, where the "
        "alias has pinned another evaluation set since."
    )


def test_the_weights_that_a_run_begins_with_are_recorded(runs):
    record.with_weights(runs, started(runs), "a" * 64, "teacher@sha256:12")
    assert runs.load("mine")["weights"] == {"name": "a" * 64, "model": "teacher@sha256:12"}
