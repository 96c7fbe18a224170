"""A published teacher labels documents for a run: once, pinned, no copy of a held-out document among them; and what a step then reads."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distrnn.client import load_folder
from distrnn.cluster.pseudo_labelling import label
from distrnn.data import pseudo_labels
from distrnn.data.columns import SCHEMA
from distrnn.data.dataset import Dataset
from distrnn.data.manifest import evaluation_key
from distrnn.data.parts import Part
from distrnn.errors import DataError, NotFoundError, WorkflowError
from distrnn.progress import Event, silent
from distrnn.registry import Registry
from distrnn.registry.rules import Rule
from distrnn.storage import open_store
from distrnn.training.mixture import is_mixed, mixed_batches
from distrnn.workflow import Workflow, validate
from fixtures_data import document_workflow, prepare_here, review

TEXTS = [f"the good film {word}" for word in ("was", "scene", "actor", "plot")] + [
    "bad not bad",
    "film film not",
    review(1003),
    review(1007),
]


def long(number: int, last: str = "end") -> str:
    """A document that no other number's is near to; with another last word it is near to itself."""
    return " ".join([*(f"n{number}x{place}" for place in range(40)), last])


@dataclass
class Place:
    """A dataset, a registry with a teacher, and documents without labels."""

    document: dict[str, Any]
    dataset: Dataset
    registry: Registry
    teacher: Any

    def workflow(self, **keys: Any) -> Workflow:
        return validate({**self.document, "train": {**self.document["train"], **keys}}, "w.yaml")

    def pseudo(self, **keys: Any) -> Workflow:
        return self.workflow(pseudo_labels={**self.document["train"]["pseudo_labels"], **keys})

    def with_documents(self, *texts: str, **keys: Any) -> Workflow:
        """With other documents than `TEXTS`."""
        path = Path(self.document["train"]["pseudo_labels"]["path"]).with_name("others.parquet")
        pq.write_table(pa.table({"text": texts}), path)
        self.document |= keys
        return self.pseudo(path=str(path), rows=1)

    def labelled(self, workflow: Workflow, heard: Any = silent, **keys: Any) -> Any:
        return label(workflow, self.dataset, self.registry, heard, **keys)


@pytest.fixture
def place(review_folder: Any, tmp_path: Any, tiny_classifier: Any) -> Place:
    for split, numbers in (("train", range(30)), ("test", range(100, 101))):
        file = review_folder / f"{split}.parquet"
        found, labels = pq.read_table(file), [number % 2 for number in numbers]
        more = pa.table({"text": [long(number) for number in numbers], "label": pa.array(labels, pa.int8())})
        pq.write_table(pa.concat_tables([found, more]), file)
    loaded = document_workflow(review_folder)
    dataset = prepare_here(loaded, open_store(str(tmp_path / "storage")))
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "more.parquet")
    registry = Registry(str(tmp_path / "registry"))
    folder = tiny_classifier("teacher")
    registry.publish("teacher", folder, metadata={})
    section = {"teacher": "teacher", "path": str(tmp_path / "more.parquet"), "rows": 2}
    document = {**loaded.to_json(), "train": {"epochs": 1, "global_batch_size": 4, "pseudo_labels": section}}
    document["data"] = {key: value for key, value in document["data"].items() if value is not None}
    return Place(document, dataset, registry, load_folder(folder))


def test_every_document_has_the_teachers_answer_but_copies_of_test_documents(place: Place) -> None:
    events: list[Event] = []
    labelled = place.labelled(place.pseudo(soft=True), events.append)
    found = pseudo_labels.read(place.dataset.store, labelled.name)
    np.testing.assert_allclose(found.probabilities, place.teacher.predict(TEXTS[:6]), atol=1e-6)
    rows = found.reader().pad_rows(np.arange(6), 20, "pre", "pre")
    assert [[token for token in row if token] for row in rows.tolist()] == [place.dataset.vocabulary.encode(text) for text in TEXTS[:6]]
    version = place.registry.resolve("teacher")
    assert labelled.teacher == f"teacher@{version.digest}"
    positive = int((found.probabilities > 0.5).sum())
    assert labelled.origin == {
        "teacher": {"name": "teacher", "number": 1, "digest": version.digest},
        "source": labelled.origin["source"],
        "documents": 8,
        "threshold": None,
        "accepted": 8,
        "accepted_share": 1.0,
        "copies_left_out": 2,
        "copies_of": {"test": 2, "validation": 0, "repeated": 0},
        "used": 6,
        "labels": {"negative": 6 - positive, "positive": positive},
        "soft": True,
    }
    assert [(event.stage, event.done, event.unit) for event in events] == [("label", 8, "documents")]


