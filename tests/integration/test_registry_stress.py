"""Many processes on one model at the same time, also when three of ten requests fail."""

import json
import os

import pytest

from distrnn.registry import Registry
from distrnn.registry.layout import PENDING
from distrnn.storage import open_store
from fixtures_faults import DROP, LOSE, MIX, at_random
from fixtures_registry import manifests, together, whole
from registry_worker import files_of

WORKERS, TURNS = 8, 25
ALL = sorted((worker, turn) for worker in range(WORKERS) for turn in range(TURNS))

pytestmark = pytest.mark.slow


@pytest.fixture(params=["folder", "rgw"])
def url(request, tmp_path, fresh_home, monkeypatch) -> str:
    if request.param == "folder":
        return str(tmp_path / "registry")
    server = request.getfixturevalue("rgw_s3")
    server.use(monkeypatch)
    return server.new_url()


def publishers(store) -> list[tuple[int, int]]:
    """Who published the versions that are visible, in the order of their numbers; each with the files of this worker in this turn."""
    found = []
    for body in manifests(store, "imdb").values():
        document = json.loads(body)
        worker, turn = document["metadata"]["worker"], document["metadata"]["turn"]
        assert {file["path"]: file["size_bytes"] for file in document["files"]} == {
            path: len(body) for path, body in files_of(worker, turn).items()
        }
        found.append((worker, turn))
    return found


def test_versions_of_many_publishers_are_distinct_and_consecutive(url):
    said = together(os.environ, WORKERS, TURNS, verb="publish", url=url, name="imdb")
    assert [one for one in said if "error" in one] == []
    store = open_store(url)
    assert whole(store, "imdb") == {one["number"]: one["digest"] for one in sorted(said, key=lambda one: one["number"])}
    assert sorted(one["number"] for one in said) == list(range(1, WORKERS * TURNS + 1))
    assert sorted(publishers(store)) == ALL
    assert list(store.list(PENDING)) == []
    assert Registry(url).summary("imdb").latest.number == WORKERS * TURNS


def test_versions_that_were_acknowledged_exist_once_though_requests_fail(rgw_s3, fresh_home, fault_proxy, monkeypatch):
    rgw_s3.use(monkeypatch)
    url, proxy = rgw_s3.new_url(), fault_proxy(rgw_s3)
    # After an answer of 500 or 503 a client waits, so most faults are of the kind that hurts more and takes less time.
    proxy.rules.append(at_random(0.3, seed=3, faults=(*MIX, *[DROP, LOSE] * 3)))
    said = together({**os.environ, **proxy.environment}, WORKERS, TURNS, verb="publish", url=url, name="imdb")
    acknowledged = [one for one in said if "number" in one]
    store = open_store(url)
    digests, visible = whole(store, "imdb"), publishers(store)
    assert sorted({(one["worker"], one["turn"]) for one in acknowledged} - set(visible)) == []
    assert len(visible) == len(set(visible))
    assert [(visible[one["number"] - 1], digests[one["number"]]) for one in acknowledged] == [
        ((one["worker"], one["turn"]), one["digest"]) for one in acknowledged
    ]
    assert len(acknowledged) > len(ALL) / 2
    assert 0.25 < proxy.faults.total() / proxy.requests.total() < 0.35
    assert set(proxy.faults) == set(MIX)


def test_moves_of_many_are_each_in_the_history_once(url, tmp_path):
    registry, versions = Registry(url), 9
    for number in range(versions):
        (tmp_path / "weights.npz").write_bytes(b"%d" % number)
        (tmp_path / str(number) / "numpy").mkdir(parents=True)
        (tmp_path / "weights.npz").rename(tmp_path / str(number) / "numpy" / "weights.npz")
        registry.publish("imdb", tmp_path / str(number), metadata={})
    said = together(os.environ, WORKERS, TURNS, verb="move", url=url, name="imdb", alias="best", versions=versions)
    assert [one for one in said if "error" in one] == []
    history = registry.alias("imdb", "best").history
    assert sorted(move.run_id for move in history) == sorted(one["run_id"] for one in said if one["moved"])
    assert [move.from_number for move in history] == [None, *(move.to_number for move in history[:-1])]
    assert {move.run_id: move.to_number for move in history} == {one["run_id"]: one["number"] for one in said if one["moved"]}
    assert registry.resolve("imdb@best").number == registry.summary("imdb").aliases["best"].number == history[-1].to_number
    assert len(history) > WORKERS * TURNS / 2
