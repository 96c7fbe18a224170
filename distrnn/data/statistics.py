"""What is in a prepared dataset: lengths, labels, frequent and unknown tokens, samples, and documents that are there more than once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from distrnn.data.dataset import Dataset
from distrnn.data.duplicates import Pair, Signatures, exact_pairs, near_pairs, sign, token_hashes
from distrnn.data.manifest import SPLITS

BINS = 12
FREQUENT = 20
SAMPLES = 3
SAMPLE_TOKENS = 24


@dataclass(frozen=True)
class Bin:
    """Documents of `first` to `last` tokens."""

    first: int
    last: int
    documents: int


def lengths(dataset: Dataset, split: str) -> dict[str, Any]:
    """How long the documents of a split are, in ids, start ids among them: `min`, `median`, `mean`, `p95`, `max`, `histogram`."""
    found = dataset.reader(split).lengths
    if not len(found):
        return {"min": 0, "median": 0, "mean": 0.0, "p95": 0, "max": 0, "histogram": []}
    return {
        "min": int(found.min()),
        "median": int(np.median(found)),
        "mean": round(float(found.mean()), 2),
        "p95": int(np.percentile(found, 95)),
        "max": int(found.max()),
        "histogram": [bin_.__dict__ for bin_ in histogram(found)],
    }


def histogram(values: npt.NDArray[np.integer], bins: int = BINS) -> list[Bin]:
    """Count values in bins that grow by a constant factor, so that the many short and the few long ones are both seen.

    Args:
        values: int [N], 0 or more; one at least.
        bins: at most so many; bins that hold no whole number are left out.
    """
    edges = np.unique(np.round(np.geomspace(max(int(values.min()), 1), int(values.max()) + 1, bins + 1)).astype(int))
    edges[0] = int(values.min())
    counts, _ = np.histogram(values, edges if len(edges) > 1 else [edges[0], edges[0] + 1])
    stops = edges[1:] if len(edges) > 1 else edges + 1
    return [Bin(int(first), int(stop) - 1, int(count)) for first, stop, count in zip(edges, stops, counts, strict=False)]


def samples(dataset: Dataset, split: str, count: int = SAMPLES) -> list[dict[str, Any]]:
    """The first documents of a split: `id`, `label` (its name), `ids` and `text`, the first tokens back to text."""
    reader, vocabulary, labels = dataset.reader(split), dataset.vocabulary, dataset.manifest.labels
    joint = "" if vocabulary.spec.level == "char" and vocabulary.spec.ngrams == 1 else " "
    names, found = row_ids(dataset, split), []
    for row in range(min(count, reader.rows)):
        start = int(reader.lengths[:row].sum())
        ids = reader.span(start, start + min(int(reader.lengths[row]), SAMPLE_TOKENS)).tolist()
        label = int(reader.labels[row])
        text = joint.join(vocabulary.token(token) for token in ids)
        found.append({"id": names[row], "label": labels[label] if label >= 0 else None, "ids": ids, "text": text})
    return found


def row_ids(dataset: Dataset, split: str) -> list[str]:
    """The id of each document of a split, in its order."""
    ids: list[str] = []
    for path in dataset.shard_paths(split):
        ids += pa.ipc.open_file(pa.memory_map(str(path))).read_all()["id"].to_pylist()
    return ids


@dataclass(frozen=True)
class Leak:
    """Two documents that are alike: ids and splits of both, and the similarity of their shingles; 1.0 for exact copies."""

    id: str
    split: str
    other_id: str
    other_split: str
    similarity: float


@dataclass(frozen=True)
class Leaks:
    """Documents that are there more than once.

    Attributes:
        counts: how many documents have an `exact` or `near` earlier one: by kind, within each split and `across` splits.
        exact: all pairs of exact copies.
        near: all pairs of near duplicates.
    """

    counts: dict[str, dict[str, int]]
    exact: list[Leak]
    near: list[Leak]


def leaks(dataset: Dataset) -> Leaks:
    """Find the documents that are there more than once, in their tokens as the dataset holds them."""
    splits = [split for split in SPLITS if split in dataset.manifest.splits]
    signatures = Signatures.joined([_signed(dataset, split) for split in splits])
    split_of = np.repeat(np.arange(len(splits)), [dataset.manifest.splits[split].rows for split in splits])
    ids = [name for split in splits for name in row_ids(dataset, split)]

    def told(pairs: Sequence[Pair]) -> list[Leak]:
        def place(number: int) -> tuple[str, str]:
            return ids[number], splits[split_of[number]]

        return [Leak(*place(pair.first), *place(pair.second), pair.similarity) for pair in pairs]

    exact, near = exact_pairs(signatures), near_pairs(signatures)
    counts = {kind: dict(_counted(pairs, splits, split_of)) for kind, pairs in (("exact", exact), ("near", near))}
    return Leaks(counts, told(exact), told(near))


def _counted(pairs: Sequence[Pair], splits: Sequence[str], split_of: npt.NDArray[np.int64]) -> Iterator[tuple[str, int]]:
    for number, split in enumerate(splits):
        yield split, len({pair.second for pair in pairs if split_of[pair.first] == split_of[pair.second] == number})
    yield "across", len({pair.second for pair in pairs if split_of[pair.first] != split_of[pair.second]})


def _signed(dataset: Dataset, split: str) -> Signatures:
    reader, vocabulary = dataset.reader(split), dataset.vocabulary
    hashes = token_hashes([vocabulary.token(token) for token in range(vocabulary.size)])
    values = reader.span(0, reader.tokens)
    row_lengths = reader.lengths.astype(np.int64)
    if vocabulary.spec.starts_documents:
        kept = np.ones(len(values), np.bool_)
        kept[np.cumsum(row_lengths) - row_lengths] = False
        values, row_lengths = values[kept], row_lengths - 1
    return sign(hashes[values], row_lengths)
