"""How text becomes the ids that a published model was trained on: `preprocessing.json`, at the top of every published folder.

    {"format": 1, "task": "classifier" | "language-model" | "embedding", "tokenizer": {…}, "vocabulary": [tokens by falling frequency],
     "labels": [names], "sequence_length": tokens or null, "padding": "pre" | "post", "truncating": "pre" | "post",
     "sample_prompt": text or null}

A classifier of two labels whose run has chosen a threshold has the key `threshold` too, so that what was published without one can be read
by an older distrnn.

It is part of the version, so a model and the rules it needs cannot drift apart.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from distrnn.runtime.form import FORMAT, damaged, read_json
from distrnn.text import PADDING_ID, TokenizerSpec, Vocabulary

FILE = "preprocessing.json"
LIMIT_BYTES = 256 << 20
MAX_SEQUENCE_LENGTH = 1 << 20

Task = Literal["classifier", "language-model", "embedding"]
Side = Literal["pre", "post"]

KEYS: Mapping[str, tuple[type, ...]] = {
    "format": (int,),
    "task": (str,),
    "tokenizer": (dict,),
    "vocabulary": (list,),
    "labels": (list,),
    "sequence_length": (int, type(None)),
    "padding": (str,),
    "truncating": (str,),
    "sample_prompt": (str, type(None)),
}
THRESHOLD_KEY = "threshold"
CHOICES = {"task": ("classifier", "language-model", "embedding"), "padding": ("pre", "post"), "truncating": ("pre", "post")}
TOKENIZER_CHOICES = {"level": ("word", "char"), "case": ("fold", "keep"), "html": ("strip", "keep"), "layout": ("sequence", "bag")}
TOKENIZER_KEYS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(TOKENIZER_CHOICES, (str,)),
    "vocabulary_size": (int, type(None)),
    "ngrams": (int,),
    "buckets": (int, type(None)),
    "boundaries": (bool,),
}
# What the tokenizer of a model was that was published before these keys existed.
TOKENIZER_DEFAULTS: Mapping[str, Any] = {"layout": "sequence", "ngrams": 1, "buckets": None, "boundaries": False}
MAX_NGRAMS = 64
MAX_BUCKETS = 1 << 30


@dataclass(frozen=True)
class Preprocessing:
    """The rules of one model.

    Attributes:
        task: what the model does.
        vocabulary: tokens and their ids; knows the tokenizer.
        labels: of a classifier, in the order of its outputs; the last of two is the positive class.
        sequence_length: tokens of a document that the model sees; None for any number.
        padding: where a short document is filled with zeros.
        truncating: which end of a long document is cut.
        sample_prompt: of a language model, a piece of text to go on from.
        threshold: above which the last of two labels is the answer, where validation data has chosen one; None for one half.
    """

    task: Task
    vocabulary: Vocabulary
    labels: tuple[str, ...] = ()
    sequence_length: int | None = None
    padding: Side = "pre"
    truncating: Side = "pre"
    sample_prompt: str | None = None
    threshold: float | None = None

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """Token ids, filled and cut to one length.

        Shapes: N texts, L `sequence_length`, or the length of the longest text where that is None.

        Returns:
            int32 [N, L], equal to what keras.utils.pad_sequences gives.
        """
        length = self.sequence_length
        if length is None:
            length = max((len(self.vocabulary.encode(text)) for text in texts), default=0)
        tokens = np.full((len(texts), length), PADDING_ID, np.int32)
        for target, text in zip(tokens, texts, strict=True):
            # One text at a time: the ids of a whole evaluation set as Python numbers would take more memory than its text.
            row = self.vocabulary.encode(text)
            kept = row[self.seen(len(row))]
            start = self.first_column(len(kept), length)
            target[start : start + len(kept)] = kept
        return tokens

    def seen(self, count: int) -> slice:
        """Which of a document's `count` ids the model sees."""
        length = count if self.sequence_length is None else min(count, self.sequence_length)
        return slice(0, length) if self.truncating == "post" else slice(count - length, count)

    def first_column(self, count: int, length: int) -> int:
        """The column of a row of `length` in which `count` ids begin."""
        return 0 if self.padding == "post" else length - count

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "format": FORMAT,
            "task": self.task,
            "tokenizer": self.vocabulary.spec.to_json(),
            "vocabulary": list(self.vocabulary.tokens),
            "labels": list(self.labels),
            "sequence_length": self.sequence_length,
            "padding": self.padding,
            "truncating": self.truncating,
            "sample_prompt": self.sample_prompt,
            **({} if self.threshold is None else {THRESHOLD_KEY: self.threshold}),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Preprocessing":
        """Check a document and build the rules.

        Raises:
            IntegrityError: a key is missing, unknown, of the wrong type or of a value that makes no sense.
        """
        if isinstance(document.get("tokenizer"), dict):
            document = {**document, "tokenizer": {**TOKENIZER_DEFAULTS, **document["tokenizer"]}}
        _check(document)
        spec = TokenizerSpec(**document["tokenizer"])
        return cls(
            task=document["task"],
            vocabulary=Vocabulary(document["vocabulary"], spec),
            labels=tuple(document["labels"]),
            sequence_length=document["sequence_length"],
            padding=document["padding"],
            truncating=document["truncating"],
            sample_prompt=document["sample_prompt"],
            threshold=document.get(THRESHOLD_KEY),
        )

    def write(self, folder: str | Path) -> None:
        """Write `preprocessing.json` into a folder that exists."""
        body = json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False)
        Path(folder, FILE).write_text(body, encoding="utf-8")

    @classmethod
    def read(cls, folder: str | Path) -> "Preprocessing":
        """Read `preprocessing.json`.

        Raises:
            NotFoundError: there is no such file.
            IntegrityError: it is not what it must be.
        """
        return cls.from_json(read_json(Path(folder, FILE), LIMIT_BYTES))


