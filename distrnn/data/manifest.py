"""The dataset manifest: what was prepared, from what, and the digest of every file. Its presence is what makes a dataset exist.

It holds no time and no path, so that the same input gives the same bytes on any machine and with any number of actors.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from distrnn.errors import IntegrityError
from distrnn.text import TokenizerSpec

SCHEMA_VERSION = 2
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class StoredFile:
    """A file of a dataset, by its name under the dataset's folder."""

    file: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class ShardFile(StoredFile):
    """An Arrow IPC file with columns tokens, label and id; `tokens` counts ids, the start id of each document among them."""

    rows: int
    tokens: int


@dataclass(frozen=True)
class SplitManifest:
    """A split: its shards in order, and what is in them.

    Attributes:
        shards: in order; none where the split is empty.
        rows: documents, or pieces of a stream.
        tokens: ids over all rows.
        unknown_tokens: those that are not in the vocabulary.
        label_counts: documents of each label, by its name; empty for a corpus.
        text_bytes: UTF-8 bytes of the text.
        empty_rows: rows without a token.
    """

    shards: tuple[ShardFile, ...]
    rows: int
    tokens: int
    unknown_tokens: int
    label_counts: dict[str, int]
    text_bytes: int
    empty_rows: int


@dataclass(frozen=True)
class EvaluationSet:
    """The test split as raw text (id, text, label); `file` is a key of the storage root, named by the digest."""

    file: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class DatasetManifest:
    """Everything that is known of a prepared dataset.

    Attributes:
        fingerprint: sha256 of `fingerprint_parts`; the dataset's name.
        fingerprint_parts: source, tokenizer, splits and preprocessing_version.
        task: `classifier` (documents) or `language-model` (one stream).
        labels: names of the labels, in the order of their numbers; empty for a corpus.
        tokenizer: the rules, with every default filled in.
        vocabulary: the file of [token, count] pairs, most frequent first.
        vocabulary_size: ids in use, reserved ones included.
        distinct_tokens: different tokens of the training text (validation included) before the vocabulary was cut.
        collisions: of those, how many share their bucket with another one; None where tokens are not hashed.
        replaced_utf8: invalid UTF-8 sequences that became U+FFFD.
        removed_duplicates: documents that were left out because they stand elsewhere too.
        splits: by name.
        evaluation_set: None where nothing is held out for testing.
    """

    fingerprint: str
    fingerprint_parts: dict[str, Any]
    task: str
    labels: tuple[str, ...]
    tokenizer: TokenizerSpec
    vocabulary: StoredFile
    vocabulary_size: int
    distinct_tokens: int
    collisions: int | None
    replaced_utf8: int
    removed_duplicates: int
    splits: dict[str, SplitManifest]
    evaluation_set: EvaluationSet | None

    def to_bytes(self) -> bytes:
        """The manifest as it is stored."""
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, body: bytes, name: str) -> "DatasetManifest":
        """Read a stored manifest.

        Args:
            body: its bytes.
            name: where they came from, for the message.
        Raises:
            IntegrityError: they are no manifest that this version reads.
        """
        try:
            document = json.loads(body)
            if document.pop("schema_version") != SCHEMA_VERSION:
                raise ValueError("another schema_version")
            return cls(
                **document
                | {
                    "labels": tuple(document["labels"]),
                    "tokenizer": TokenizerSpec(**document["tokenizer"]),
                    "vocabulary": StoredFile(**document["vocabulary"]),
                    "splits": {split: _split(value) for split, value in document["splits"].items()},
                    "evaluation_set": EvaluationSet(**document["evaluation_set"]) if document["evaluation_set"] else None,
                }
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise IntegrityError(
                f"{name}: expected a dataset manifest of schema_version {SCHEMA_VERSION}. Received: {error!r}. "
                "Delete the dataset's folder and prepare it again."
            ) from None


def _split(value: dict[str, Any]) -> SplitManifest:
    return SplitManifest(**value | {"shards": tuple(ShardFile(**shard) for shard in value["shards"])})


def dataset_folder(fingerprint: str) -> str:
    """Key prefix of a dataset under the storage root, with its slash."""
    return f"datasets/{fingerprint[:16]}/"


def evaluation_key(sha256: str) -> str:
    """Key of an evaluation set under the storage root."""
    return f"evaluation-sets/{sha256}.arrow"
