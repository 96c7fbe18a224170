"""The driver of the preprocessing actors: it hands out chunks, merges what they counted, and commits. The actors do the work."""

import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pyarrow as pa
import ray

from distrnn.cluster.pool import ActorPool
from distrnn.cluster.preprocess_actor import actor_starter
from distrnn.data import vocabulary
from distrnn.data.assemble import build_manifest, check_splits
from distrnn.data.dataset import Dataset
from distrnn.data.lookup import Lookup
from distrnn.data.manifest import EvaluationSet, StoredFile, dataset_folder
from distrnn.data.shards import Encoding, WrittenShard, plan_shards
from distrnn.data.sources import Chunk
from distrnn.data.splits import TEST
from distrnn.data.staging import StagedChunk, read_staged, staging_area
from distrnn.errors import DistrnnError
from distrnn.progress import Event, Progress
from distrnn.storage import Store

ABANDONED_AFTER = timedelta(days=1)


def commit_dataset(actors: int | Literal["auto"], found: Lookup, store: Store, progress: Progress) -> Dataset:
    """Prepare and commit a dataset that is not there yet.

    Args:
        actors: how many processes; auto: one a CPU, as far as there are chunks.
        found: the dataset's name and source.
        store: the storage root.
        progress: hears about each chunk and shard.

    Raises:
        DataError: the source is empty, broken, or has one class only.
        StorageError: the store failed or is full.
    """
    chunks = found.source.chunks()
    size = _pool_size(actors, len(chunks))
    folder, area = dataset_folder(found.fingerprint), staging_area(found.fingerprint, uuid.uuid4().hex[:12])
    try:
        with ActorPool(actor_starter(store, folder, area, found.spec, actors=size), size) as pool:
            staged, ranked = _stage(pool, chunks, store, area, progress)
            check_splits(staged, found.source, found.spec)
            kept = vocabulary.cut(ranked, found.spec)
            written, evaluation_set = _write(pool, staged, _encoding(kept, found), len(chunks), progress)
    finally:
        _remove_staging(store, folder, area)
    body = vocabulary.to_bytes(kept)
    file = StoredFile("vocabulary.json", vocabulary.digest(body), len(body))
    store.put(folder + file.file, body)
    manifest = build_manifest(found, staged, written, evaluation_set, file, kept=len(kept), distinct=len(ranked))
    store.create_if_absent(folder + "manifest.json", manifest.to_bytes())
    return Dataset(store, manifest)


def _pool_size(actors: int | Literal["auto"], chunks: int) -> int:
    return min(int(ray.cluster_resources().get("CPU", 1.0)) if actors == "auto" else actors, chunks) or 1


def _stage(pool: ActorPool, chunks: Sequence[Chunk], store: Store, area: str, progress: Progress) -> tuple[list[StagedChunk], pa.Table]:
    merger = vocabulary.CountMerger()
    counter = _Counter(progress, len(chunks), first=0)

    def merge(_number: int, staged: StagedChunk) -> None:
        merger.add(read_staged(store, area, staged.index, "dictionary").read_all())
        counter.step("tokenizing", sum(int(lengths.sum()) for lengths in staged.lengths))

    staged = pool.run("stage", [(chunk,) for chunk in chunks], merge)
    return staged, merger.ranked()


def _encoding(kept: pa.Table, found: Lookup) -> Encoding:
    tokens = kept["token"].combine_chunks()
    with_start = found.source.kind == "documents" and found.spec.level == "word"
    return Encoding(found.spec, tokens.chunk(0) if isinstance(tokens, pa.ChunkedArray) else tokens, with_start)


def _write(
    pool: ActorPool, staged: Sequence[StagedChunk], encoding: Encoding, chunks: int, progress: Progress
) -> tuple[list[WrittenShard], EvaluationSet | None]:
    held_out = tuple(chunk.index for chunk in staged if len(chunk.lengths[TEST]))
    plans = [*([held_out] if held_out else []), *plan_shards(staged)]
    counter = _Counter(progress, chunks, first=chunks, tasks=len(plans))
    shared = ray.put(encoding)
    results = pool.run("write", [(plan, shared) for plan in plans], lambda _number, _result: counter.step("writing shards"))
    return results[bool(held_out) :], results[0] if held_out else None


class _Counter:
    """Progress over both stages, counted in chunks: each is read once and written once."""

    def __init__(self, progress: Progress, chunks: int, *, first: int, tasks: int | None = None) -> None:
        self._progress, self._chunks, self._done = progress, chunks, float(first)
        self._step = chunks / tasks if tasks else 1.0
        self._tokens, self._started = 0, time.monotonic()

    def step(self, message: str, tokens: int = 0) -> None:
        self._done += self._step
        self._tokens += tokens
        info: dict[str, Any] = {"message": message}
        if self._tokens:
            info["tokens_per_s"] = self._tokens / max(time.monotonic() - self._started, 1e-9)
        self._progress(Event("prepare", self._done, 2 * self._chunks, "chunks", info))


def _remove_staging(store: Store, folder: str, area: str) -> None:
    """Remove this attempt's files, and those of attempts that were killed long ago."""
    abandoned = datetime.now(UTC) - ABANDONED_AFTER
    with suppress(DistrnnError):
        for entry in list(store.list(f"{folder}staging/")):
            if entry.key.startswith(area) or entry.modified < abandoned:
                store.delete(entry.key)
    # A bucket has no folders to leave behind, a disk has.
    for key in (area, f"{folder}staging/"):
        path = store.local_path(key.rstrip("/"))
        with suppress(OSError):
            if path is not None:
                path.rmdir()
