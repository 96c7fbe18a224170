"""What `plan` says, and which places a cluster of several nodes refuses; Ray is not started."""

from pathlib import Path

import pytest

from distrnn.cluster.planning import names_file, plan, require_shared
from distrnn.errors import WorkflowError
from distrnn.workflow import LoadedWorkflow, validate
from fixtures_workflow import CLASSIFIER, changed

pytestmark = pytest.mark.usefixtures("fresh_home")
WORKFLOW = validate(changed(CLASSIFIER, "data.source", "synthetic-reviews"), "w.yaml")
LOCAL, SHARED = {"storage.root": "/home/me/storage"}, {"storage.root": "s3://bucket/storage"}
NODE = {"CPU": 2.0}


def test_one_node_of_this_machine_may_have_local_paths() -> None:
    assert require_shared(WORKFLOW, [NODE], None, LOCAL, shared_filesystem=False) is True


def test_several_nodes_may_share_an_object_store() -> None:
    assert require_shared(WORKFLOW, [NODE, NODE], "head:6379", SHARED, shared_filesystem=False) is False


def test_several_nodes_may_share_a_folder_if_the_user_says_so() -> None:
    assert require_shared(WORKFLOW, [NODE, NODE], "head:6379", LOCAL, shared_filesystem=True) is False


@pytest.mark.parametrize(
    ("nodes", "address", "key", "places"),
    [
        (2, "head:6379", "storage.root", LOCAL),
        (1, "ray://head:10001", "storage.root", LOCAL),
        (2, "head:6379", "--registry", SHARED | {"--registry": "/home/me/storage"}),
    ],
)
def test_local_places_are_refused_on_several_nodes(nodes: int, address: str, key: str, places: dict[str, str]) -> None:
    with pytest.raises(WorkflowError) as caught:
        require_shared(WORKFLOW, [NODE] * nodes, address, places, shared_filesystem=False)
    assert str(caught.value) == (
        f"key {key!r}: expected a place that every node of the cluster reaches. Received: /home/me/storage. "
        "Use an s3:// URL for storage and registry; if all nodes share this folder, say so with --shared-filesystem."
    )


def test_an_error_that_leaves_a_run_names_the_file() -> None:
    with pytest.raises(WorkflowError) as caught, names_file(LoadedWorkflow(WORKFLOW, "w.yaml")):
        raise WorkflowError("key 'a': expected 1", key="a")
    assert (str(caught.value), caught.value.fields) == ("w.yaml: key 'a': expected 1", {"key": "a", "file": "w.yaml"})


@pytest.mark.parametrize(
    ("promote", "key"),
    [
        ({"metric": "accuracy", "min": 0.5, "label": "neutral"}, "register.promote.label"),
        ({"rules": [{"metric": "loss", "max": 1}, {"metric": "loss", "max": 2, "label": "neutral"}]}, "register.promote.rules.1.label"),
    ],
)
def test_a_gate_on_a_label_that_the_data_does_not_have_is_refused_before_training(repo_root: Path, promote: dict, key: str) -> None:
    file = repo_root / "workflows/quickstart-reviews.yaml"
    with pytest.raises(WorkflowError) as caught:
        plan(file, {"register.promote": {"alias": "production", **promote}})
    assert str(caught.value) == f"{file}: key {key!r}: expected one of negative, positive. Received: neutral"


def test_words_without_their_order_are_for_a_bag(repo_root: Path) -> None:
    file = repo_root / "workflows/quickstart-reviews.yaml"
    with pytest.raises(WorkflowError) as caught:
        plan(file, {"data.tokenizer.layout": "bag"})
    assert str(caught.value) == (
        f"{file}: key 'data.tokenizer.layout': expected sequence for model.type lstm, which reads tokens in their order. Received: bag"
    )
    bag = {"type": "bag", "sequence_length": 60, "units": 16}
    words = {"data.tokenizer.layout": "bag", "data.tokenizer.vocabulary_size": 1000}
    assert plan(file, {"model": bag, **words})["parameters"]["layers"] == {"words": 16_000, "words_bias": 16, "output": 17}


def test_the_plan_of_the_smallest_lesson_counts_its_parameters(repo_root: Path, tmp_path: Path) -> None:
    for folder, text in (("train/pos", "good"), ("train/neg", "bad"), ("test/pos", "well"), ("test/neg", "poor")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "0_9.txt").write_text(text)
    document = plan(repo_root / "workflows/imdb-simple-rnn-tiny.yaml", {"data.path": str(tmp_path)})
    assert document["parameters"]["layers"] == {"embedding": 1_000_000, "simple_rnn": 280, "output": 6}
    assert document["parameters"]["total"] == 1_000_286


def test_a_plan_says_what_would_happen(repo_root: Path) -> None:
    document = plan(repo_root / "workflows/quickstart-reviews.yaml", ["scaling.device=cpu", "scaling.cpus_per_worker=1"])
    assert (document["dataset"]["cache"], document["dataset"]["chunks"]) == ("miss", 10)
    assert document["placement"] == {"device": "cpu", "cpus": 1, "gpus": 0, "replicas": 1, "workers": 1}
    assert (document["batches"]["per_replica_batch_size"], document["batches"]["steps_per_epoch"]) == (64, None)
    assert document["parameters"]["layers"]["lstm"] == 4 * 48 * (32 + 48 + 1)
    assert document["kernels"] == "XLA compiles the step: one core."
    assert document["cudnn"] == {"usable": True, "prevented_by": []}
