"""Local data on its way to the storage root: what is found, where each file goes, what is sent and what is there already."""

import hashlib
from dataclasses import replace

import pytest
import yaml

from distrnn.cluster import data_upload
from distrnn.cluster.data_upload import prepare, send
from distrnn.errors import AccessError, DataError, NotFoundError, UsageError, WorkflowError
from distrnn.storage import open_store
from distrnn.workflow import load_workflow
from storage_doubles import MemoryStore

STORAGE = "s3://bucket/storage"
KEYS = ("data.path", "data.test_path", "model.pretrained.path", "train.pseudo_labels.path")


@pytest.fixture
def folder(tmp_path):
    """Some files, hidden ones among them."""
    for name in ("a.csv", "b.csv", "sub/c.csv", ".hidden.csv", ".git/x.csv"):
        path = tmp_path / "reviews" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text,label\n{name},1\n")
    return tmp_path / "reviews"


@pytest.fixture
def loaded(tmp_path, classifier):
    """A function that makes a workflow whose keys name these paths."""

    def make(data_path, *, test_path=None, vectors=None, unlabelled=None, source="csv"):
        document = {**classifier, "data": {"source": source, "path": str(data_path)}}
        document["data"] |= {"test_path": str(test_path)} if test_path else {}
        if vectors:
            document["model"]["pretrained"] = {"path": str(vectors)}
        if unlabelled:
            document["train"]["pseudo_labels"] = {"teacher": "t", "source": "csv", "path": str(unlabelled), "rows": 1}
        (tmp_path / "w.yaml").write_text(yaml.safe_dump(document))
        return load_workflow(tmp_path / "w.yaml")

    return make


def digest_of(*names, folder=""):
    """The name of an upload of files that `folder` has."""
    contents = [[name, hashlib.sha256(f"text,label\n{name.removeprefix(folder)},1\n".encode()).hexdigest()] for name in sorted(names)]
    text = ", ".join(f'["{name}", "{digest}"]' for name, digest in contents)
    return hashlib.sha256(f"[{text}]".encode()).hexdigest()


@pytest.mark.parametrize(
    ("path", "below", "names"),
    [
        ("a.csv", "/a.csv", ["a.csv"]),
        ("", "", ["a.csv", "b.csv", "sub/c.csv"]),
        ("*.csv", "/*.csv", ["a.csv", "b.csv"]),
        ("**/c.*", "/**/c.*", ["sub/c.csv"]),
        (".hidden.csv", "/.hidden.csv", [".hidden.csv"]),
    ],
)
def test_an_upload_is_named_by_names_and_contents_and_the_url_says_what_the_path_said(loaded, folder, path, below, names):
    upload = prepare(loaded(folder / path), STORAGE)
    place = f"uploads/{digest_of(*names)}"
    assert upload.urls == {"data.path": f"{STORAGE}/{place}{below}"}
    assert list(upload.files) == [f"{place}/{name}" for name in names]


def test_every_data_path_of_a_workflow_is_sent(loaded, folder, tmp_path):
    (tmp_path / "v.txt").write_text("film 1 2\n")
    upload = prepare(loaded(folder / "a.csv", test_path=folder / "b.csv", vectors=tmp_path / "v.txt", unlabelled=folder / "sub"), STORAGE)
    assert tuple(upload.urls) == KEYS
    assert sorted(key.rpartition("/")[2] for key in upload.files) == ["a.csv", "b.csv", "c.csv", "v.txt"]


def test_what_lies_in_s3_already_stays_where_it_is(loaded, folder):
    upload = prepare(loaded("s3://other/a.csv", test_path=folder / "b.csv"), STORAGE)
    assert list(upload.urls) == ["data.test_path"]
    assert prepare(loaded("s3://other/a.csv"), STORAGE) == data_upload.Upload({}, {})


def test_the_same_data_elsewhere_is_the_same_upload(loaded, folder, tmp_path):
    before = prepare(loaded(folder), STORAGE)
    folder.rename(tmp_path / "elsewhere")
    assert prepare(loaded(tmp_path / "elsewhere"), STORAGE).urls == before.urls


@pytest.mark.parametrize("change", ["content", "name", "one more"])
def test_other_data_is_another_upload(loaded, folder, change):
    before = prepare(loaded(folder), STORAGE)
    if change == "content":
        (folder / "a.csv").write_text("text,label\nb.csv,1\n")
    elif change == "name":
        (folder / "a.csv").rename(folder / "d.csv")
    else:
        (folder / "d.csv").write_text("text,label\n")
    assert prepare(loaded(folder), STORAGE).urls != before.urls


