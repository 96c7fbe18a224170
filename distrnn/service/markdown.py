"""A model card as HTML: Markdown without HTML of its own, without images, and with links that run nothing and tell nobody.

A card is a stranger's text. What looks like HTML in it is shown as it is typed, an image is a link (the page asks nobody for anything),
a link leads to http, https or mailto, and headings take their place below those of the page.
"""

import re
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup, escape

LONGEST = 100_000
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n.*?^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_SAFE = re.compile(r"(?:https?://|mailto:)[^\s]+", re.IGNORECASE)
_BELOW = 2


@lru_cache(maxsize=64)
def card_html(text: str) -> Markup:
    """A card as HTML that can stand in a page; one that is very long is shown as it is typed."""
    body = _FRONT_MATTER.sub("", text, count=1)
    if len(body) > LONGEST:
        return Markup("<pre>") + escape(body) + Markup("</pre>")
    return Markup(_renderer().render(body))  # noqa: S704 (HTML is off, so everything foreign is escaped by the renderer)


@lru_cache(maxsize=1)
def _renderer() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False}).enable("table").disable("image")
    made.validateLink = lambda url: _SAFE.fullmatch(url) is not None  # type: ignore[method-assign]
    made.add_render_rule("heading_open", _heading)
    made.add_render_rule("heading_close", _heading)
    made.add_render_rule("link_open", _link)
    made.add_render_rule("th_open", _cell)
    made.add_render_rule("td_open", _cell)
    made.add_render_rule("table_open", _table)
    made.add_render_rule("table_close", _table)
    return made


def _heading(self: Any, tokens: Any, position: int, options: Any, env: Any) -> str:
    token = tokens[position]
    token.tag = f"h{min(6, int(token.tag[1:]) + _BELOW)}"
    return str(self.renderToken(tokens, position, options, env))


def _link(self: Any, tokens: Any, position: int, options: Any, env: Any) -> str:
    tokens[position].attrSet("rel", "nofollow noopener noreferrer")
    return str(self.renderToken(tokens, position, options, env))


def _cell(self: Any, tokens: Any, position: int, options: Any, env: Any) -> str:
    """A column's alignment is a class: the pages' policy lets no element have a style of its own."""
    style = str(tokens[position].attrs.pop("style", ""))
    if style.endswith("right"):
        tokens[position].attrSet("class", "n")
    return str(self.renderToken(tokens, position, options, env))


def _table(self: Any, tokens: Any, position: int, options: Any, env: Any) -> str:
    """A wide table scrolls by itself."""
    opening = tokens[position].nesting > 0
    return '<div class="scroll" tabindex="0"><table>\n' if opening else "</table></div>\n"
