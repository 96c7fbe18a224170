"""A file of word vectors on an S3 server: brought once to this machine, again when it has changed, and known by the same digest."""

import gzip
import hashlib

import pytest

from distrnn.data.pretrained import check_vectors, digest_of, read_vectors
from distrnn.data.vector_files import open_vectors
from distrnn.errors import DataError, NotFoundError, WorkflowError
from distrnn.storage import default_home, open_store
from distrnn.storage.s3 import S3Store
from fixtures_data import document_workflow, prepare_here

LINES = b"film 1 2 3\ngood 4 5 6\nzebra 7 8 9\n"


@pytest.fixture
def store(moto_s3, fresh_home, monkeypatch):
    moto_s3.use(monkeypatch)
    return open_store(moto_s3.new_url())


@pytest.fixture
def url(store):
    store.put("vectors.txt", LINES)
    return f"{store.url}/vectors.txt"


def workflow(folder, path, width=3):
    loaded = document_workflow(folder)
    keys = {**loaded.to_json()["model"], "embedding_dim": width, "pretrained": {"path": str(path)}}
    return loaded.workflow.model_copy(update={"model": loaded.workflow.model.model_validate(keys)})


def copies():
    return sorted((default_home() / "cache" / "files").iterdir())


def test_vectors_from_s3_are_those_of_the_file(url, review_folder, tmp_path):
    (tmp_path / "v.txt").write_bytes(LINES)
    dataset = prepare_here(document_workflow(review_folder), open_store(str(tmp_path / "storage")))
    here, there = workflow(review_folder, tmp_path / "v.txt"), workflow(review_folder, url)
    assert digest_of(there) == digest_of(here) == hashlib.sha256(LINES).hexdigest()
    assert (read_vectors(there, dataset, digest_of(here)).matrix == read_vectors(here, dataset).matrix).all()


@pytest.mark.parametrize("name", ["v.txt.gz", "v[1].txt", "v?.bin"])
def test_any_form_and_any_name_is_read(store, name):
    binary = b"2 2\na " + bytes(8) + b"b " + bytes(8)
    store.put(name, gzip.compress(LINES) if name.endswith("gz") else binary if name.endswith("bin") else LINES)
    assert next(open_vectors(f"{store.url}/{name}").entries()).word in (b"film", b"a")


def test_an_object_is_brought_once_and_again_when_it_has_changed(store, url):
    open_vectors(url)
    (copy,) = copies()
    before = copy.stat().st_ino
    open_vectors(url)
    assert copy.stat().st_ino == before
    store.put("vectors.txt", LINES.replace(b"9", b"8"))
    assert open_vectors(url).file.path.read_bytes() == LINES.replace(b"9", b"8")
    assert len(copies()) == 2


def test_a_copy_that_is_cut_short_is_brought_again(url):
    path = open_vectors(url).file.path
    path.write_bytes(LINES[:5])
    assert open_vectors(url).file.path.read_bytes() == LINES


def test_an_object_that_changes_while_it_is_brought_leaves_no_copy(store, url, monkeypatch):
    get_file = S3Store.get_file

    def slow(self, key, path, **options):
        get_file(self, key, path, **options)
        store.put(key, LINES.replace(b"9", b"8"))

    monkeypatch.setattr(S3Store, "get_file", slow)
    with pytest.raises(DataError) as caught:
        open_vectors(url)
    assert str(caught.value) == f"{url} changed while it was read. Run it again when nothing writes to it any more."
    assert copies() == []


def test_messages_name_the_url(store, url, review_folder):
    with pytest.raises(WorkflowError) as width:
        check_vectors(workflow(review_folder, url, width=4))
    assert str(width.value) == f"key 'model.embedding_dim': expected 3, the length of the vectors in {url}. Received: 4"
    store.put("broken.txt", LINES + b"word 1 2\n")
    with pytest.raises(DataError) as line:
        list(open_vectors(f"{store.url}/broken.txt").entries())
    assert str(line.value) == (
        f"{store.url}/broken.txt, line 4: expected a word and 3 numbers. Received: 3 fields. Correct the line, or get the file again."
    )


@pytest.mark.parametrize("name", ["none.txt", ""])
def test_a_url_of_no_object_is_not_found(store, url, name):
    missing = f"{store.url}/{name}"
    with pytest.raises(NotFoundError) as caught:
        open_vectors(missing)
    assert str(caught.value) == f"no file {missing}. Name a file of word vectors: GloVe text, word2vec text or word2vec binary."


def test_other_vectors_than_a_run_began_with_are_refused(store, url, review_folder, tmp_path):
    dataset = prepare_here(document_workflow(review_folder), open_store(str(tmp_path / "storage")))
    there = workflow(review_folder, url)
    began = digest_of(there)
    store.put("vectors.txt", LINES.replace(b"9", b"8"))
    with pytest.raises(DataError) as caught:
        read_vectors(there, dataset, began)
    assert str(caught.value) == (
        f"{url}: expected the vectors that this run began with (sha256 {began[:12]}). Received: sha256 {digest_of(there)[:12]}. "
        "Bring the file back, or start a new run."
    )
