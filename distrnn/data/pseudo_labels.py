"""Documents that a teacher has labelled (`train.pseudo_labels`): which of them are taken, and how they are kept.

They are two files of the storage root: arrays, and then a description with their digest, whose presence makes them exist. Their name is a
digest of all that decides them, so the same teacher judges the same documents once.

Shapes: N documents, C labels, T tokens.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.data.reader import ShardArrays, ShardReader
from distrnn.data.removal import Signatures
from distrnn.data.sketches import BINS, NEAR, Int64, leaders, similar_pairs
from distrnn.errors import IntegrityError, NotFoundError
from distrnn.storage import Store
from distrnn.text import Vocabulary

FORMAT = 1
FOLDER = "pseudo-labels"
NO_COPY = -1

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PseudoLabelled:
    """Documents with a teacher's answers.

    Attributes:
        tokens: uint16 or int32 [T], one document after the other.
        offsets: int64 [N + 1].
        probabilities: float32 [N] of the last of two labels, or [N, C].
        origin: where they come from, as plain values: what a published version says of them.
    """

    tokens: npt.NDArray[np.integer]
    offsets: npt.NDArray[np.int64]
    probabilities: Probabilities
    origin: dict[str, Any]

    @property
    def labels(self) -> npt.NDArray[np.int16]:
        """The likeliest label of each: int16 [N]."""
        if self.probabilities.ndim == 1:
            return (self.probabilities > 0.5).astype(np.int16)
        likeliest: npt.NDArray[np.int16] = self.probabilities.argmax(axis=1).astype(np.int16)
        return likeliest

    def reader(self) -> ShardReader:
        """The documents with the likeliest label of each."""
        return ShardReader([ShardArrays(self.tokens, self.offsets, self.labels)], "pseudo-labelled")


def name_of(parts: dict[str, Any]) -> str:
    """The name of documents that all of `parts` decide."""
    body = json.dumps({"format": FORMAT, **parts}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def confident(probabilities: Probabilities, threshold: float | None) -> npt.NDArray[np.bool_]:
    """Of which documents the teacher is so sure, whatever the answer: bool [N].

    Args:
        probabilities: float32 [N] of the last of two labels, or [N, C].
        threshold: the least probability of the likeliest label; None: all are taken.
    """
    of_likeliest = np.maximum(probabilities, 1 - probabilities) if probabilities.ndim == 1 else probabilities.max(axis=1)
    return np.ones(len(of_likeliest), np.bool_) if threshold is None else of_likeliest >= threshold


def copies(documents: Sequence[Signatures], held_out: Sequence[Signatures]) -> npt.NDArray[np.int8]:
    """What each document is a copy of, exactly or nearly: int8 [N], -1 for those that are none.

    A held-out document counts even where it is a copy of another one itself: near copies of near copies need not be near each other.

    Args:
        documents: signatures of pieces of them, in order, made with `near`.
        held_out: H collections that none may stand among, made alike.
    Returns:
        the first of the collections that it stands among, 0 to H - 1, or H where it stands before in its own ranks and is taken there.
    """
    own = len(held_out)
    pieces = [*held_out, *documents]
    of_each = [*range(own), *[own] * len(documents)]
    group = np.repeat(np.array(of_each, np.int64), [len(piece.hashes) for piece in pieces])  # [all]
    leader = leaders(np.concatenate([np.zeros((0, 2), np.uint64), *(piece.hashes for piece in pieces)]))
    kept = np.flatnonzero(leader == np.arange(len(leader)))
    summary = np.concatenate([np.zeros((0, BINS), np.uint16), *(piece.sketches for piece in pieces)])[kept]
    earlier, later, _ = similar_pairs(summary, NEAR)
    found = np.full(len(leader), NO_COPY, np.int8)
    for first, second in _by_later(kept[earlier], kept[later], group, own):
        if group[first] < own:
            found[second] = min(group[first], found[second] if found[second] != NO_COPY else own)
        elif found[first] == NO_COPY and found[second] == NO_COPY:
            found[second] = own
    follows = leader != np.arange(len(leader))
    found[follows] = np.where(found[leader] == NO_COPY, group[leader], found[leader])[follows]
    of_documents: npt.NDArray[np.int8] = found[group == own]
    return of_documents


def _by_later(first: Int64, second: Int64, group: Int64, own: int) -> Iterator[tuple[int, int]]:
    """Pairs whose later row is a document, by that row: whether the earlier one is taken is settled before a later one asks."""
    order = np.argsort(second, kind="stable")
    order = order[group[second[order]] == own]
    return zip(first[order].tolist(), second[order].tolist(), strict=True)


def encoded(texts: Sequence[str], vocabulary: Vocabulary) -> list[npt.NDArray[np.integer]]:
    """The ids of documents as a dataset with this vocabulary holds them."""
    kind = np.uint16 if vocabulary.size <= 1 << 16 else np.int32
    return [np.array(vocabulary.encode(text), kind) for text in texts]


def joined(rows: Sequence[npt.NDArray[np.integer]], probabilities: Probabilities, origin: dict[str, Any]) -> PseudoLabelled:
    """Rows of ids behind each other."""
    offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
    return PseudoLabelled(np.concatenate([*rows, np.zeros(0, np.uint16)]), offsets, probabilities, origin)


def counts(found: PseudoLabelled, labels: Sequence[str]) -> dict[str, int]:
    """Documents of each label, by the teacher's answers."""
    return dict(zip(labels, np.bincount(found.labels, minlength=len(labels)).tolist(), strict=True))


def write(store: Store, name: str, found: PseudoLabelled) -> None:
    """Keep labelled documents; where they are kept already, nothing changes.

    Raises:
        StorageError: they cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, tokens=found.tokens, offsets=found.offsets, probabilities=found.probabilities)
    body = buffer.getvalue()
    digest = hashlib.sha256(body).hexdigest()
    store.put(f"{FOLDER}/{digest}.npz", body)
    description = {"format": FORMAT, "sha256": digest, "origin": found.origin}
    store.create_if_absent(f"{FOLDER}/{name}.json", json.dumps(description, indent=1, sort_keys=True).encode())


def find(store: Store, name: str) -> PseudoLabelled | None:
    """Labelled documents by their name; None where they are not kept.

    Raises:
        IntegrityError: they are altered.
    """
    stored = store.find(f"{FOLDER}/{name}.json")
    if stored is None:
        return None
    where = f"{store.url}/{FOLDER}"
    try:
        description = json.loads(stored[0])
        digest, origin = str(description["sha256"]), dict(description["origin"])
    except (ValueError, KeyError, TypeError):
        raise _damaged(f"{where}/{name}.json", "a description") from None
    arrays = store.find(f"{FOLDER}/{digest}.npz")
    if arrays is None or hashlib.sha256(arrays[0]).hexdigest() != digest:
        raise _damaged(f"{where}/{digest}.npz", f"sha256 {digest[:12]}")
    with np.load(io.BytesIO(arrays[0]), allow_pickle=False) as file:
        return PseudoLabelled(file["tokens"], file["offsets"], file["probabilities"], origin)


def read(store: Store, name: str) -> PseudoLabelled:
    """Labelled documents that must be there.

    Raises:
        NotFoundError: they are not.
        IntegrityError: they are altered.
    """
    found = find(store, name)
    if found is None:
        raise NotFoundError(f"no pseudo-labelled documents {name[:16]} in {store.url}. Start a new run, which makes them.")
    return found


def _damaged(where: str, expected: str) -> IntegrityError:
    return IntegrityError(f"{where}: expected {expected}. Received: other bytes, or none. Delete the folder {FOLDER}; a run makes it anew.")
