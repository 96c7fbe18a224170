"""Versions together with their tags, without waiting for a request for each of them."""

from collections.abc import Iterable, Iterator
from itertools import islice

from distrnn.registry.layout import tags_key
from distrnn.registry.manifest import LIMIT_BYTES, ModelVersion
from distrnn.registry.tags import parse
from distrnn.storage import Store

AT_ONCE = 128


def with_tags(store: Store, versions: Iterable[ModelVersion]) -> Iterator[tuple[ModelVersion, dict[str, str]]]:
    """Each version with its tags, in the same order, a handful at a time.

    Raises:
        IntegrityError: a document of tags is damaged.
    """
    coming = iter(versions)
    while some := list(islice(coming, AT_ONCE)):
        keys = {tags_key(version.name, version.number): version for version in some}
        for key, body in store.read_many(list(keys), limit_bytes=LIMIT_BYTES):
            version = keys[key]
            yield version, {} if body is None else parse(body, version.name, version.number, f"{store.url}/{key}")
