"""What can be published, and what is refused before anything is written."""

import os
import re
import subprocess
import sys

import pytest

from distrnn.errors import ConflictError, DataError, DistrnnError, IntegrityError, NotFoundError, StorageError, UsageError
from distrnn.registry import Registry
from distrnn.registry.deletion import delete
from distrnn.storage.capability import Capabilities, probe
from distrnn.storage.local import LocalStore
from storage_doubles import Forgetful, Watched


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model" / "numpy").mkdir(parents=True)
    (tmp_path / "model" / "numpy" / "weights.npz").write_bytes(b"1")
    return tmp_path / "model"


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))
    return Registry(tmp_path / "registry")


def test_a_folder_that_is_not_there_is_named(registry, folder):
    with pytest.raises(NotFoundError) as caught:
        registry.publish("imdb", folder / "none", metadata={})
    assert caught.value.message == f"{folder / 'none'} is not a folder. Expected a folder with the model's files."


def test_an_empty_folder_is_refused(registry, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        registry.publish("imdb", tmp_path / "empty", metadata={})
    assert caught.value.message == f"{tmp_path / 'empty'} is empty. Expected the model's files."


def test_a_link_is_refused(registry, folder):
    (folder / "link").symlink_to("/etc/hostname")
    with pytest.raises(DataError) as caught:
        registry.publish("imdb", folder, metadata={})
    assert caught.value.message == f"{folder / 'link'} is a link or a special file. Expected plain files only; copy what it points to."


def test_a_pipe_is_refused(registry, folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(DataError, match="pipe is a link or a special file"):
        registry.publish("imdb", folder, metadata={})


def test_a_pickle_is_refused(registry, folder):
    (folder / "numpy" / "model.pkl").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"'numpy/model\.pkl' is a format that can run code"):
        registry.publish("imdb", folder, metadata={})


def test_a_folder_that_is_no_form_is_refused(registry, folder):
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        registry.publish("imdb", folder, metadata={})
    assert caught.value.message == (
        f"{folder / 'onnx'} is no form of a model. Expected files at the top, and folders numpy, keras, saved-model only."
    )


@pytest.mark.parametrize("name", ["_gc", "IMDB", "a/b", "..", ""])
def test_a_name_that_is_none_is_refused(registry, folder, name):
    with pytest.raises(UsageError, match="model name must start with a lower-case letter or digit"):
        registry.publish(name, folder, metadata={})


def test_what_is_refused_leaves_nothing(registry, folder, tmp_path):
    with pytest.raises(UsageError, match="metadata must be plain JSON"):
        registry.publish("imdb", folder, metadata={"loss": float("nan")})
    assert not (tmp_path / "registry").exists()


def test_a_folder_that_changes_meanwhile_is_not_published(registry, folder, tmp_path):
    def change(name: str, key: str) -> None:
        if name == "put_file":
            (folder / "numpy" / "weights.npz").write_bytes(b"longer")

    with pytest.raises(ConflictError) as caught:
        Registry(store=Watched(LocalStore(tmp_path / "registry"), before=change)).publish("imdb", folder, metadata={})
    assert caught.value.message == (
        f"{folder / 'numpy' / 'weights.npz'} changed while it was being published. Nothing was published; run this again when nobody "
        "writes there."
    )
    assert registry.names() == []
    assert list(LocalStore(tmp_path / "registry").list()) == []


def test_a_file_that_comes_meanwhile_is_not_passed_over(registry, folder, tmp_path):
    def add(name: str, key: str) -> None:
        if name == "put_file":
            (folder / "late.json").write_bytes(b"{}")

    with pytest.raises(ConflictError, match=f"^{folder} changed while it was being published"):
        Registry(store=Watched(LocalStore(tmp_path / "registry"), before=add)).publish("imdb", folder, metadata={})
    assert registry.names() == []


def test_who_lost_a_number_to_somebody_else_looks_again_before_the_next(registry, folder, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.json").write_bytes(b"{}")
    looks = []

    def look():
        looks.append(registry.names())
        if len(looks) == 2:
            raise ConflictError("given up")
        registry.publish("imdb", tmp_path / "other", metadata={})

    with pytest.raises(ConflictError, match=r"^given up$"):
        registry.publish("imdb", folder, metadata={}, before_commit=look)
    assert looks == [[], ["imdb"]]
    assert [version.number for version in registry.versions("imdb")] == [1]
    assert [entry.key for entry in registry.store.list("_pending/")] == []


def test_bytes_that_are_there_already_are_not_sent_again(registry, folder, tmp_path):
    registry.publish("imdb", folder, metadata={})
    store = Watched(LocalStore(tmp_path / "registry"))
    assert Registry(store=store).publish("imdb", folder, metadata={"lineage": {"dataset": "another"}}).number == 2
    assert store.calls["put_file"] == 0


def test_the_same_content_is_the_version_that_exists(registry, folder):
    lineage = {"dataset": "d", "workflow": {"train": {"epochs": 1}}}
    first = registry.publish("imdb", folder, metadata={"metrics": {"accuracy": 0.5}, "lineage": {**lineage, "run_id": "a"}})
    again = registry.publish("imdb", folder, metadata={"metrics": {"accuracy": 0.6}, "lineage": {**lineage, "run_id": "b"}})
    assert (again, len(registry.versions("imdb"))) == (first, 1)


def test_the_same_content_is_found_among_many_versions(registry, folder):
    for number in range(1, 13):
        (folder / "numpy" / "weights.npz").write_text(str(number))
        registry.publish("imdb", folder, metadata={})
    (folder / "numpy" / "weights.npz").write_text("2")
    assert registry.publish("imdb", folder, metadata={}).number == 2
    assert registry.resolve("imdb").number == 12


@pytest.mark.parametrize("metadata", [{"lineage": {"dataset": "other"}}, {"lineage": {"dataset": "d", "workflow": {"a": 1}}}, {}])
def test_another_dataset_or_workflow_is_another_version(registry, folder, metadata):
    registry.publish("imdb", folder, metadata={"lineage": {"dataset": "d", "workflow": {"a": 2}}})
    assert registry.publish("imdb", folder, metadata=metadata).number == 2


def test_another_model_card_is_no_other_content(registry, folder):
    (folder / "README.md").write_text("first")
    registry.publish("imdb", folder, metadata={})
    (folder / "README.md").write_text("second")
    assert registry.publish("imdb", folder, metadata={}).number == 1


def test_content_that_was_deleted_is_published_anew(registry, folder):
    registry.publish("imdb", folder, metadata={})
    delete(registry.store, "imdb", 1, "wrong")
    assert registry.publish("imdb", folder, metadata={}).number == 2


def test_publishing_again_mends_what_was_altered(registry, folder):
    registry.publish("imdb", folder, metadata={})
    (entry,) = registry.store.list("imdb/blobs/")
    registry.store.local_path(entry.key).write_bytes(b"2")
    registry.publish("imdb", folder, metadata={})
    assert registry.store.read(entry.key) == b"1"


def after_the_commit(store, failing, error):
    """A store where one operation fails as soon as a version has been committed."""

    def fail(name: str, key: str) -> None:
        if watched.calls["create_if_absent"] and name == failing:
            raise error

    watched = Watched(store, before=fail)
    return watched


def test_a_version_whose_blobs_cannot_be_checked_is_published_and_said_to_be_unchecked(registry, folder, tmp_path):
    store = after_the_commit(LocalStore(tmp_path / "registry"), "size", StorageError("the server does not answer. Run this again."))
    with pytest.raises(StorageError) as caught:
        Registry(store=store).publish("imdb", folder, metadata={})
    assert caught.value.message == (
        f"imdb@v1 is published in {tmp_path / 'registry'}, but whether all of its files are there could not be checked: the server does "
        "not answer. Run this again. Run `distrnn models verify imdb@v1`: if it names a missing file, publish the folder again."
    )
    assert caught.value.fields == {"kind": "unverified", "version": "imdb@v1"}
    assert registry.resolve("imdb").number == 1
    assert [entry.key.partition("/")[0] for entry in LocalStore(tmp_path / "registry").list("_pending/imdb/")] == ["_pending"]


def test_a_blob_that_vanishes_with_its_source_is_not_passed_over(registry, folder, tmp_path):
    def vanish(name: str, key: str) -> None:
        if name == "create_if_absent":
            (folder / "numpy" / "weights.npz").unlink()
            for entry in list(LocalStore(tmp_path / "registry").list("imdb/blobs/")):
                LocalStore(tmp_path / "registry").delete(entry.key)

    with pytest.raises(StorageError, match=r"^imdb@v1 is published in .* could not be checked: .*weights\.npz changed while"):
        Registry(store=Watched(LocalStore(tmp_path / "registry"), after=vanish)).publish("imdb", folder, metadata={})


@pytest.mark.parametrize("failing", ["put", "delete", "compare_and_swap"])
def test_a_note_or_a_clean_up_that_fails_is_no_failure(folder, tmp_path, failing):
    store = after_the_commit(LocalStore(tmp_path / "registry"), failing, DistrnnError("no"))
    assert Registry(store=store).publish("imdb", folder, metadata={}).number == 1


def test_a_note_that_fails_does_not_hide_a_lost_blob(folder, tmp_path):
    local = LocalStore(tmp_path / "registry")

    def lose(name: str, key: str) -> None:
        if name == "create_if_absent":
            for entry in list(local.list("imdb/blobs/")):
                local.delete(entry.key)

    store = after_the_commit(Watched(local, after=lose), "put", DistrnnError("no"))
    Registry(store=store).publish("imdb", folder, metadata={})
    assert [entry.size_bytes for entry in local.list("imdb/blobs/")] == [1]


def test_a_store_that_cannot_decide_races_is_found_out_and_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))
    store = Forgetful(LocalStore(tmp_path / "registry"), writers=8)
    assert probe(store) == Capabilities(str(tmp_path / "registry"), create_if_absent=False, compare_and_swap=True)
    with pytest.raises(ConflictError) as caught:
        Registry(store=store).publish("imdb", folder, metadata={})
    said = re.sub(r"found out at [^)]*", "found out at T", caught.value.message)
    assert said == (
        f"{tmp_path / 'registry'} cannot decide a race: of 8 writers that wrote one key at the same time, more than one (or none) was "
        "told that it won, so two publishers could overwrite each other (found out at T). Nothing was published. Use a server that honours "
        "If-None-Match and If-Match on PUT, or a folder; or name the lock that every writer holds with --lock URL (DISTRNN_LOCK): a "
        "file on a shared file system, or ray://NAME in the cluster."
    )
    assert list(store.list()) == []


def test_a_folder_registry_needs_nothing_heavy(registry, folder):
    registry.publish("imdb", folder, metadata={})
    code = (
        "import sys, distrnn.registry as r; r.Registry(sys.argv[1]).pull('imdb');"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'s3fs', 'fsspec', 'botocore', 'numpy', 'pydantic', 'ray', 'pyarrow'}))"
    )
    done = subprocess.run([sys.executable, "-c", code, registry.url], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
