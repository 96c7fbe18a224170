"""The last look at a dataset before it is committed: is every split usable, and what does the manifest say of it."""

from collections.abc import Sequence

from distrnn.data.lookup import Lookup
from distrnn.data.manifest import SPLITS, DatasetManifest, EvaluationSet, SplitManifest, StoredFile
from distrnn.data.shards import WrittenShard
from distrnn.data.sources import Source
from distrnn.data.splits import TEST, TRAIN, VALIDATION
from distrnn.data.staging import StagedChunk
from distrnn.errors import DataError
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


def build_manifest(
    found: Lookup,
    staged: Sequence[StagedChunk],
    written: Sequence[WrittenShard],
    evaluation_set: EvaluationSet | None,
    vocabulary: StoredFile,
    *,
    kept: int,
    distinct: int,
) -> DatasetManifest:
    """The manifest of a dataset whose files are all in place.

    Args:
        found: name, parts and source.
        staged: all chunks.
        written: all shards.
        evaluation_set: None where nothing is held out.
        vocabulary: its file.
        kept: tokens in it.
        distinct: tokens before it was cut.
    """
    source = found.source
    splits = {SPLITS[split]: _split(split, staged, written, source.labels) for split in _asked_for(source)}
    task = "classifier" if source.kind == "documents" else "language-model"
    size = found.spec.first_id + kept
    return DatasetManifest(
        found.fingerprint, found.parts, task, source.labels, found.spec, vocabulary, size, distinct, splits, evaluation_set
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
    )
