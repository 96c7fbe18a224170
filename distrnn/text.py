"""The rules that turn text into token ids, in plain Python.

This is the definition. The vectorised tokenizer in `data/` must equal it on every input (a test says so), and prediction on a
machine without pyarrow uses it as it stands.

Word tokens follow the Keras IMDB convention: 0 padding, 1 start, 2 unknown, then by falling frequency. Character tokens need no
start: 0 is padding and stands for an unknown character as well, so the 85 characters of the Nietzsche text make a vocabulary of 86. Where
documents of a corpus are told apart, 1 is the start of one and the characters begin at 2.

Source: the filter characters and the lower-casing are those of Keras' legacy Tokenizer; `<br />` is stripped because 101,871
of the words in the IMDB training reviews are nothing but that tag. Hashed tokens: Weinberger et al. 2009, Feature Hashing for Large Scale
Multitask Learning; the hash is zlib's CRC-32, which every language has.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

PADDING_ID = 0
START_ID = 1
UNKNOWN_WORD_ID = 2
FIRST_WORD_ID = 3
FIRST_CHARACTER_ID = 1

LINE_BREAK = "<br />"
FILTERED = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'
SEPARATORS = FILTERED + " \t\n\r\v\f"
_TO_SPACE = str.maketrans(dict.fromkeys(SEPARATORS, " "))
_WORD = re.compile("[^ ]+")


@dataclass(frozen=True)
class TokenizerSpec:
    """What a tokenizer does; part of the dataset's fingerprint and of every published model.

    Attributes:
        level: `word` or `char`.
        case: `fold` lowers every token, `keep` leaves it.
        html: `strip` removes `<br />` before splitting into words, `keep` is Keras' rule. Words only.
        vocabulary_size: ids in use, reserved ones included; None keeps every token.
        ngrams: 1 to so many neighbouring tokens make a token: words joined by a space, characters by nothing.
        layout: `sequence` keeps the order (for each position the grams that start there, shortest first), `bag` is the distinct ids of
            a document, ascending.
        buckets: ids that tokens are hashed to, in place of a vocabulary; None: a vocabulary.
        boundaries: each document of a corpus begins with the start id.
    """

    level: Literal["word", "char"]
    case: Literal["fold", "keep"]
    html: Literal["strip", "keep"] = "keep"
    vocabulary_size: int | None = None
    ngrams: int = 1
    layout: Literal["sequence", "bag"] = "sequence"
    buckets: int | None = None
    boundaries: bool = False

    @property
    def first_id(self) -> int:
        """The id of the most frequent token, or of the first bucket."""
        return FIRST_WORD_ID if self.level == "word" else FIRST_CHARACTER_ID + self.boundaries

    @property
    def starts_documents(self) -> bool:
        """Whether a labelled document begins with the start id; a document of a corpus does where `boundaries` says so."""
        return self.level == "word" and self.layout == "sequence"

    @property
    def unknown_id(self) -> int:
        """The id of a token that is not in the vocabulary."""
        return UNKNOWN_WORD_ID if self.level == "word" else PADDING_ID

    def to_json(self) -> dict[str, Any]:
        """Fields as a JSON object."""
        return asdict(self)


def tokenize(text: str, spec: TokenizerSpec) -> list[str]:
    """Split `text` into tokens, grams where `spec.ngrams` is above 1.

    Words: `<br />` becomes a space (`html: strip`), every separator becomes a space, the rest is split at spaces; only the
    explicit separators count, never "whitespace" as Unicode has it. Characters: one token a code point.

    Args:
        text: any text.
        spec: the rules.
    Returns:
        tokens in order; words are never empty.
    """
    units = _characters(text, spec) if spec.level == "char" else _words(text, spec)
    return units if spec.ngrams == 1 else _grams(units, spec)


def _characters(text: str, spec: TokenizerSpec) -> list[str]:
    return list(text.lower() if spec.case == "fold" else text)


def _words(text: str, spec: TokenizerSpec) -> list[str]:
    if spec.html == "strip":
        text = text.replace(LINE_BREAK, " ")
    words = [word for word in text.translate(_TO_SPACE).split(" ") if word]
    return [word.lower() for word in words] if spec.case == "fold" else words


def _grams(units: list[str], spec: TokenizerSpec) -> list[str]:
    joint = " " if spec.level == "word" else ""
    return [joint.join(units[start:stop]) for start, stop in gram_places(len(units), spec.ngrams)]


def gram_places(units: int, ngrams: int) -> list[tuple[int, int]]:
    """Which units each token is made of, in the order of `tokenize`: [start, stop) of each."""
    return [(start, start + n) for start in range(units) for n in range(1, ngrams + 1) if start + n <= units]


def word_spans(text: str, html: Literal["strip", "keep"] = "keep") -> list[tuple[int, int]]:
    """Where the words of `text` stand in it: [start, end) of each, in order; `tokenize` gives the same words, without grams."""
    if html == "strip":
        text = text.replace(LINE_BREAK, " " * len(LINE_BREAK))
    return [match.span() for match in _WORD.finditer(text.translate(_TO_SPACE))]


def character_places(text: str, case: Literal["fold", "keep"]) -> list[int]:
    """Which character of `text` each token of `tokenize` comes from, without grams: lower-casing can make two of one."""
    return [place for place, character in enumerate(text) for _ in (character.lower() if case == "fold" else character)]


def bucket(token: str, buckets: int) -> int:
    """The bucket of a token, from 0."""
    return zlib.crc32(token.encode()) % buckets


class Vocabulary:
    """Tokens by falling frequency, and the ids they have.

    Args:
        tokens: the kept tokens, most frequent first; token i has id `spec.first_id + i`. None where tokens are hashed.
        spec: the rules that made them.
    """

    def __init__(self, tokens: Sequence[str], spec: TokenizerSpec) -> None:
        self.tokens = tuple(tokens)
        self.spec = spec
        self._ids = {token: spec.first_id + rank for rank, token in enumerate(self.tokens)}

    @property
    def size(self) -> int:
        """Ids in use, reserved ones included: the input size of an embedding."""
        return self.spec.first_id + (self.spec.buckets or len(self.tokens))

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """The id of each token, in order."""
        spec = self.spec
        if spec.buckets is not None:
            return [spec.first_id + bucket(token, spec.buckets) for token in tokens]
        unknown = spec.unknown_id
        return [self._ids.get(token, unknown) for token in tokens]

    def encode(self, text: str) -> list[int]:
        """Token ids of a document: of words it begins with the start id, of characters it does not; a bag holds each id once, ascending."""
        ids = self.ids(tokenize(text, self.spec))
        if self.spec.layout == "bag":
            return sorted(set(ids))
        return [START_ID, *ids] if self.spec.starts_documents else ids

    def encode_stream(self, documents: Sequence[str]) -> list[int]:
        """Token ids of the documents of a corpus, one after the other, each begun with the start id where the corpus has boundaries."""
        if not self.spec.boundaries:
            return self.encode("".join(documents))
        return [token_id for text in documents for token_id in (START_ID, *self.ids(tokenize(text, self.spec)))]

    def token(self, token_id: int) -> str:
        """The text of an id: `<padding>`, `<start>`, `<unknown>` for reserved ones, `#7` for a bucket, U+FFFD for an unknown character."""
        rank = token_id - self.spec.first_id
        if rank >= 0:
            return f"#{rank}" if self.spec.buckets is not None else self.tokens[rank]
        if self.spec.level == "char" and token_id == PADDING_ID:
            return "\ufffd"
        return ("<padding>", "<start>", "<unknown>")[token_id]
