"""What is in a prepared dataset: lengths, labels, frequent and unknown tokens, sample documents."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from distrnn.data.dataset import Dataset
from distrnn.data.manifest import SplitManifest

BINS = 12
FREQUENT = 20
SAMPLES = 3
SAMPLE_TOKENS = 16
COUNTED_AT_ONCE = 1 << 22


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
        "histogram": [asdict(bin_) for bin_ in histogram(found)],
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


def unknown_share(dataset: Dataset, split: SplitManifest) -> float | None:
    """Share of a split's tokens, start ids left out, that are not in the vocabulary; None where it has none, or tokens are hashed."""
    spec = dataset.manifest.tokenizer
    tokens = split.tokens - (split.rows if spec.starts_documents else 0)
    return split.unknown_tokens / tokens if tokens > 0 and spec.buckets is None else None


def frequent_tokens(dataset: Dataset, count: int = FREQUENT) -> list[tuple[str, int]]:
    """The most frequent tokens and how often each stands in the training text; buckets, in the training split, where tokens are hashed."""
    if dataset.manifest.tokenizer.buckets is None:
        return dataset.vocabulary_counts[:count]
    reader, found = dataset.reader("train"), Counter[int]()
    for start in range(0, reader.tokens, COUNTED_AT_ONCE):
        ids, times = np.unique(reader.span(start, start + COUNTED_AT_ONCE), return_counts=True)
        found.update(dict(zip(ids.tolist(), times.tolist(), strict=True)))
    first = dataset.manifest.tokenizer.first_id
    ranked = sorted((-times, token) for token, times in found.items() if token >= first)[:count]
    return [(dataset.vocabulary.token(token), -times) for times, token in ranked]


def samples(dataset: Dataset, split: str, count: int = SAMPLES) -> list[dict[str, Any]]:
    """Documents from all over a split: `id`, `label` (its name), `length`, and of its first tokens the `ids` and the `text`."""
    reader, vocabulary, labels = dataset.reader(split), dataset.vocabulary, dataset.manifest.labels
    joint = "" if vocabulary.spec.level == "char" and vocabulary.spec.ngrams == 1 else " "
    names, stops = row_ids(dataset, split), np.cumsum(reader.lengths, dtype=np.int64)
    found = []
    for row in np.unique(np.arange(count) * reader.rows // count).tolist() if reader.rows else ():
        length, label = int(reader.lengths[row]), int(reader.labels[row])
        start = int(stops[row]) - length
        ids = reader.span(start, start + min(length, SAMPLE_TOKENS)).tolist()
        text = joint.join(vocabulary.token(token) for token in ids)
        found.append({"id": names[row], "label": labels[label] if label >= 0 else None, "length": length, "ids": ids, "text": text})
    return found


def row_ids(dataset: Dataset, split: str) -> list[str]:
    """The id of each document of a split, in its order."""
    ids: list[str] = []
    for path in dataset.shard_paths(split):
        ids += pa.ipc.open_file(pa.memory_map(str(path))).read_all()["id"].to_pylist()
    return ids
