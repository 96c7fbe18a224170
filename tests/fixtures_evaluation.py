"""An evaluation set in a storage root, as a run leaves it, for tests that need no run."""

import hashlib
import io
from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest

from distrnn.data.columns import SCHEMA
from distrnn.data.manifest import evaluation_key
from distrnn.storage import Store


@pytest.fixture(scope="session")
def keep_evaluation_set() -> Callable[[Store, Sequence[str], Sequence[int | None]], str]:
    """A function that stores texts with their labels as an evaluation set and gives its digest."""

    def keep(store: Store, texts: Sequence[str], labels: Sequence[int | None]) -> str:
        table = pa.table([[f"d{row}" for row in range(len(texts))], list(texts), list(labels)], schema=SCHEMA)
        body = io.BytesIO()
        with pa.ipc.new_file(body, SCHEMA) as writer:
            writer.write_table(table)
        digest = hashlib.sha256(body.getvalue()).hexdigest()
        store.put(evaluation_key(digest), body.getvalue())
        return digest

    return keep