@pytest.mark.parametrize("path", ["a.csv", "", "*.csv"])
def test_texts_keep_the_folder_that_is_their_label(loaded, folder, path):
    (url,) = prepare(loaded(folder / path, source="text"), STORAGE).urls.values()
    assert url.split("/")[4] == "uploads"
    assert "/".join(url.split("/")[6:]) == f"reviews/{path}".rstrip("/")


@pytest.mark.parametrize("path", ["a.csv", "sub", "sub/*.csv", ""])
def test_what_lies_in_a_folder_that_is_sent_is_sent_with_it(loaded, folder, path):
    upload = prepare(loaded(folder, unlabelled=folder / path), STORAGE)
    place = f"uploads/{digest_of('a.csv', 'b.csv', 'sub/c.csv')}"
    assert upload.urls["train.pseudo_labels.path"] == f"{STORAGE}/{place}/{path}".rstrip("/")
    assert list(upload.files) == [f"{place}/a.csv", f"{place}/b.csv", f"{place}/sub/c.csv"]


def test_the_only_folder_of_a_folder_is_sent_with_it(loaded, folder):
    (folder / "a.csv").unlink()
    (folder / "b.csv").unlink()
    upload = prepare(loaded(folder / "sub", unlabelled=folder), STORAGE)
    assert upload.urls["data.path"] == f"{upload.urls['train.pseudo_labels.path']}/sub"
    assert len(upload.files) == 1


def test_a_hidden_file_is_sent_beside_the_folder_that_leaves_it_out(loaded, folder):
    upload = prepare(loaded(folder, unlabelled=folder / ".hidden.csv"), STORAGE)
    assert len(upload.files) == 4


def test_the_workflow_that_is_sent_names_the_urls(loaded, folder, tmp_path):
    (tmp_path / "v.txt").write_text("film 1 2\n")
    one = loaded(folder, vectors=tmp_path / "v.txt")
    upload = prepare(one, STORAGE)
    document = upload.applied(one.to_json())
    assert document["data"] == {**one.to_json()["data"], "path": upload.urls["data.path"]}
    assert document["model"]["pretrained"]["path"] == upload.urls["model.pretrained.path"]


