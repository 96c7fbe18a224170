"""Reading every byte of a dataset, and telling what is missing, altered or makes no sense; nothing that is wrong stops the rest."""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from distrnn.data.catalog import FOLDER, read_manifest
from distrnn.data.fingerprint import fingerprint
from distrnn.data.manifest import DatasetManifest, ShardFile, dataset_folder
from distrnn.errors import IntegrityError, NotFoundError
from distrnn.storage import Store
from distrnn.storage.local_errors import os_errors

TOKEN_TYPES = (pa.uint16(), pa.int32())


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a dataset.

    Attributes:
        dataset: the name of its folder.
        key: of the file, in the store.
        problem: `missing`, `altered` (another size or digest) or `damaged` (what it says cannot be).
        detail: what was expected, and what was received.
    """

    dataset: str
    key: str
    problem: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Fields as a JSON object."""
        return asdict(self)


def verify(store: Store, name: str) -> Iterator[Finding]:
    """Find what is wrong with a dataset.

    Args:
        store: the storage root.
        name: of the dataset's folder.

    Raises:
        NotFoundError: it was never finished.
    """
    key = f"{FOLDER}{name}/manifest.json"
    try:
        manifest = read_manifest(store, name)
    except IntegrityError as error:
        yield Finding(name, key, "damaged", error.message)
        return
    for detail in _of_manifest(manifest, name):
        yield Finding(name, key, "damaged", detail)
    with tempfile.TemporaryDirectory() as scratch:
        for wanted in _files(manifest):
            path = Path(scratch) / "file"
            problem, detail = _differs(store, wanted, path)
            if not problem and wanted.shard is not None:
                problem, detail = "damaged", _of_shard(path, wanted.shard, manifest)
            if detail:
                yield Finding(name, wanted.key, problem, detail)


@dataclass(frozen=True)
class _Wanted:
    """A file that a manifest names; the size of an evaluation set is not recorded."""

    key: str
    sha256: str
    size_bytes: int | None
    shard: ShardFile | None


def _files(manifest: DatasetManifest) -> Iterator[_Wanted]:
    folder, vocabulary, held_out = dataset_folder(manifest.fingerprint), manifest.vocabulary, manifest.evaluation_set
    yield _Wanted(folder + vocabulary.file, vocabulary.sha256, vocabulary.size_bytes, None)
    for split in manifest.splits.values():
        for shard in split.shards:
            yield _Wanted(folder + shard.file, shard.sha256, shard.size_bytes, shard)
    if held_out is not None:
        yield _Wanted(held_out.file, held_out.sha256, None, None)


def _of_manifest(manifest: DatasetManifest, name: str) -> Iterator[str]:
    """What a manifest says that cannot be."""
    named = fingerprint(manifest.fingerprint_parts)
    if manifest.fingerprint != named or not named.startswith(name):
        yield f"expected the fingerprint {named} of its parts, in the folder of that name. Received: {manifest.fingerprint} in {name}"
    for split, said in manifest.splits.items():
        counted = sum(shard.rows for shard in said.shards), sum(shard.tokens for shard in said.shards)
        if counted != (said.rows, said.tokens):
            yield (
                f"expected in split {split!r} {counted[0]:,} rows and {counted[1]:,} tokens, as its shards have. "
                f"Received: {said.rows:,} and {said.tokens:,}"
            )


def _differs(store: Store, wanted: _Wanted, path: Path) -> tuple[str, str]:
    """What is wrong with the bytes of a file, which are copied to `path`; empty where nothing is."""
    digest = hashlib.sha256()
    size_bytes = store.size(wanted.key)
    if size_bytes is None:
        return "missing", "there is no such file"
    if wanted.size_bytes is not None and size_bytes != wanted.size_bytes:
        return "altered", f"expected {wanted.size_bytes:,} bytes. Received: {size_bytes:,}"
    try:
        with os_errors(path):
            path.unlink(missing_ok=True)
            store.get_file(wanted.key, path, update=digest.update)
    except NotFoundError:
        return "missing", "there is no such file"
    received = digest.hexdigest()
    return ("", "") if received == wanted.sha256 else ("altered", f"expected sha256 {wanted.sha256}. Received: {received}")


def _of_shard(path: Path, expected: ShardFile, manifest: DatasetManifest) -> str:
    """What a shard whose bytes are the right ones says that cannot be; empty where nothing is."""
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks()
    except (pa.ArrowInvalid, OSError) as error:
        return f"expected an Arrow IPC file. Received: {error}"
    if [*table.schema.names] != ["tokens", "label", "id"] or table.schema.field("tokens").type not in map(pa.list_, TOKEN_TYPES):
        columns = ", ".join(f"{field.name} {field.type}" for field in table.schema)
        return f"expected columns tokens (a list of uint16 or int32), label and id. Received: {columns}"
    values = np.concatenate([np.zeros(0, np.int32), *(chunk.flatten().to_numpy() for chunk in table["tokens"].chunks)])
    if (len(table), len(values)) != (expected.rows, expected.tokens):
        return f"expected {expected.rows:,} rows and {expected.tokens:,} tokens. Received: {len(table):,} and {len(values):,}"
    highest, lowest = (int(values.max()), int(values.min())) if len(values) else (0, 0)
    if lowest < 0 or highest >= manifest.vocabulary_size:
        return f"expected token ids from 0 to {manifest.vocabulary_size - 1:,}. Received: {lowest if lowest < 0 else highest:,}"
    return ""
