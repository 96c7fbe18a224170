"""A hundred thousand versions of one model: what a reader asks for does not grow with them, and a list streams."""

import os
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pytest

from distrnn.registry import Registry, catalog
from distrnn.registry.layout import catalog_key, version_key
from distrnn.registry.manifest import FileEntry, Manifest, sealed
from distrnn.storage import Store
from distrnn.storage.local import LocalStore
from manifests import unsealed
from storage_doubles import MemoryStore, Watched

MANY = 100_000
WEIGHTS = b"weights"

pytestmark = pytest.mark.slow


def manifests(count: int) -> Iterator[tuple[str, bytes]]:
    """Versions 1 to `count` of one model, as they would have been published."""
    files = (FileEntry("numpy/weights.npz", len(WEIGHTS), sha256(WEIGHTS).hexdigest(), "numpy"),)
    mark = 7_777_777_777
    template = Manifest("imdb", mark, "a" * 32, "2026-11-24T00:00:00.000000Z", files, {"metrics": {"accuracy": 0.8}})
    body = unsealed(template.to_bytes())
    for number in range(1, count + 1):
        yield version_key("imdb", number), sealed(body.replace(b"%d" % mark, b"%d" % number))


def in_memory(count: int) -> MemoryStore:
    store = MemoryStore()
    for key, body in manifests(count):
        store.put(key, body)
    return store


def in_folder(count: int, root: Path) -> LocalStore:
    (root / "imdb" / "versions").mkdir(parents=True)
    folder = os.open(root / "imdb" / "versions", os.O_RDONLY)
    for key, body in manifests(count):
        file = os.open(key.rpartition("/")[2], os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=folder)
        os.write(file, body)
        os.close(file)
    os.close(folder)
    return LocalStore(root)


@pytest.fixture(scope="module", params=["memory", "folder"])
def make(request, tmp_path_factory) -> Iterator[Callable[[int], Watched]]:
    """Makes (once) a model with so many versions, an alias and a catalog."""
    root = tmp_path_factory.mktemp("scale")
    made: dict[int, Store] = {}

    def watched(count: int) -> Watched:
        if count not in made:
            made[count] = in_memory(count) if request.param == "memory" else in_folder(count, root / str(count))
            Registry(store=made[count]).set_alias("imdb", "best", count // 2)
        catalog.refresh(made[count], "imdb")
        return Watched(made[count])

    yield watched
    shutil.rmtree(root)


def cost(store: Watched, ask: Callable[[Registry], object]) -> dict[str, int]:
    """What one question to a registry takes."""
    store.calls.clear()
    ask(Registry(store=store))
    return dict(store.calls)


def test_requests_do_not_grow_with_the_number_of_versions(make):
    small, large = 10, MANY
    costs: dict[int, dict[str, dict[str, int]]] = {}
    for count in (small, 1_000, large):
        store = make(count)
        questions = {
            "latest": lambda registry, count=count: registry.resolve("imdb").number == count or pytest.fail("not the latest"),
            "alias": lambda registry: registry.resolve("imdb@best"),
            "version": lambda registry, count=count: registry.resolve(f"imdb@v{count - 3}"),
            "summary": lambda registry: registry.summary("imdb"),
        }
        costs[count] = {question: cost(store, ask) for question, ask in questions.items()}
        # A catalog that is gone, or says what was true at the beginning, costs a search by doubling and halving.
        store.delete(catalog_key("imdb"))
        costs[count]["latest without a catalog"] = cost(store, questions["latest"])
    without = {count: sum(found.pop("latest without a catalog").values()) for count, found in costs.items()}
    assert costs[small] == costs[1_000] == costs[large]
    assert {question: sum(found.values()) for question, found in costs[large].items()} == {
        "latest": 4,
        "alias": 2,
        "version": 1,
        "summary": 2,
    }
    assert not any("list" in found for question, found in costs[large].items() if question != "summary")
    assert without[large] <= 3 + 2 * MANY.bit_length()


def test_a_list_streams(make):
    store = make(MANY)
    store.calls.clear()
    versions = Registry(store=store).iter_versions("imdb")
    assert next(versions).number == MANY
    first = store.requests
    assert first < 600
    tracemalloc.start()
    peaks = []
    for _ in range(3):
        tracemalloc.reset_peak()
        assert len([version.number for version in islice(versions, 3_000)]) == 3_000
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[0] + 200_000
    assert store.requests - first < 9_000 + 600