def test_too_much_is_refused_with_how_much_there_is(loaded, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(data_upload, "file_digest", None)  # not even looked at
    for name, size_bytes in (("a.csv", 60_000_000), ("b.csv", 40_000_000), ("v.txt", 1)):
        with (folder / name).open("r+b" if name.endswith("csv") else "wb") as file:
            file.truncate(size_bytes)
    with pytest.raises(UsageError) as caught:
        prepare(loaded(folder / "a.csv", test_path=folder / "[ab].csv", vectors=folder / "v.txt"), STORAGE)
    assert str(caught.value) == (
        "--upload-data: expected at most 100 MB of local data. Received: 100.1 MB (data.path 60.0 MB, data.test_path 100.0 MB, "
        "model.pretrained.path 0.1 MB). Copy it to an S3 server and let the keys name s3:// URLs."
    )


def test_a_file_that_two_keys_name_counts_once(loaded, folder):
    with (folder / "a.csv").open("r+b") as file:
        file.truncate(60_000_000)
    assert len(prepare(loaded(folder / "a.csv", unlabelled=folder / "a.csv"), STORAGE).files) == 1


def test_a_path_to_nothing_is_not_found(loaded, tmp_path):
    with pytest.raises(NotFoundError) as caught:
        prepare(loaded(tmp_path / "none.csv"), STORAGE)
    assert str(caught.value) == (
        f"data.path: expected a file, a folder, a glob or an s3:// URL of one. Received: '{tmp_path}/none.csv', which does not exist. "
        "Correct it."
    )


def test_a_folder_with_hidden_files_alone_has_nothing_to_send(loaded, folder):
    (folder / "empty").mkdir()
    (folder / "empty" / ".hidden.csv").write_text("x")
    with pytest.raises(DataError) as caught:
        prepare(loaded(folder / "empty"), STORAGE)
    assert str(caught.value) == f"data.path: expected a folder with files. Received: '{folder}/empty', which has none."


def test_vectors_are_one_file(loaded, folder):
    with pytest.raises(NotFoundError) as caught:
        prepare(loaded(folder, vectors=folder), STORAGE)
    assert str(caught.value) == f"model.pretrained.path: expected a file. Received: '{folder}', which is none. Correct it."


@pytest.mark.parametrize("path", ["", "imdb.npz"])
def test_the_file_of_keras_is_not_sent(loaded, folder, path, tmp_path):
    (folder / "imdb.npz").write_bytes(b"")
    with pytest.raises(WorkflowError) as caught:
        prepare(loaded(folder / path, source="imdb"), STORAGE)
    assert str(caught.value) == (
        f"{tmp_path}/w.yaml: key 'data.path': expected parquet files, aclImdb or a CSV file in S3; Keras' imdb.npz is opened from a disk "
        f"alone: name a local file, or leave the key out to download it. Received: {folder / path}"
    )


@pytest.mark.parametrize("name", ["a\\b.csv", "line\nend.csv", b"caf\xe9.csv".decode(errors="surrogateescape")])
def test_a_name_that_s3_cannot_hold_is_refused(loaded, folder, name):
    (folder / name).write_text("x")
    with pytest.raises(DataError) as caught:
        prepare(loaded(folder), STORAGE)
    assert str(caught.value) == f"data.path: expected names of files that S3 can hold. Received: {f'{folder}/{name}'!r}. Rename it."


def test_the_name_of_a_folder_must_fit_into_a_url_where_it_counts(loaded, folder):
    there = folder.rename(folder.with_name("what?"))
    assert prepare(loaded(there / "a.csv"), STORAGE).urls["data.path"].endswith("/a.csv")
    with pytest.raises(DataError) as caught:
        prepare(loaded(there / "a.csv", source="text"), STORAGE)
    assert str(caught.value) == f"data.path: expected a folder whose name an s3:// URL can hold. Received: '{there}'. Rename it."


@pytest.fixture
def upload(loaded, folder):
    return prepare(loaded(folder), STORAGE)


def test_files_are_sent_once(upload, folder, tmp_path):
    store, said = open_store(str(tmp_path / "storage")), []
    send(upload, store, said.append)
    assert {entry.key for entry in store.list()} == set(upload.files)
    assert store.read(f"uploads/{digest_of('a.csv', 'b.csv', 'sub/c.csv')}/sub/c.csv") == (folder / "sub/c.csv").read_bytes()
    send(upload, store, said.append)
    assert said == [f"Uploading 3 files, 0.1 MB, to {tmp_path}/storage/uploads."]


def test_an_upload_that_broke_is_completed_by_the_next(upload, monkeypatch):
    store, said, asked = MemoryStore(), [], []
    put_file, broken = store.put_file, list(upload.files)[1]

    def breaking(key, path, *, sha256):
        asked.append(key)
        if key == broken and len(said) == 1:
            raise AccessError("denied")
        put_file(key, path, sha256=sha256)

    monkeypatch.setattr(store, "put_file", breaking)
    with pytest.raises(AccessError):
        send(upload, store, said.append)
    sent = set(store.snapshot())
    assert sent < set(upload.files)
    asked.clear()
    send(upload, store, said.append)
    assert set(store.snapshot()) == set(upload.files)
    assert set(asked) == set(upload.files) - sent


def test_a_file_that_is_cut_short_is_sent_again(upload):
    store = MemoryStore()
    send(upload, store, lambda _: None)
    key = next(iter(upload.files))
    whole = store.read(key)
    store.put(key, whole[:-1])
    send(upload, store, lambda _: None)
    assert store.read(key) == whole


@pytest.mark.parametrize("change", ["content", "gone"])
def test_a_file_that_changed_since_it_was_looked_at_is_not_sent(upload, folder, change):
    store = MemoryStore()
    (folder / "b.csv").write_text("text,label\nb.csv,0\n") if change == "content" else (folder / "b.csv").unlink()
    with pytest.raises(DataError) as caught:
        send(upload, store, lambda _: None)
    assert str(caught.value) == f"{folder}/b.csv changed while it was uploaded. Submit again when nothing writes to it any more."
    assert not [key for key in store.snapshot() if key.endswith("/b.csv")]


def test_nothing_to_send_asks_nothing_of_the_store(upload):
    store = MemoryStore()
    send(replace(upload, files={}), store, lambda _: None)
    assert store.requests == 0
