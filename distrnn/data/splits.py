"""Which document or which part of a corpus is for training, validation and testing. Pure rules; nothing here reads a file.

A document's place follows from a hash of its text, so copies of one text always stay on the same side; a corpus is cut into contiguous
parts, because neighbouring characters know each other.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from distrnn.data.manifest import SPLITS

if TYPE_CHECKING:
    # Actors import this module and never see a workflow; pydantic and YAML would double the time they need to start.
    from distrnn.workflow import Workflow

TRAIN, VALIDATION, TEST = range(len(SPLITS))
_UNIT = 2.0**-64


@dataclass(frozen=True)
class SplitRules:
    """How a source is split; part of the dataset's fingerprint.

    Attributes:
        test_fraction: share held out for testing; None: the source brings its own test split.
        validation_fraction: share of what is left for training.
        limit: documents of each original split, or characters of a corpus; None: all.
        seed: chooses the limited documents; None where it would change nothing.
        duplicates: which documents are left out because they stand elsewhere too: `keep` (none), `exact` or `near` copies.
    """

    test_fraction: float | None
    validation_fraction: float
    limit: int | None = None
    seed: int | None = None
    duplicates: Literal["keep", "exact", "near"] = "keep"

    @classmethod
    def of(cls, workflow: "Workflow", *, seeded: bool) -> "SplitRules":
        """The rules of a workflow; `seeded`: whether the limit is a choice of documents."""
        data = workflow.data
        seed = workflow.train.seed if seeded and data.limit else None
        return cls(workflow.test_fraction, workflow.validation_fraction, data.limit, seed, data.duplicates)

    def to_json(self) -> dict[str, Any]:
        """Fields as a JSON object."""
        return asdict(self)


def assign(texts: "list[memoryview | bytes]", original: str, rules: SplitRules) -> npt.NDArray[np.int8]:
    """The split of each document, as a position in `SPLITS`.

    Args:
        texts: UTF-8 bytes of N documents.
        original: the split they come from; those of `test` stay there.
        rules: the shares.

    Returns:
        int8 [N].
    """
    if (split := undivided(original, rules)) is not None:
        return np.full(len(texts), split, np.int8)
    digests = b"".join(hashlib.sha256(text).digest()[:16] for text in texts)
    shares = np.frombuffer(digests, ">u8").reshape(-1, 2) * _UNIT  # [N, 2]
    splits = np.where(shares[:, 1] < rules.validation_fraction, VALIDATION, TRAIN)
    return np.where(shares[:, 0] < (rules.test_fraction or 0.0), TEST, splits).astype(np.int8)


def undivided(original: str, rules: SplitRules) -> int | None:
    """The split that all documents of an original one belong to, as a position in `SPLITS`; None where their texts decide."""
    if original == "test":
        return TEST
    return None if rules.test_fraction or rules.validation_fraction else TRAIN


def choose(rows: int, split: str, rules: SplitRules) -> npt.NDArray[np.int64] | None:
    """Positions of the documents of an original split that `rules.limit` keeps, ascending; None: all of them."""
    if rules.limit is None or rules.limit >= rows:
        return None
    generator = np.random.default_rng([rules.seed or 0, SPLITS.index(split)])
    return np.sort(generator.permutation(rows)[: rules.limit]).astype(np.int64)


class Part(NamedTuple):
    """Characters, or documents, [start, stop) of a corpus and the split they belong to."""

    split: str
    start: int
    stop: int


def cut_corpus(length: int, find: Callable[[str, int, int], int], rules: SplitRules) -> Iterator[Part]:
    """Cut a corpus into training text, validation text and, at its very end, test text; parts that are empty are left out.

    Args:
        length: characters of the text.
        find: as `str.find` of the text.
        rules: the shares.
    """
    test = _clean_cut(length, find, length - round(length * (rules.test_fraction or 0.0)))
    validation = _clean_cut(test, find, test - round(test * rules.validation_fraction))
    yield from _in_order(validation, test, length)


def cut_rows(rows: int, rules: SplitRules) -> Iterator[Part]:
    """Cut a corpus of documents in the same way, between two of them: the last ones are for testing."""
    test = rows - round(rows * (rules.test_fraction or 0.0))
    yield from _in_order(test - round(test * rules.validation_fraction), test, rows)


def _in_order(validation: int, test: int, stop: int) -> Iterator[Part]:
    parts = (Part("train", 0, validation), Part("validation", validation, test), Part("test", test, stop))
    yield from (part for part in parts if part.stop > part.start)


def _clean_cut(length: int, find: Callable[[str, int, int], int], position: int) -> int:
    """The start of the next line, or else word, if it is near (a hundredth of the text), so that no word is cut; else `position`."""
    if position >= length:
        return position
    near = min(position + length // 100, length)
    return find("\n", position, near) + 1 or find(" ", position, near) + 1 or position
