"""`check_publish`: what would stop a publication is found before it, every time, and nothing is left behind."""

import json
import os

import pytest
import s3fs

from distrnn.errors import AccessError, ConflictError, NotFoundError, StorageError, UsageError
from distrnn.registry import Registry
from distrnn.storage import open_store
from distrnn.storage.local import LocalStore
from fixtures_s3 import BUCKET
from storage_doubles import Forgetful, Watched


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.json").write_bytes(b"{}")
    return tmp_path / "model"


def test_a_place_where_publishing_works_passes_again_and_again(storage_url, model):
    registry, store = Registry(storage_url), open_store(storage_url)
    for published in ([], ["imdb"]):
        before = [entry.key for entry in store.list()]
        registry.check_publish("imdb")
        assert [entry.key for entry in store.list()] == before
        assert registry.names() == published
        registry.publish("imdb", model, metadata={})


@pytest.mark.parametrize("name", ["_gc", "IMDB", "a/b", ""])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="model name must start with a lower-case letter or digit"):
        Registry(tmp_path / "registry").check_publish(name)
    assert files(tmp_path) == []


def test_a_folder_is_created_and_nothing_in_it(tmp_path):
    Registry(tmp_path / "a" / "registry").check_publish("imdb")
    assert files(tmp_path) == ["a", "a/registry"]


def test_every_folder_of_a_model_is_tried(tmp_path, model, monkeypatch):
    registry = Registry(tmp_path / "registry")
    registry.publish("imdb", model, metadata={})
    before = files(tmp_path)
    tried = []
    monkeypatch.setattr("distrnn.registry.rehearsal.prove_writable", lambda folder: tried.append(str(folder.relative_to(tmp_path))))
    registry.check_publish("imdb")
    registry.check_publish("new")
    assert tried == [
        "registry/imdb/blobs/sha256",
        "registry/imdb/versions",
        "registry/imdb/contents",
        "registry/_pending/imdb",
        "registry/_catalog",
        *("registry", "registry/_pending", "registry/_catalog"),
    ]
    assert files(tmp_path) == before


@pytest.mark.parametrize("place", ["registry", "registry/imdb", "registry/imdb/versions"])
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path, place):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(b"")
    with pytest.raises(StorageError, match=rf"^{tmp_path}/{place}.* cannot be used: a file stands where a folder is expected"):
        Registry(tmp_path / "registry").check_publish("imdb")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "registry").symlink_to(tmp_path / "none" / "registry")
    with pytest.raises(StorageError, match=rf"^{tmp_path}/registry cannot be used"):
        Registry(tmp_path / "registry").check_publish("imdb")


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (13, AccessError, "the system refuses access to {} (Permission denied). Give this user permission, or choose another place."),
        (28, StorageError, "the disk is full: {} could not be written. Free some space, or choose another place, and run this again."),
        (95, StorageError, "{} is on a file system without hard links, so no race of writers can be decided there. "
         "Choose another folder, or s3://."),
    ],
)  # fmt: skip
def test_what_the_disk_refuses_is_said_in_the_words_of_a_publication(tmp_path, monkeypatch, number, kind, said):
    def refuse(*_) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(kind) as caught:
        Registry(tmp_path / "registry").check_publish("imdb")
    assert caught.value.message == said.format(tmp_path / "registry")
    assert files(tmp_path / "registry") == []


def test_a_server_that_cannot_decide_races_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))
    store = Forgetful(LocalStore(tmp_path / "registry"), writers=8)
    with pytest.raises(ConflictError, match="cannot decide a race"):
        Registry(store=store).check_publish("imdb")
    assert list(store.list()) == []


def test_a_server_that_does_not_show_what_it_was_given_is_refused(tmp_path):
    local = LocalStore(tmp_path / "registry")
    store = Watched(local, after=lambda name, key: local.delete(key) if name == "put" else None)
    store.is_local = False
    with pytest.raises(StorageError, match=r"/_pending/imdb/[0-9a-f]{32}\.json was written but is not there\."):
        Registry(store=store).check_publish("imdb")


def test_credentials_that_may_not_delete_are_good_enough(tmp_path, fresh_home, moto_s3, monkeypatch):
    def refuse(name: str, key: str) -> None:
        if name == "delete":
            raise AccessError("no")

    moto_s3.use(monkeypatch)
    Registry(store=Watched(open_store(moto_s3.new_url()), before=refuse)).check_publish("imdb")


def test_a_bucket_that_does_not_exist_is_named(s3_server):
    with pytest.raises(NotFoundError, match=r"^bucket 'no-such-bucket' does not exist at http://127\.0\.0\.1:\d+\."):
        Registry("s3://no-such-bucket/x").check_publish("imdb")


def test_wrong_credentials_are_found(rgw_s3, fresh_home, monkeypatch):
    rgw_s3.use(monkeypatch)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(AccessError):
        Registry(f"s3://{BUCKET}/x").check_publish("imdb")


def test_a_verdict_from_yesterday_does_not_stand_for_write_access(rgw_s3, fresh_home, monkeypatch):
    rgw_s3.use(monkeypatch)
    url = rgw_s3.new_url()
    registry = Registry(url)
    registry.check_publish("imdb")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{url[5:]}/*"}],
    }
    fs = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    fs.call_s3("put_bucket_policy", Bucket=BUCKET, Policy=json.dumps(policy))
    try:
        with pytest.raises(AccessError, match=rf"refuses access to {url}/_pending/imdb/[0-9a-f]{{32}}\.json \(403 AccessDenied\)"):
            registry.check_publish("imdb")
    finally:
        fs.call_s3("delete_bucket_policy", Bucket=BUCKET)


def test_a_server_that_does_not_answer_is_named(fresh_home, moto_s3, monkeypatch):
    moto_s3.use(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError, match=r"^http://127\.0\.0\.1:1 does not answer"):
        Registry(f"s3://{BUCKET}/x").check_publish("imdb")
