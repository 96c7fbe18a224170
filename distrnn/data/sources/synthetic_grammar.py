"""Draws sentences of the synthetic reviews: which frame, what is in its slots, and to which split the sentence belongs."""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from distrnn.data.sources import synthetic_frames as frames
from distrnn.data.sources import synthetic_words as words
from distrnn.data.sources.synthetic_words import Lexicon
from distrnn.text import TokenizerSpec, tokenize

TRAIN_SHARE = (2, 3)
NEGATED_SHARE = 0.2
ADJECTIVES, NOUNS, VERBS = range(3)
_T = TypeVar("_T")

_SPEC = TokenizerSpec(level="word", case="fold")
_SENTIMENT = {
    kind: (Lexicon(negative, 5.0), Lexicon(positive, 5.0))
    for kind, negative, positive in (
        (ADJECTIVES, words.NEGATIVE_ADJECTIVES, words.POSITIVE_ADJECTIVES),
        (NOUNS, words.NEGATIVE_NOUNS, words.POSITIVE_NOUNS),
        (VERBS, words.NEGATIVE_VERBS, words.POSITIVE_VERBS),
    )
}
_FIRST_NAMES = Lexicon(words.FIRST_NAMES, 3.0)
_SURNAMES = Lexicon(words.SURNAMES, 120.0)
_LEXICONS = {
    "whole": Lexicon(words.WHOLES, 1.0),
    "aspect": Lexicon(words.ASPECTS, 3.0),
    "genre": Lexicon(words.GENRES, 1.0),
    "relation": Lexicon(words.RELATIONS, 3.0),
    "elsewhere": Lexicon(words.ELSEWHERE, 3.0),
    "job": Lexicon(words.JOBS, 5.0),
    "object": Lexicon(words.OBJECTS, 5.0),
    "task": Lexicon(words.TASKS, 3.0),
    "time": Lexicon(words.TIMES, 3.0),
    "number": Lexicon(words.NUMBERS, 5.0),
    "weekday": Lexicon(words.WEEKDAYS, 5.0),
    "place": Lexicon(words.PLACES, 60.0),
    "surname": _SURNAMES,
}


@dataclass(frozen=True)
class Frame:
    """A sentence with slots.

    Attributes:
        literals: the text before each slot, and after the last.
        slots: their names, in order.
        kind: what `w` and `l` are: ADJECTIVES, NOUNS or VERBS.
        is_predicate: `w` and `l` may be whole predicates, "not dull at all".
    """

    literals: tuple[str, ...]
    slots: tuple[str, ...]
    kind: int = ADJECTIVES
    is_predicate: bool = False


def compile_frames(texts: Sequence[str], kind: int = ADJECTIVES, *, is_predicate: bool = False) -> list[Frame]:
    """Frames from texts such as "It is {a w} {genre}."."""
    parts = [re.split(r"{(.*?)}", text) for text in texts]
    return [Frame(tuple(part[::2]), tuple(part[1::2]), kind, is_predicate) for part in parts]


CONTRASTS = (
    *compile_frames(frames.CONTRASTS_OF_PREDICATES, is_predicate=True),
    *compile_frames(frames.CONTRASTS_OF_ADJECTIVES),
    *compile_frames(frames.CONTRASTS_OF_NOUNS, NOUNS),
    *compile_frames(frames.CONTRASTS_OF_VERBS, VERBS),
)
PLAIN = (
    *compile_frames(frames.PLAIN_PREDICATES, is_predicate=True),
    *compile_frames(frames.PLAIN_MISTAKES),
    *compile_frames(frames.PLAIN_ADJECTIVES),
    *compile_frames(frames.PLAIN_NOUNS, NOUNS),
    *compile_frames(frames.PLAIN_VERBS, VERBS),
)
DISTRACTORS = tuple(compile_frames(frames.DISTRACTORS))
NEUTRAL = tuple(compile_frames(frames.NEUTRAL))


def opinions(kind: int, is_predicate: bool, random: Random) -> tuple[str, str]:
    """A negative and a positive opinion, drawn without regard to which of them will win."""
    negative, positive = (lexicon.pick(random.random()) for lexicon in _SENTIMENT[kind])
    if not is_predicate:
        return negative, positive
    return _predicate(negative, positive, random), _predicate(positive, negative, random)


def _predicate(right: str, wrong: str, random: Random) -> str:
    choices, word, marker = (frames.NEGATIONS, wrong, "{y}") if random.random() < NEGATED_SHARE else (frames.ASSERTIONS, right, "{x}")
    return pick(choices, random).replace(marker, word)


def render(frame: Frame, label: int, pair: tuple[str, str], random: Random) -> str:
    """The sentence of `frame` in which the opinion `pair[label]` wins and the other one loses."""
    pieces = [frame.literals[0]]
    for slot, literal in zip(frame.slots, frame.literals[1:], strict=True):
        pieces.append(_fill(slot, label, pair, random))
        pieces.append(literal)
    text = "".join(pieces)
    return text[0].upper() + text[1:]


def _fill(slot: str, label: int, pair: tuple[str, str], random: Random) -> str:
    slot = slot.lower()
    if slot.startswith("a "):
        value = _fill(slot[2:], label, pair, random)
        return ("an " if value[0] in "aeiouAEIOU" else "a ") + value
    if slot == "w":
        return pair[label]
    if slot == "l":
        return pair[1 - label]
    if slot == "person":
        return f"{_FIRST_NAMES.pick(random.random())} {_SURNAMES.pick(random.random())}"
    return _LEXICONS[slot].pick(random.random())


def sentence(choices: Sequence[Frame], label: int, random: Random) -> str:
    """A sentence of one of these frames."""
    frame = pick(choices, random)
    return render(frame, label, opinions(frame.kind, frame.is_predicate, random), random)


def pick(choices: Sequence[_T], random: Random) -> _T:
    """One of the choices, all equally likely; only `random()` is used because its values never change between Pythons."""
    return choices[int(random.random() * len(choices))]


def split_of(text: str) -> str:
    """The split a sentence belongs to, by a hash of its words: what occurs in one split cannot occur in the other."""
    fold = " ".join(tokenize(text, _SPEC)).encode()
    kept, of = TRAIN_SHARE
    return "train" if zlib.crc32(fold) % of < kept else "test"


def within(split: str, draw: Callable[[], str]) -> str:
    """The first sentence drawn that belongs to `split`."""
    while split_of(text := draw()) != split:
        pass
    return text