def _check(document: dict[str, Any]) -> None:
    _check_keys("", document, {**KEYS, THRESHOLD_KEY: (float,)} if THRESHOLD_KEY in document else KEYS, CHOICES)
    _check_tokenizer(document["tokenizer"], document["vocabulary"])
    for key in ("vocabulary", "labels"):
        values = document[key]
        if not all(type(value) is str for value in values) or len(set(values)) != len(values):
            raise damaged(FILE, f"{key!r}, texts that are all different", "others")
    length = document["sequence_length"]
    if length is not None and not 1 <= length <= MAX_SEQUENCE_LENGTH:
        raise damaged(FILE, f"'sequence_length' from 1 to {MAX_SEQUENCE_LENGTH}, or null", length)
    if document["task"] == "classifier" and (length is None or len(document["labels"]) < 2):
        raise damaged(FILE, "a classifier with a 'sequence_length' and two 'labels' at least", f"{length} and {len(document['labels'])}")
    _check_threshold(document)


def _check_threshold(document: dict[str, Any]) -> None:
    threshold = document.get(THRESHOLD_KEY)
    if threshold is None:
        return
    if document["task"] != "classifier" or len(document["labels"]) != 2:
        raise damaged(FILE, f"no {THRESHOLD_KEY!r} but for a classifier of two labels", threshold)
    if not 0.0 <= threshold <= 1.0:
        raise damaged(FILE, f"{THRESHOLD_KEY!r} from 0 to 1", threshold)


def _check_tokenizer(tokenizer: dict[str, Any], vocabulary: list[str]) -> None:
    _check_keys("tokenizer.", tokenizer, TOKENIZER_KEYS, TOKENIZER_CHOICES)
    ngrams, buckets = tokenizer["ngrams"], tokenizer["buckets"]
    if not 1 <= ngrams <= MAX_NGRAMS:
        raise damaged(FILE, f"'tokenizer.ngrams' from 1 to {MAX_NGRAMS}", ngrams)
    if buckets is not None and not 1 <= buckets <= MAX_BUCKETS:
        raise damaged(FILE, f"'tokenizer.buckets' from 1 to {MAX_BUCKETS}, or null", buckets)
    if buckets is None and not vocabulary:
        raise damaged(FILE, "'vocabulary', one token at least", "none")
    if buckets is not None and vocabulary:
        raise damaged(FILE, "no 'vocabulary' beside 'tokenizer.buckets'", f"{len(vocabulary)} tokens")


def _check_keys(
    prefix: str, document: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]], choices: Mapping[str, tuple[str, ...]]
) -> None:
    if set(document) != set(kinds):
        raise damaged(FILE, f"the keys {', '.join(prefix + key for key in kinds)}", ", ".join(prefix + key for key in document))
    for key, allowed in kinds.items():
        if type(document[key]) not in allowed:
            names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
            raise damaged(FILE, f"'{prefix}{key}' of type {names}", type(document[key]).__name__)
        if key in choices and document[key] not in choices[key]:
            raise damaged(FILE, f"'{prefix}{key}' out of {', '.join(choices[key])}", repr(document[key]))
