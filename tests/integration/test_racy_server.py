"""A server that looks before it writes: fine one after the other, wrong together; found out, refused, and usable with a lock."""

import os

import pytest

from distrnn.errors import ConflictError
from distrnn.registry import Registry
from distrnn.storage import open_store
from distrnn.storage.capability import probe
from fixtures_registry import together, whole


@pytest.fixture
def url(racy_s3) -> str:
    return racy_s3.new_url()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.json").write_bytes(b"{}")
    return tmp_path / "model"


def test_one_after_the_other_it_looks_fine(url):
    store = open_store(url)
    assert [store.create_if_absent("key", b"%d" % turn) for turn in range(3)] == [True, False, False]
    body, tag = store.read_versioned("key")
    assert body == b"0"
    assert [store.compare_and_swap("key", b"%d" % turn, tag) is not None for turn in (3, 4)] == [True, False]
    assert store.read("key") == b"3"


def test_a_race_of_writers_finds_it_out(url):
    found = probe(open_store(url))
    assert (found.create_if_absent, found.compare_and_swap, found.decides_races) == (False, False, False)
    assert list(open_store(url).list()) == []


def test_publishing_is_refused_with_the_reason_and_leaves_nothing(url, folder):
    for verb in (
        lambda: Registry(url).publish("imdb", folder, metadata={}),
        lambda: Registry(url).publish("imdb", folder, metadata={}),
        lambda: Registry(url).check_publish("imdb"),
    ):
        with pytest.raises(ConflictError, match=rf"^{url} cannot decide a race: .* Nothing was published\..*--lock"):
            verb()
    assert list(open_store(url).list()) == []


def test_with_a_lock_eight_publishers_get_eight_versions(url, tmp_path):
    said = together(os.environ, 8, 1, verb="publish", url=url, name="imdb", lock=str(tmp_path / "lock"))
    assert sorted(one["number"] for one in said) == list(range(1, 9))
    assert whole(open_store(url), "imdb") == {one["number"]: one["digest"] for one in sorted(said, key=lambda one: one["number"])}
