"""Downloads: kept by digest, and clear about what to do where there is no network. The servers here are files."""

import hashlib

import pytest

from distrnn.data.downloads import PublishedFile, fetch, file_digest
from distrnn.errors import DataError, IntegrityError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"some text")
    return PublishedFile(path.as_uri(), hashlib.sha256(b"some text").hexdigest())


def test_a_file_is_fetched_once(home, published, tmp_path):
    first = fetch(published)
    (tmp_path / "text.txt").unlink()
    assert (first, fetch(published).read_bytes()) == (home / "downloads" / "text.txt", b"some text")


def test_a_spoiled_copy_is_fetched_again(home, published):
    fetch(published).write_bytes(b"spoiled")
    assert fetch(published).read_bytes() == b"some text"


def test_what_is_not_what_was_published_is_not_kept(home, published, tmp_path):
    (tmp_path / "text.txt").write_bytes(b"other text")
    with pytest.raises(IntegrityError) as caught:
        fetch(published)
    assert str(caught.value) == (
        f"{published.url}: expected sha256 {published.digest}. Received: {hashlib.sha256(b'other text').hexdigest()}. "
        "Nothing was kept; the download may have been altered on its way."
    )
    assert list((home / "downloads").iterdir()) == []


def test_without_a_network_the_message_says_what_to_do(home, published, tmp_path):
    (tmp_path / "text.txt").unlink()
    with pytest.raises(DataError) as caught:
        fetch(published)
    message = str(caught.value)
    assert message.startswith(f"{published.url} could not be downloaded (")
    assert message.endswith(
        "On a machine without a network, fetch that file elsewhere and put it at "
        f"{home}/downloads/text.txt, or name the text with data.path."
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        file_digest(tmp_path)
    assert str(caught.value) == f"{tmp_path}: expected a readable file. Received: Is a directory."
