"""Markdown for a terminal: its marks taken away, its words left."""

import re
from html import unescape

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.*?)[ \t]*#*$")
_FENCE = re.compile(r"^[ \t]{0,3}(```|~~~)")
_CODE = re.compile(r"(?<!\\)`([^`]+)`")
_IMAGE = re.compile(r"(?<!\\)!\[([^\]]*)\]\(([^)\s]*)[^)]*\)")
_LINK = re.compile(r"(?<!\\)\[([^\]]+)\]\(([^)\s]+)[^)]*\)")
_STRONG = re.compile(r"(?<!\\)\*\*(?=\S)(.+?)(?<=\S)\*\*")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_BLANK = re.compile(r"\n{3,}")


def plain(text: str) -> str:
    """Markdown as plain text.

    Args:
        text: Markdown, with a front matter or without.
    Returns:
        the front matter's lines as they are, headings as lines of their own, links as `words (address)`; code is left alone.
    """
    front, body = "", text.replace("\r\n", "\n")
    if match := _FRONT_MATTER.match(body):
        front, body = match[1], body[match.end() :]
    lines, fenced = [], False
    for line in body.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        else:
            lines.append(line if fenced else _words(line))
    return _BLANK.sub("\n\n", "\n".join([*front.splitlines(), "", *lines])).strip()


def _words(line: str) -> str:
    if heading := _HEADING.match(line):
        return f"\n{_words(heading[1])}"
    # Every other part was between backticks, where nothing but the ticks is a mark
    parts = _CODE.split(line)
    return "".join(part if position % 2 else _unmarked(part) for position, part in enumerate(parts))


def _unmarked(text: str) -> str:
    for pattern, words in ((_IMAGE, r"\1 (\2)"), (_LINK, r"\1 (\2)"), (_STRONG, r"\1")):
        text = pattern.sub(words, text)
    return unescape(_ESCAPED.sub(r"\1", text))
