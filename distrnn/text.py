"""The rules that turn text into token ids, in plain Python.

This is the definition. The vectorised tokenizer in `data/` must equal it on every input (a test says so), and prediction on a
machine without pyarrow uses it as it stands.

Word tokens follow the Keras IMDB convention: 0 padding, 1 start, 2 unknown, then by falling frequency. Character tokens need no
start: 0 is padding and stands for an unknown character as well, so the 85 characters of the Nietzsche text make a vocabulary of 86.

Source: the filter characters and the lower-casing are those of Keras' legacy Tokenizer; `<br />` is stripped because 101,871
of the words in the IMDB training reviews are nothing but that tag.
"""

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


@dataclass(frozen=True)
class TokenizerSpec:
    """What a tokenizer does; part of the dataset's fingerprint and of every published model.

    Attributes:
        level: `word` or `char`.
        case: `fold` lowers every token, `keep` leaves it.
        html: `strip` removes `<br />` before splitting into words, `keep` is Keras' rule. Words only.
        vocabulary_size: ids in use, reserved ones included; None keeps every token.
    """

    level: Literal["word", "char"]
    case: Literal["fold", "keep"]
    html: Literal["strip", "keep"] = "keep"
    vocabulary_size: int | None = None

    @property
    def first_id(self) -> int:
        """The id of the most frequent token."""
        return FIRST_WORD_ID if self.level == "word" else FIRST_CHARACTER_ID

    @property
    def unknown_id(self) -> int:
        """The id of a token that is not in the vocabulary."""
        return UNKNOWN_WORD_ID if self.level == "word" else PADDING_ID

    def to_json(self) -> dict[str, Any]:
        """Fields as a JSON object."""
        return asdict(self)


def tokenize(text: str, spec: TokenizerSpec) -> list[str]:
    """Split `text` into tokens.

    Words: `<br />` becomes a space (`html: strip`), every separator becomes a space, the rest is split at spaces; only the
    explicit separators count, never "whitespace" as Unicode has it. Characters: one token a code point.

    Args:
        text: any text.
        spec: the rules.
    Returns:
        tokens in order; words are never empty.
    """
    if spec.level == "char":
        return list(text.lower() if spec.case == "fold" else text)
    if spec.html == "strip":
        text = text.replace(LINE_BREAK, " ")
    words = [word for word in text.translate(_TO_SPACE).split(" ") if word]
    return [word.lower() for word in words] if spec.case == "fold" else words


class Vocabulary:
    """Tokens by falling frequency, and the ids they have.

    Args:
        tokens: the kept tokens, most frequent first; token i has id `spec.first_id + i`.
        spec: the rules that made them.
    """

    def __init__(self, tokens: Sequence[str], spec: TokenizerSpec) -> None:
        self.tokens = tuple(tokens)
        self.spec = spec
        self._ids = {token: spec.first_id + rank for rank, token in enumerate(self.tokens)}

    @property
    def size(self) -> int:
        """Ids in use, reserved ones included: the input size of an embedding."""
        return self.spec.first_id + len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; a document of words begins with the start id, a stream of characters does not."""
        unknown = self.spec.unknown_id
        ids = [self._ids.get(token, unknown) for token in tokenize(text, self.spec)]
        return [START_ID, *ids] if self.spec.level == "word" else ids

    def token(self, token_id: int) -> str:
        """The text of an id; reserved ids give '<padding>', '<start>', '<unknown>', for characters the replacement character."""
        rank = token_id - self.spec.first_id
        if rank >= 0:
            return self.tokens[rank]
        return ("<padding>", "<start>", "<unknown>")[token_id] if self.spec.level == "word" else "\ufffd"
