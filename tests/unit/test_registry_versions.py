"""Finding the newest version without a listing, in a number of requests that does not grow."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.registry import Registry
from distrnn.registry.layout import catalog_key, version_key
from distrnn.registry.versions import VersionLog
from distrnn.storage.local import LocalStore
from storage_doubles import Watched


class Numbers:
    """A store of a model with versions 1 to `head`, and a hint."""

    is_local = True
    url = "memory"

    def __init__(self, head: int, hint: int | None) -> None:
        self.present = {version_key("m", number) for number in range(1, head + 1)}
        self.hint = hint
        self.requests = 0

    def size(self, key: str) -> int | None:
        self.requests += 1
        return 1 if key in self.present else None

    def find(self, key: str, *, limit_bytes: int) -> tuple[bytes, str] | None:
        self.requests += 1
        assert key == catalog_key("m")
        return None if self.hint is None else (json.dumps({"schema_version": 1, "head": self.hint}).encode(), "tag")


@given(st.integers(0, 600), st.none() | st.integers(-5, 10**11))
def test_the_head_is_found_whatever_the_hint(head, hint):
    assert VersionLog(Numbers(head, hint), "m").head() == head


@pytest.mark.parametrize("head", [1, 10, 1000, 20_000])
def test_a_good_hint_makes_the_number_of_requests_constant(head):
    store = Numbers(head, head)
    VersionLog(store, "m").head()
    assert store.requests == 3


@pytest.mark.parametrize(("head", "requests"), [(10, 9), (1000, 23), (20_000, 33)])
def test_without_a_hint_it_grows_with_the_logarithm(head, requests):
    store = Numbers(head, None)
    VersionLog(store, "m").head()
    assert store.requests <= requests


@pytest.mark.parametrize("versions", [1, 40])
def test_resolving_takes_the_same_requests_for_few_and_many_versions(tmp_path, versions):
    (tmp_path / "model").mkdir()
    registry = Registry(tmp_path / "registry")
    for number in range(versions):
        (tmp_path / "model" / "a.json").write_text(str(number))
        registry.publish("imdb", tmp_path / "model", metadata={})
    registry.set_alias("imdb", "best", 1)
    requests = {}
    for reference in ("imdb", "imdb@v1", "imdb@best"):
        store = Watched(LocalStore(tmp_path / "registry"))
        Registry(store=store).resolve(reference)
        requests[reference] = store.requests
    assert requests == {"imdb": 4, "imdb@v1": 1, "imdb@best": 2}