def test_near_copies_of_test_documents_and_of_each_other_are_left_out(place: Place) -> None:
    labelled = place.labelled(place.with_documents(long(100, "else"), long(200), long(200, "else"), long(201)))
    assert labelled.origin["copies_of"] == {"test": 1, "validation": 0, "repeated": 1}
    assert (labelled.origin["accepted"], labelled.origin["copies_left_out"], labelled.origin["used"]) == (4, 2, 2)


@pytest.mark.parametrize("last", ["end", "else"])
def test_copies_of_validation_documents_are_left_out_exact_or_near(place: Place, last: str) -> None:
    validation = place.dataset.reader("validation").pad_rows(np.arange(place.dataset.reader("validation").rows), 42, "pre", "pre")
    known = {row.tobytes() for row in validation}
    held_out = [number for number in range(30) if np.array(place.dataset.vocabulary.encode(long(number)), np.int32).tobytes() in known]
    assert 0 < len(held_out) < 30
    labelled = place.labelled(place.with_documents(*(long(number, last) for number in range(30))))
    assert labelled.origin["copies_of"] == {"test": 0, "validation": len(held_out), "repeated": 0}
    kept = pseudo_labels.read(place.dataset.store, labelled.name).reader()
    ids = [place.dataset.vocabulary.encode(long(number, last)) for number in range(30) if number not in held_out]
    assert kept.pad_rows(np.arange(kept.rows), 42, "pre", "pre").tolist() == ids


def pin(place: Place, *texts: str) -> str:
    """Let the alias `production` of `student` have another evaluation set than the dataset's own."""
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_file(buffer, SCHEMA) as writer:
        columns = {"id": [str(number) for number in range(len(texts))], "text": texts, "label": [0] * len(texts)}
        writer.write_table(pa.table(columns, schema=SCHEMA))
    body = buffer.getvalue().to_pybytes()
    digest = hashlib.sha256(body).hexdigest()
    place.dataset.store.put(evaluation_key(digest), body)
    metadata = {"metrics": {"accuracy": 0.9}, "lineage": {"evaluation_set": digest}}
    version = place.registry.publish("student", place.registry.pull("teacher", form="numpy"), metadata=metadata)
    place.registry.promote(version, "production", [Rule("accuracy", min=0.5)])
    return digest


def gated(evaluation_set: str) -> dict[str, Any]:
    gate = {"alias": "production", "metric": "accuracy", "min": 0.5, "evaluation_set": evaluation_set}
    return {"register": {"name": "student", "promote": gate}}


@pytest.mark.parametrize(("evaluation_set", "left_out"), [("pinned", {"test": 0, "pinned": 2}), ("own", {"test": 0})])
def test_copies_of_what_the_gate_measures_on_are_left_out(place: Place, evaluation_set: str, left_out: dict[str, int]) -> None:
    pin(place, long(300), long(301))
    workflow = place.with_documents(long(300), long(301, "else"), long(302), **gated(evaluation_set))
    assert place.labelled(workflow).origin["copies_of"] == {**left_out, "validation": 0, "repeated": 0}


def test_another_pinned_set_leaves_out_other_documents(place: Place) -> None:
    workflow = place.with_documents(long(300), long(302), **gated("pinned"))
    before = place.labelled(workflow)
    pin(place, long(300))
    after = place.labelled(workflow)
    assert (before.origin["used"], after.origin["used"]) == (2, 1)
    assert before.name != after.name


def test_a_pinned_set_that_is_elsewhere_is_told_before_anything_is_trained(place: Place) -> None:
    digest = pin(place, long(300))
    place.dataset.store.delete(evaluation_key(digest))
    with pytest.raises(NotFoundError) as caught:
        place.labelled(place.with_documents(long(302), **gated("pinned")))
    assert str(caught.value) == (
        f"the evaluation set {digest[:12]} is not in {place.dataset.store.url}. Name the storage root that it was made in "
        "(--storage, or storage.root of the workflow)."
    )


def test_only_documents_that_the_teacher_is_sure_of_are_taken(place: Place) -> None:
    likeliest = np.maximum(found := place.teacher.predict(TEXTS[:6]), 1 - found)
    threshold = max(0.5, float(np.sort(likeliest)[2]))
    labelled = place.labelled(place.pseudo(threshold=threshold))
    kept = pseudo_labels.read(place.dataset.store, labelled.name)
    np.testing.assert_allclose(np.maximum(kept.probabilities, 1 - kept.probabilities), likeliest[likeliest >= threshold], atol=1e-6)
    assert labelled.origin["accepted_share"] == labelled.origin["accepted"] / 8 < 1.0


