"""Whether a text closes what it opens: quotes, round and square brackets."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

WITHIN = 300
# A quote is the same sign at both ends: one opens before a word, and closes behind one
KINDS = (
    (re.compile(r'(?<![^\s(\[-])"(?=\S)'), re.compile(r'(?<=[^\s(\[-])"')),
    (re.compile(r"\("), re.compile(r"\)")),
    (re.compile(r"\["), re.compile(r"\]")),
)


class Opened(NamedTuple):
    """A sign that opens something: where it stands, and how many characters later the same kind is closed, if it is within reach."""

    at: int
    closed_after: int | None


def opened(text: str, within: int = WITHIN) -> Iterator[Opened]:
    """Every sign that opens something, kind by kind; what is opened so near the end that nobody can know is left out.

    Args:
        text: as it was written.
        within: the reach, in characters.
    """
    for opening, closing in KINDS:
        for at in (found.start() for found in opening.finditer(text)):
            end = closing.search(text, at + 1, at + 1 + within)
            if end or at + within < len(text):
                yield Opened(at, end.start() - at if end else None)


def closed_share(texts: Sequence[str], within: int = WITHIN) -> tuple[float | None, int]:
    """The share of what is opened that is closed within reach (None where nothing is), and how much is opened."""
    found = [sign for text in texts for sign in opened(text, within)]
    return (sum(sign.closed_after is not None for sign in found) / len(found) if found else None), len(found)
