"""The verdict about a server: what it is asked, how long it is remembered, and for which bucket."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from distrnn.errors import ConflictError
from distrnn.storage import capability
from distrnn.storage.capability import Capabilities, probe, probe_anew, require_races
from distrnn.storage.local import LocalStore
from distrnn.storage.locked import LockedStore
from storage_doubles import MemoryStore


class Server(MemoryStore):
    """A store of a bucket and an endpoint."""

    def __init__(self, url: str = "s3://models/a", endpoint: str = "http://store:9000") -> None:
        super().__init__()
        self._url, self._endpoint = url, endpoint

    url = property(lambda self: self._url)
    endpoint = property(lambda self: self._endpoint)


class Probed:
    """Instead of a race: what was asked, and what is said."""

    def __init__(self) -> None:
        self.asked, self.good = [], True

    def __call__(self, store) -> Capabilities:
        self.asked.append(store.url)
        return Capabilities(store.url, self.good, self.good, datetime.now(UTC).isoformat(timespec="seconds"))


@pytest.fixture
def probed(monkeypatch):
    probed = Probed()
    monkeypatch.setattr(capability, "probe", probed)
    return probed


def test_a_race_leaves_nothing_and_says_when_it_was():
    store = Server()
    found = probe(store)
    assert (found, store.snapshot()) == (Capabilities("s3://models/a", True, True), {})
    assert datetime.now(UTC) - datetime.fromisoformat(found.probed_at) < timedelta(minutes=1)


def test_a_good_verdict_is_remembered_for_the_bucket_of_the_server(tmp_path, probed):
    for store in (
        Server("s3://models/a"),
        Server("s3://models/b/c"),
        Server("s3://other/a"),
        Server("s3://models/a", "http://elsewhere"),
        Server("s3://models"),
    ):
        require_races(store, tmp_path)
    assert probed.asked == ["s3://models/a", "s3://other/a", "s3://models/a"]


def test_a_bad_verdict_is_remembered_for_a_day(tmp_path, probed):
    probed.good = False
    for _ in range(2):
        with pytest.raises(
            ConflictError, match=r"^s3://models/a cannot decide a race: .* Nothing was published\. .* --lock URL \(DISTRNN_LOCK\)"
        ):
            require_races(Server(), tmp_path)
    assert len(probed.asked) == 1
    (verdict,) = (tmp_path / "cache" / "capabilities").iterdir()
    document = json.loads(verdict.read_bytes())
    document["probed_at"] = (datetime.now(UTC) - timedelta(days=1, minutes=1)).isoformat()
    verdict.write_text(json.dumps(document))
    probed.good = True
    require_races(Server(), tmp_path)
    assert len(probed.asked) == 2


def test_asking_anew_replaces_what_is_remembered(tmp_path, probed):
    require_races(Server(), tmp_path)
    probed.good = False
    assert not probe_anew(Server(), tmp_path).decides_races
    with pytest.raises(ConflictError):
        require_races(Server(), tmp_path)
    probed.good = True
    probe_anew(Server(), tmp_path)
    require_races(Server(), tmp_path)
    assert len(probed.asked) == 3


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"url": "s3://models/a"}', '{"url": 1, "create_if_absent": true, "compare_and_swap": true}']
)
def test_a_damaged_verdict_is_none(tmp_path, probed, content):
    require_races(Server(), tmp_path)
    (verdict,) = (tmp_path / "cache" / "capabilities").iterdir()
    verdict.write_text(content)
    require_races(Server(), tmp_path)
    assert len(probed.asked) == 2


def test_a_folder_and_a_lock_need_no_race(tmp_path, probed):
    probed.good = False
    require_races(LocalStore(tmp_path / "registry"), tmp_path)
    require_races(LockedStore(Server(), None), tmp_path)
    assert (probed.asked, list(tmp_path.iterdir())) == ([], [])
