"""`distrnn datasets show`: a dataset as one document, and that document drawn in text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distrnn.amounts import size
from distrnn.cli.output import Block, Fields, Table

if TYPE_CHECKING:
    from distrnn.data.dataset import Dataset

BAR_WIDTH = 40
LABEL_BAR_WIDTH = 20
# As many pairs as the document holds; their number is always told whole.
LISTED_PAIRS = 1000


def show_document(dataset: "Dataset") -> dict[str, Any]:
    """Everything that is shown of a dataset.

    Raises:
        IntegrityError: a file of it is missing or altered.
    """
    from distrnn.data import statistics

    manifest = dataset.manifest
    are_documents = manifest.task == "classifier"
    return {
        "fingerprint": manifest.fingerprint,
        "path": dataset.path,
        "task": manifest.task,
        "parts": manifest.fingerprint_parts,
        "vocabulary_size": manifest.vocabulary_size,
        "distinct_tokens": manifest.distinct_tokens,
        "collisions": manifest.collisions,
        "replaced_utf8": manifest.replaced_utf8,
        "removed_duplicates": manifest.removed_duplicates,
        "splits": {
            name: {
                "rows": split.rows,
                "empty_rows": split.empty_rows,
                "tokens": split.tokens,
                "unknown_tokens": split.unknown_tokens,
                "unknown_share": statistics.unknown_share(dataset, split),
                "text_bytes": split.text_bytes,
                "shards": len(split.shards),
                "labels": split.label_counts,
            }
            for name, split in manifest.splits.items()
        },
        "lengths": {split: statistics.lengths(dataset, split) for split in manifest.splits} if are_documents else None,
        "frequent_tokens": [list(pair) for pair in statistics.frequent_tokens(dataset)],
        "samples": statistics.samples(dataset, "train"),
        "duplicates": _duplicates(dataset) if are_documents else None,
    }


def _duplicates(dataset: "Dataset") -> dict[str, Any]:
    from distrnn.data.duplicates import duplicates_of
    from distrnn.data.statistics import row_ids

    found = duplicates_of(dataset)
    ids = {split: row_ids(dataset, split) for split in dataset.manifest.splits} if found.pairs else {}
    return {
        "counts": found.counts(),
        "leaked_test_documents": found.leaked,
        "pairs": [pair.to_json(ids) for pair in found.pairs[:LISTED_PAIRS]],
        "pairs_found": len(found.pairs),
    }


def show_blocks(document: Mapping[str, Any], listed_pairs: int) -> Iterator[Block]:
    """The document as a person reads it.

    Args:
        document: of `show_document`.
        listed_pairs: of documents that are alike, that many.
    """
    yield _facts(document)
    yield Table(["split", "rows", "empty", "tokens", "unknown", "text"], [_split(*one) for one in document["splits"].items()])
    labels = [line for name, split in document["splits"].items() for line in _labels(name, split["labels"])]
    if labels:
        yield Table(["split", "label", "documents", "share", ""], labels, title="Labels")
    for name, lengths in (document["lengths"] or {}).items():
        if lengths["histogram"]:
            yield Table(["tokens", "documents", ""], list(_bars(lengths["histogram"])), title=_lengths(name, lengths))
    where = "in the training split" if document["collisions"] is not None else "in the training text"
    yield Table(["token", "count", "token", "count"], list(_two_columns(document["frequent_tokens"])), title=f"Most frequent {where}")
    for sample in document["samples"]:
        yield from _sample(sample)
    if document["duplicates"] is not None:
        yield from _copies(document["duplicates"], listed_pairs)


def _facts(document: Mapping[str, Any]) -> Fields:
    distinct, collisions = document["distinct_tokens"], document["collisions"]
    kept = f"{document['vocabulary_size']:,} ids for {distinct:,} distinct tokens"
    shared = f"{collisions:,} distinct tokens ({collisions / max(distinct, 1):.1%}) share their bucket" if collisions is not None else None
    replaced, removed = document["replaced_utf8"], document["removed_duplicates"]
    return Fields(
        {
            "dataset": document["fingerprint"][:16],
            "path": document["path"],
            "source": document["parts"]["source"]["name"],
            "task": document["task"],
            "tokenizer": {key: value for key, value in document["parts"]["tokenizer"].items() if value is not None},
            "vocabulary": kept,
            "collisions": shared,
            "bad UTF-8": f"{replaced:,} sequences replaced" if replaced else None,
            "left out": f"{removed:,} duplicates" if removed else None,
        }
    )


def _split(name: str, split: Mapping[str, Any]) -> list[Any]:
    share = split["unknown_share"]
    unknown = f"{share:.2%}" if share is not None else None
    return [name, split["rows"], split["empty_rows"], split["tokens"], unknown, size(split["text_bytes"])]


def _labels(name: str, counts: Mapping[str, int]) -> Iterator[list[Any]]:
    total = sum(counts.values())
    for label, count in counts.items():
        share = count / total if total else 0.0
        yield [name, label, count, f"{share:.1%}", _bar(share, LABEL_BAR_WIDTH)]


def _lengths(name: str, found: Mapping[str, Any]) -> str:
    figures = f"{found['min']:,} to {found['max']:,}, median {found['median']:,}, mean {found['mean']:,.1f}, 95 % at most {found['p95']:,}"
    return f"Tokens of a document, {name}: {figures}"


def _bars(histogram: Sequence[Mapping[str, int]]) -> Iterator[list[Any]]:
    highest = max(found["documents"] for found in histogram) or 1
    for found in histogram:
        first, last = found["first"], found["last"]
        span = f"{first:,}" if last == first else f"{first:,} to {last:,}"
        yield [span, found["documents"], _bar(found["documents"] / highest, BAR_WIDTH)]


def _bar(share: float, width: int) -> str:
    """A share of the width; whatever is not nothing can be seen."""
    return "█" * max(round(share * width), int(share > 0.0))


def _two_columns(pairs: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
    half = -(-len(pairs) // 2)
    for row in range(half):
        left, right = pairs[row], pairs[row + half] if row + half < len(pairs) else ("", "")
        yield [_visible(left[0]), left[1], _visible(right[0]), right[1]]


def _visible(token: str) -> str:
    """A token, quoted where white space would hide it."""
    return token if token == "" or (token.strip() == token and token.isprintable()) else repr(token)


def _sample(sample: Mapping[str, Any]) -> Iterator[Block]:
    label = f", {sample['label']}" if sample["label"] is not None else ""
    shown, rest = len(sample["ids"]), sample["length"] - len(sample["ids"])
    more = f" … and {rest:,} more" if rest else ""
    ids = " ".join(map(str, sample["ids"]))
    yield Fields({"text": _line(sample["text"]) + more, "ids": ids + more}, title=f"Sample {sample['id']}{label}, {shown + rest:,} tokens")


def _line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _copies(found: Mapping[str, Any], listed: int) -> Iterator[Block]:
    if not found["pairs_found"]:
        yield "No document stands in it twice, neither exactly nor nearly."
        return
    counts = found["counts"]
    places = list(dict.fromkeys(place for kind in counts.values() for place in kind))
    rows = [[place, counts["exact"].get(place, 0), counts["near"].get(place, 0)] for place in places]
    yield Table(["where", "exact", "near"], rows, title="Documents that stand in it twice, by their ids (pairs)")
    leaked = found["leaked_test_documents"]
    if any(leaked.values()):
        yield f"Leaks: of the test documents {leaked['exact']:,} stand in training or validation too, and {leaked['near']:,} nearly."
        yield "To leave such copies out, set data.duplicates to exact or near."
    pairs = found["pairs"][:listed]
    if pairs:
        columns = ["kind", "first", "split", "second", "split", "similarity"]
        lines = [[pair["kind"], *_ends(pair), f"{pair['similarity']:.2f}"] for pair in pairs]
        yield Table(columns, lines, title=f"The first {len(pairs):,} of {found['pairs_found']:,} pairs (--leaks N shows N)")


def _ends(pair: Mapping[str, Any]) -> list[Any]:
    return [value for end in zip(pair["ids"], pair["splits"], strict=True) for value in end]
