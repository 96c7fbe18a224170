"""The driver of the preprocessing actors: it hands out chunks, merges what they counted, and commits. The actors do the work."""

import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa
import ray

from distrnn.cluster.pool import ActorPool
from distrnn.cluster.preprocess_actor import Place, start_pool
from distrnn.data import vocabulary
from distrnn.data.assemble import Written, check_splits, commit, encoding_of
from distrnn.data.dataset import Dataset
from distrnn.data.lookup import Lookup
from distrnn.data.manifest import EvaluationSet, dataset_folder
from distrnn.data.removal import removals
from distrnn.data.shards import Encoding, WrittenShard, plan_shards
from distrnn.data.sources import Chunk
from distrnn.data.sources.base import without
from distrnn.data.splits import TEST
from distrnn.data.staging import StagedChunk, read_staged, staging_area
from distrnn.errors import DistrnnError
from distrnn.progress import Event, Progress
from distrnn.storage import Store

ABANDONED_AFTER = timedelta(days=1)


def commit_dataset(actors: int | Literal["auto"], found: Lookup, store: Store, progress: Progress) -> Dataset:
    """Start actors, and prepare and commit a dataset that is not there yet.

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
    with start_pool(actors, len(chunks)) as pool:
        return prepare_with(pool, chunks, found, store, progress)


def prepare_with(pool: ActorPool, chunks: list[Chunk], found: Lookup, store: Store, progress: Progress) -> Dataset:
    """Prepare and commit a dataset with actors that are there (see `commit_dataset`)."""
    folder, area = dataset_folder(found.fingerprint), staging_area(found.fingerprint, uuid.uuid4().hex[:12])
    work = _Work(pool, Place(store, folder, area, found.spec), progress)
    try:
        chunks, removed = work.without_duplicates(chunks, found.source.rules.duplicates)
        staged, ranked = work.stage(chunks)
        check_splits(staged, found.source, found.spec)
        shards, evaluation_set = work.write(staged, encoding_of(ranked, found))
    finally:
        _remove_staging(store, folder, area)
    return Dataset(store, commit(found, Written(staged, ranked, shards, evaluation_set, removed), store))


class _Work:
    """What the actors do, stage by stage."""

    def __init__(self, pool: ActorPool, place: Place, progress: Progress) -> None:
        self._pool, self._place, self._progress = pool, place, progress
        self._shared = ray.put(place)

    def without_duplicates(self, chunks: list[Chunk], duplicates: str) -> tuple[list[Chunk], int]:
        """Chunks without the documents that `data.duplicates` leaves out, and how many those are; costs a reading of the source."""
        if duplicates == "keep":
            return chunks, 0

        def told(_number: int, _result: object) -> None:
            self._progress(Event("prepare", 0, 2 * len(chunks), "chunks", {"message": "looking for duplicates"}))

        signed = self._pool.run("sign", [(chunk, self._shared, duplicates == "near") for chunk in chunks], told)
        dropped = removals([signatures for signatures, _ in signed], [splits for _, splits in signed])
        left = [without(chunk, rows, len(splits)) for chunk, rows, (_, splits) in zip(chunks, dropped, signed, strict=True)]
        return [chunk for chunk in left if chunk is not None], sum(map(len, dropped))

    def stage(self, chunks: Sequence[Chunk]) -> tuple[list[StagedChunk], pa.Table]:
        """Tokenize every chunk; their tokens are counted together while the actors go on."""
        merger = vocabulary.CountMerger()
        counter = _Counter(self._progress, "tokenizing", len(chunks))

        def merge(_number: int, staged: StagedChunk) -> None:
            merger.add(read_staged(self._place.store, self._place.area, staged.index, "dictionary").read_all())
            counter.read(staged)

        staged = self._pool.run("stage", [(chunk, self._shared) for chunk in chunks], merge)
        return staged, merger.ranked()

    def write(self, staged: Sequence[StagedChunk], encoding: Encoding) -> tuple[list[WrittenShard], EvaluationSet | None]:
        """Write the evaluation set and every shard."""
        held_out = tuple(chunk.index for chunk in staged if len(chunk.lengths[TEST]))
        plans = [*([held_out] if held_out else []), *plan_shards(staged)]
        counter = _Counter(self._progress, "writing shards", len(staged), first=len(staged), tasks=len(plans))
        shared = ray.put(encoding)
        results = self._pool.run("write", [(plan, self._shared, shared) for plan in plans], lambda _number, _result: counter.step())
        return results[bool(held_out) :], results[0] if held_out else None


class _Counter:
    """Progress over both stages, counted in chunks: each is read once and written once.

    Args:
        progress: hears about it.
        message: names the stage.
        chunks: of the source.
        first: chunks counted before this stage.
        tasks: of this stage; None: one a chunk.
    """

    def __init__(self, progress: Progress, message: str, chunks: int, *, first: int = 0, tasks: int | None = None) -> None:
        self._progress, self._message, self._chunks, self._done = progress, message, chunks, float(first)
        self._step = chunks / tasks if tasks else 1.0
        self._documents, self._bytes, self._started = 0, 0, time.monotonic()

    def read(self, staged: StagedChunk) -> None:
        """Count a chunk that was tokenized."""
        self._documents += sum(len(lengths) for lengths in staged.lengths)
        self._bytes += sum(staged.text_bytes)
        self.step(documents=self._documents, bytes_per_s=self._bytes / max(time.monotonic() - self._started, 1e-9))

    def step(self, **figures: float) -> None:
        """Count a task."""
        self._done += self._step
        self._progress(Event("prepare", self._done, 2 * self._chunks, "chunks", {"message": self._message, **figures}))


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
