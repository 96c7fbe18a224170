"""The end of a preparation: is every split usable, what does the manifest say of it, and the write that makes the dataset exist."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from distrnn.data import vocabulary
from distrnn.data.lookup import Lookup
from distrnn.data.manifest import SPLITS, DatasetManifest, EvaluationSet, SplitManifest, StoredFile, dataset_folder
from distrnn.data.shards import Encoding, WrittenShard
from distrnn.data.sources import Source
from distrnn.data.splits import TEST, TRAIN, VALIDATION
from distrnn.data.staging import StagedChunk
from distrnn.errors import DataError
from distrnn.storage import Store
from distrnn.text import TokenizerSpec


def check_splits(staged: Sequence[StagedChunk], source: Source, spec: TokenizerSpec) -> None:
    """Check that every split that the rules ask for can be used.

    Args:
        staged: all chunks.
        source: where they came from.
        spec: the tokenizer, for the message.

    Raises:
        DataError: a split is empty, or training or testing would see one class only.
    """
    for split in _asked_for(source):
        rows = sum(len(chunk.lengths[split]) for chunk in staged)
        if not rows:
            raise DataError(
                f"{source.name}: expected text in split {SPLITS[split]!r}. Received: none. Give it more text, or raise data.limit "
                f"or data.{SPLITS[split]}_fraction."
                if split != TRAIN
                else f"{source.name}: expected text to train on. Received: none. Give it more text, or lower the shares held out."
            )
        counts = _label_counts(staged, split, source.labels)
        present = [label for label, count in counts.items() if count]
        if source.labels and split != VALIDATION and len(present) < 2:
            raise DataError(
                f"{source.name}: expected documents of {' and '.join(source.labels)} in split {SPLITS[split]!r}. "
                f"Received: {rows} documents, all {present[0]}. Add the other class, or raise data.limit."
            )
    if not any(int(lengths.sum()) for chunk in staged for lengths in chunk.lengths[:TEST]):
        raise DataError(f"{source.name}: expected at least one {spec.level} token in the training text. Received: none.")


def _asked_for(source: Source) -> list[int]:
    rules = source.rules
    asked_for = {VALIDATION: rules.validation_fraction > 0.0, TEST: rules.test_fraction is None or rules.test_fraction > 0.0}
    return [TRAIN, *(split for split, asked in asked_for.items() if asked)]


def _label_counts(staged: Sequence[StagedChunk], split: int, labels: tuple[str, ...]) -> dict[str, int]:
    return {label: sum(chunk.labels[split].get(number, 0) for chunk in staged) for number, label in enumerate(labels)}


def encoding_of(ranked: pa.Table, found: Lookup) -> Encoding:
    """How the ids of chunks become those of the dataset, once every token is counted (see `CountMerger.ranked`)."""
    tokens = vocabulary.cut(ranked, found.spec)["token"].combine_chunks()
    with_start = found.spec.starts_documents if found.source.kind == "documents" else found.spec.boundaries
    return Encoding(found.spec, tokens.chunk(0) if isinstance(tokens, pa.ChunkedArray) else tokens, with_start)


@dataclass(frozen=True)
class Written:
    """What a preparation has made before it is committed.

    Attributes:
        staged: all chunks.
        ranked: every token with its count, most frequent first.
        shards: all of them, in their place.
        evaluation_set: None where nothing is held out.
        removed_duplicates: documents that were left out.
    """

    staged: Sequence[StagedChunk]
    ranked: pa.Table
    shards: Sequence[WrittenShard]
    evaluation_set: EvaluationSet | None
    removed_duplicates: int = 0


def commit(found: Lookup, written: Written, store: Store) -> DatasetManifest:
    """Write the vocabulary and, last of all, the manifest: from then on the dataset exists.

    Args:
        found: its name, parts and source.
        written: its files and figures.
        store: the storage root.

    Raises:
        StorageError: they cannot be written.
    """
    folder = dataset_folder(found.fingerprint)
    body = vocabulary.to_bytes(vocabulary.cut(written.ranked, found.spec))
    file = StoredFile("vocabulary.json", vocabulary.digest(body), len(body))
    store.put(folder + file.file, body)
    manifest = _manifest(found, written, file)
    store.create_if_absent(folder + "manifest.json", manifest.to_bytes())
    return manifest


def _manifest(found: Lookup, written: Written, vocabulary_file: StoredFile) -> DatasetManifest:
    source, spec = found.source, found.spec
    return DatasetManifest(
        fingerprint=found.fingerprint,
        fingerprint_parts=found.parts,
        task="classifier" if source.kind == "documents" else "language-model",
        labels=source.labels,
        tokenizer=spec,
        vocabulary=vocabulary_file,
        vocabulary_size=spec.first_id + (spec.buckets or len(vocabulary.cut(written.ranked, spec))),
        distinct_tokens=len(written.ranked),
        collisions=vocabulary.collisions(written.ranked, spec),
        replaced_utf8=sum(chunk.replaced for chunk in written.staged),
        removed_duplicates=written.removed_duplicates,
        splits={SPLITS[split]: _split(split, written.staged, written.shards, source.labels) for split in _asked_for(source)},
        evaluation_set=written.evaluation_set,
    )


def _split(split: int, staged: Sequence[StagedChunk], written: Sequence[WrittenShard], labels: tuple[str, ...]) -> SplitManifest:
    shards = [shard for shard in written if shard.plan.split == split]
    files = tuple(shard.file for shard in shards)
    return SplitManifest(
        files,
        sum(file.rows for file in files),
        sum(file.tokens for file in files),
        sum(shard.unknown_tokens for shard in shards),
        _label_counts(staged, split, labels),
        sum(chunk.text_bytes[split] for chunk in staged),
        sum(int(np.count_nonzero(chunk.lengths[split] == 0)) for chunk in staged),
    )
