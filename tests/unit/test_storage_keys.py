"""URLs, keys and the places where things are kept by default."""

from pathlib import Path

import pytest

from distrnn.errors import UsageError
from distrnn.storage import default_home, default_registry, default_storage, open_store
from distrnn.storage.locations import Place, parse_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket", Place("bucket", "")),
        ("s3://bucket/", Place("bucket", "")),
        ("s3://my.bucket-1/a//b/", Place("my.bucket-1", "a/b")),
        ("file:///srv/models", Place(None, "/srv/models")),
        ("file:///srv/my%20models", Place(None, "/srv/my models")),
        ("/srv/./models/", Place(None, "/srv/models")),
    ],
)
def test_a_url_names_a_place(url, expected):
    assert parse_url(url) == expected


def test_a_relative_path_is_below_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_store("models").url == str(tmp_path / "models")


@pytest.mark.parametrize("url", ["", "s3://", "s3:///x", "s3://b/../c", "s3://bucket/x?y=1", "gs://bucket/x", "file://host/x", "a\0b"])
def test_other_urls_are_refused(url):
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert caught.value.message == f"storage must be s3://bucket/prefix, file:///folder or a path. Received: {url!r}"


def test_credentials_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(UsageError) as caught:
        parse_url("s3://me:hush@bucket/x")
    assert caught.value.message == (
        "a storage URL must not carry credentials: put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile."
    )


@pytest.mark.parametrize("key", ["../x", "/x", "a//b", "", "a/..", "./a", "a\\b", "a\0"])
@pytest.mark.parametrize("url", ["/nowhere", "s3://bucket/prefix"])
def test_a_key_stays_inside_the_store(url, key):
    with pytest.raises(UsageError) as caught:
        open_store(url).put(key, b"")
    assert caught.value.message == f"a storage key must be relative, without '..', empty parts or backslashes. Received: {key!r}"


def test_everything_is_under_the_home_unless_told_otherwise(monkeypatch):
    for name in ("DISTRNN_HOME", "DISTRNN_STORAGE", "DISTRNN_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    home = Path.home() / ".distrnn"
    assert (default_home(), default_storage(), default_registry()) == (home, str(home / "storage"), str(home / "registry"))


def test_each_place_has_its_variable(monkeypatch):
    monkeypatch.setenv("DISTRNN_HOME", "/srv/home")
    assert (default_home(), default_storage(), default_registry()) == (Path("/srv/home"), "/srv/home/storage", "/srv/home/registry")
    monkeypatch.setenv("DISTRNN_STORAGE", "s3://b/runs")
    monkeypatch.setenv("DISTRNN_REGISTRY", "s3://b/models")
    assert (default_storage(), default_registry()) == ("s3://b/runs", "s3://b/models")
