"""What `plan` says, and which places a cluster of several nodes refuses; Ray is not started."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

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
        "Use an s3:// URL; if all nodes share this folder, say so with --shared-filesystem."
    )


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("data", {"source": "csv", "path": "/home/me/it"}),
        ("data", {"source": "csv", "path": "s3://bucket/train.csv", "test_path": "/home/me/it"}),
        ("model.pretrained", {"path": "/home/me/it"}),
        ("train.pseudo_labels", {"teacher": "t", "path": "/home/me/it", "rows": 1}),
    ],
)
def test_local_data_is_refused_on_several_nodes(section: str, value: dict[str, object]) -> None:
    document = changed(changed(CLASSIFIER, "data.source", "synthetic-reviews"), section, value)
    key = "data.test_path" if "test_path" in value else f"{section}.path"
    with pytest.raises(WorkflowError) as caught:
        require_shared(validate(document, "w.yaml"), [NODE] * 2, "head:6379", SHARED, shared_filesystem=False)
    assert str(caught.value) == (
        f"key {key!r}: expected a place that every node of the cluster reaches. Received: /home/me/it. "
        "Use an s3:// URL; if all nodes share this folder, say so with --shared-filesystem."
    )
    assert require_shared(validate(document, "w.yaml"), [NODE] * 2, "head:6379", SHARED, shared_filesystem=True) is False


def test_a_plan_says_which_vectors_an_embedding_begins_with(repo_root: Path, tmp_path: Path) -> None:
    vectors = tmp_path / "v.txt"
    vectors.write_text("film 1 2 3\n")
    file = repo_root / "workflows/quickstart-reviews.yaml"
    settings = {"model.pretrained": {"path": str(vectors)}, "model.embedding_dim": 3}
    assert plan(file, settings)["vectors"] == {
        "path": str(vectors),
        "sha256": hashlib.sha256(vectors.read_bytes()).hexdigest(),
        "trainable": True,
        **dict.fromkeys(("tokens", "found", "share", "running_share")),
    }
    with pytest.raises(WorkflowError) as caught:
        plan(file, {**settings, "model.embedding_dim": 4})
    assert str(caught.value) == f"{file}: key 'model.embedding_dim': expected 3, the length of the vectors in {vectors}. Received: 4"


LABELS = ["bad", "fair", "good"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"{name} film {number},{name}\n" for number in range(9) for name in LABELS))
    return path


def csv_keys(path: Path, **keys: object) -> dict[str, object]:
    document = {"name": "t", "data": {"source": "csv", "path": str(path), "test_fraction": 0.2, "labels": LABELS}, "train": {"epochs": 1}}
    document |= {"model": {"type": "bag", "sequence_length": 5}}
    document["data"]["tokenizer"] = {"layout": "bag", "vocabulary_size": 50}  # type: ignore[index]
    return {**document, **keys}


def planned(tmp_path: Path, document: dict[str, object]) -> dict:
    file = tmp_path / "t.yaml"
    file.write_text(yaml.safe_dump(document))
    return plan(file)


def test_each_of_several_labels_has_an_output(table: Path, tmp_path: Path) -> None:
    assert parameters(planned(tmp_path, csv_keys(table))) == {"words": 50 * 3, "words_bias": 3}


def test_documents_without_labels_train_no_classifier(table: Path, tmp_path: Path) -> None:
    document = csv_keys(table)
    document["data"]["labels"] = "none"  # type: ignore[index]
    with pytest.raises(WorkflowError) as caught:
        planned(tmp_path, document)
    assert str(caught.value) == (
        f"{tmp_path / 't.yaml'}: key 'data.labels': expected labels, which a classifier is trained on. Received: documents without labels. "
        "distrnn prepare takes them"
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


def parameters(document: dict) -> dict[str, int]:
    """Of each layer that has some."""
    return {stage["layer"]: stage["parameters"] for stage in document["architecture"] if stage["parameters"] is not None}


def test_words_without_their_order_are_for_a_bag(repo_root: Path) -> None:
    file = repo_root / "workflows/quickstart-reviews.yaml"
    with pytest.raises(WorkflowError) as caught:
        plan(file, {"data.tokenizer.layout": "bag"})
    assert str(caught.value) == (
        f"{file}: key 'data.tokenizer.layout': expected sequence for model.type lstm, which reads tokens in their order. Received: bag"
    )
    bag = {"type": "bag", "sequence_length": 60, "units": 16}
    words = {"data.tokenizer.layout": "bag", "data.tokenizer.vocabulary_size": 1000}
    assert parameters(plan(file, {"model": bag, **words})) == {"words": 16_000, "words_bias": 16, "output": 17}


def test_the_plan_of_the_smallest_lesson_counts_its_parameters(repo_root: Path, tmp_path: Path) -> None:
    for folder, text in (("train/pos", "good"), ("train/neg", "bad"), ("test/pos", "well"), ("test/neg", "poor")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "0_9.txt").write_text(text)
    document = plan(repo_root / "workflows/imdb-simple-rnn-tiny.yaml", {"data.path": str(tmp_path)})
    assert parameters(document) == {"embedding": 1_000_000, "simple_rnn": 280, "output": 6}
    assert document["parameters"]["total"] == 1_000_286


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"type": "conv", "sequence_length": 8, "embedding_dim": 4, "units": 2, "kernel_sizes": [2]}, None),
        ({"type": "mlp", "sequence_length": 8, "embedding_dim": 4}, None),
        ({"type": "gru", "sequence_length": 8, "units": 4}, {"usable": True, "prevented_by": []}),
    ],
)
def test_cudnn_is_spoken_of_only_where_something_is_recurrent(repo_root: Path, model: dict[str, Any], expected: Any) -> None:
    assert plan(repo_root / "workflows/quickstart-reviews.yaml", {"model": model})["cudnn"] == expected


def test_a_plan_of_word_vectors_counts_what_is_trained_and_what_is_published(repo_root: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a good film"]}), tmp_path / "texts.parquet")
    document = plan(repo_root / "workflows/imdb-word2vec.yaml", {"data.path": str(tmp_path / "texts.parquet")})
    assert document["parameters"] == {"vocabulary_size": 20_000, "exact": False, "total": 4_000_000, "published": 2_000_100}
    assert parameters(document) == {"embedding": 2_000_000, "predicted": 2_000_000}
    assert document["cudnn"] is None


def test_a_plan_says_what_would_happen(repo_root: Path) -> None:
    document = plan(repo_root / "workflows/quickstart-reviews.yaml", ["scaling.device=cpu", "scaling.cpus_per_worker=1"])
    assert (document["dataset"]["cache"], document["dataset"]["chunks"]) == ("miss", 10)
    assert document["placement"] == {"device": "cpu", "cpus": 1, "gpus": 0, "replicas": 1, "workers": 1}
    assert (document["batches"]["per_replica_batch_size"], document["batches"]["steps_per_epoch"]) == (64, None)
    assert parameters(document)["lstm"] == 4 * 48 * (32 + 48 + 1)
    assert document["kernels"] == "XLA compiles the step: one core."
    assert document["cudnn"] == {"usable": True, "prevented_by": []}