def test_the_same_documents_are_judged_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place.labelled(place.pseudo())
    monkeypatch.setattr("distrnn.client.Classifier.predict", None)
    again = place.labelled(place.pseudo(soft=True, rows=3))
    assert (again.name, again.origin["soft"]) == (first.name, True)


def test_documents_in_s3_are_those_of_the_file(place: Place, moto_s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place.labelled(place.pseudo())
    moto_s3.use(monkeypatch)
    store = open_store(moto_s3.new_url())
    store.put_file("more.parquet", Path(place.document["train"]["pseudo_labels"]["path"]))
    for path in (f"{store.url}/more.parquet", store.url):
        assert place.labelled(place.pseudo(path=path)) == first


def test_a_run_keeps_the_teacher_it_began_with(place: Place, tiny_classifier: Any) -> None:
    first = place.labelled(place.pseudo())
    place.registry.publish("teacher", tiny_classifier("other", seed=5), metadata={})
    assert place.labelled(place.pseudo(), teacher=first.teacher) == first
    assert place.labelled(place.pseudo()).name != first.name


@pytest.mark.parametrize(
    ("keys", "expected", "received"),
    [
        ({"rows": 7}, "rows': expected at most the 6 documents that are left of 8: lower train.pseudo_labels.threshold or give more", "7"),
        ({"teacher": "three"}, "teacher': expected a classifier of negative, positive, in this order.", "three, which tells a, b, c apart"),
        ({"teacher": "writer"}, "teacher': expected a classifier.", "writer, a language model"),
        ({"teacher": "words"}, "teacher': expected a classifier.", "words, a set of word vectors"),
    ],
)
def test_what_cannot_be_used_is_refused(
    place: Place,
    tiny_classifier: Any,
    tiny_language_model: Any,
    tiny_vectors: Any,
    keys: dict[str, Any],
    expected: str,
    received: str,
) -> None:
    place.registry.publish("three", tiny_classifier("three", labels=("a", "b", "c"), activation="softmax"), metadata={})
    place.registry.publish("writer", tiny_language_model(), metadata={})
    place.registry.publish("words", tiny_vectors(), metadata={})
    with pytest.raises(WorkflowError) as caught:
        place.labelled(place.pseudo(**keys))
    assert str(caught.value).startswith(f"key 'train.pseudo_labels.{expected}")
    assert str(caught.value).endswith(f"Received: {received}")


def test_a_teacher_that_does_not_exist_is_not_found(place: Place) -> None:
    with pytest.raises(NotFoundError):
        place.labelled(place.pseudo(teacher="nobody"))


def test_a_step_has_labelled_documents_then_those_of_validation_then_the_teachers(place: Place) -> None:
    workflow = validate({**place.document, "train": {**place.document["train"], "validation_rows": 3}}, "w.yaml")
    labelled = place.labelled(workflow)
    whole = list(mixed_batches(workflow, place.dataset, Part(0, 1), labelled.name).epoch(0))
    assert is_mixed(workflow)
    assert {batch.tokens.shape for batch in whole} == {(4 + 3 + 2, 10)}
    assert len(whole) == -(-place.dataset.reader("train").rows // 4)
    readers = (
        place.dataset.reader("train"),
        place.dataset.reader("validation"),
        pseudo_labels.read(place.dataset.store, labelled.name).reader(),
    )
    known = [{row.tobytes() for row in reader.pad_rows(np.arange(reader.rows), 10, "pre", "pre")} for reader in readers]
    for batch in whole:
        parts = np.split(batch.tokens, [4, 7])
        for part, rows in zip(parts, known, strict=True):
            assert {row.tobytes() for row, weight in zip(part, np.ones(len(part)), strict=True) if row.any()} <= rows
    halves = [list(mixed_batches(workflow, place.dataset, Part(worker, 3), labelled.name).epoch(0)) for worker in range(3)]
    for batch, *parts in zip(whole, *halves, strict=True):
        assert (np.concatenate([part.tokens for part in parts]) == batch.tokens).all()


@pytest.mark.parametrize("soft", [False, True])
def test_the_teachers_probabilities_or_its_answers_are_learned(place: Place, soft: bool) -> None:
    workflow = place.pseudo(soft=soft)
    labelled = place.labelled(workflow)
    batch = next(iter(mixed_batches(workflow, place.dataset, Part(0, 1), labelled.name).epoch(0)))
    assert set(batch.labels[:4].tolist()) <= {0.0, 1.0}
    assert all(value in (0.0, 1.0) for value in batch.labels[4:].tolist()) is not soft


def test_a_file_without_documents_is_named(place: Place, tmp_path: Any) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "empty.parquet")
    with pytest.raises(DataError):
        place.labelled(place.pseudo(path=str(tmp_path / "empty.parquet")))
