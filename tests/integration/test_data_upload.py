"""Local data that is sent to the storage root is the same data there: same dataset, same labels, whatever kind of path named it."""

import pytest

from distrnn.cluster.data_upload import prepare, send
from distrnn.data.lookup import lookup
from distrnn.storage import open_store
from distrnn.workflow import LoadedWorkflow, validate

ROWS = "".join(f"a {'good' if row % 2 else 'dull'} film number {row},{('bad', 'good')[row % 2]}\n" for row in range(40))


@pytest.fixture
def store(s3_server):
    return open_store(s3_server.new_url())


@pytest.fixture
def files(tmp_path):
    """Reviews as tables and as texts in folders."""
    for name in ("train.csv", "test.csv", "a[1].csv", "unlabelled.csv"):
        (tmp_path / name).write_text(f"text,label\n{name} is good,good\n{ROWS}")
    for split in ("train", "test"):
        for number in range(20):
            path = tmp_path / "texts" / split / ("bad", "good")[number % 2] / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{split} text number {number}")
    return tmp_path


def workflow(**data):
    document = {
        "name": "reviews",
        "data": {"labels": ["bad", "good"], **data},
        "model": {"type": "lstm", "sequence_length": 10},
        "train": {"epochs": 1},
    }
    return LoadedWorkflow(validate(document, "w.yaml"), "w.yaml")


def sent(loaded, store):
    """The workflow that a cluster gets."""
    upload = prepare(loaded, store.url)
    send(upload, store, lambda _: None)
    return LoadedWorkflow(validate(upload.applied(loaded.to_json()), "w.yaml"), "w.yaml")


@pytest.mark.parametrize(
    ("source", "path", "data"),
    [
        ("csv", "train.csv", {"test_path": "test.csv"}),
        ("csv", "a[1].csv", {"test_fraction": 0.2}),
        ("csv", "t*.csv", {"test_fraction": 0.2}),
        ("text", "texts", {}),
        ("text", "texts/train/good/*.txt", {"test_path": "texts/test/bad"}),
        ("text", "texts/train/good/1.txt", {"test_path": "texts"}),
    ],
)
def test_data_that_was_sent_is_the_same_dataset(store, files, source, path, data):
    data = {key: str(files / value) if key == "test_path" else value for key, value in data.items()}
    here = workflow(source=source, path=str(files / path), **data)
    there = sent(here, store)
    assert there.workflow.data.path.startswith(f"{store.url}/uploads/")
    assert lookup(there, store).fingerprint == lookup(here, store).fingerprint
    assert len(lookup(there, store).source.chunks()) > 0


def labels_of(loaded):
    from distrnn.data.sources import open_source, read_chunk

    return [label for chunk in open_source(loaded.workflow).chunks() for label in read_chunk(chunk).table["label"].to_pylist()]


def test_texts_have_the_labels_of_their_folders(store, files):
    here = workflow(source="text", path=str(files / "texts/train/good"), test_path=str(files / "texts/test/bad/*"))
    assert labels_of(sent(here, store)) == labels_of(here) == [1] * 10 + [0] * 10


def test_data_that_is_there_is_not_sent_again(store, files):
    loaded, said = workflow(source="text", path=str(files / "texts")), []
    for _ in range(2):
        send(prepare(loaded, store.url), store, said.append)
    assert said == [f"Uploading 40 files, 0.1 MB, to {store.url}/uploads."]
