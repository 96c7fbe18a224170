"""Explanations as one HTML page that needs nothing else: no network, no script, light or dark as the reader's screen is.

The texts are strangers', so every piece is escaped and the page forbids scripts and requests by its own policy.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from distrnn.cli.explain import NO_WORD, Piece, pieces, signed, weightiest
from distrnn.evaluation.wording import clean

if TYPE_CHECKING:
    from distrnn.explanation import Explanation

STYLE = """
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --ink: #1b1f24; --muted: #5b6570; --line: #d9dee4;
  --for: 37 99 184; --against: 194 87 12; }
@media (prefers-color-scheme: dark) {
  :root { --page: #12151a; --card: #1b2027; --ink: #e7eaee; --muted: #9aa5b1; --line: #333c47; --for: 90 150 235; --against: 225 120 45; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 52rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.2rem; margin: 1rem 0; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 0 0 .6rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; line-height: 1.9; }
.text mark { color: inherit; border-radius: .2rem; padding: .1rem .1rem; background: rgb(var(--hue) / calc(.08 + .52 * var(--share))); }
.for { --hue: var(--for); } .against { --hue: var(--against); }
.unread { color: var(--muted); opacity: .75; } .unknown { text-decoration: underline dotted; }
small, .note { color: var(--muted); }
table { border-collapse: collapse; margin-top: .8rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem 1.4rem .2rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
td + td, th + th { text-align: right; padding-right: 0; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, explanations: "Sequence[Explanation]") -> str:
    """Write the page.

    Args:
        title: which model answered.
        explanations: one for each text.
    Returns:
        HTML, which UTF-8 can encode.
    """
    sections = "".join(part for explanation in explanations for part in _section(explanation))
    return clean(
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n'
        f'<body>\n<main>\n<h1>{escape(title)}</h1>\n<p class="note">Blue words speak for the answer, orange ones against it: a word\'s '
        "contribution is what the probability loses when the model does not know the word. Dotted words are not in its vocabulary, pale "
        f"ones are cut off before it reads.</p>\n{sections}</main>\n</body>\n</html>\n"
    )


def _section(explanation: "Explanation") -> Iterator[str]:
    yield f"<section>\n<h2>{escape(explanation.label)} <small>probability {explanation.probability:.4f}</small></h2>\n"
    yield f'<p class="text" dir="auto">{"".join(map(_marked, pieces(explanation)))}</p>\n'
    if words := weightiest(explanation):
        yield "<table>\n<thead><tr><th>Word</th><th>Contribution</th></tr></thead>\n<tbody>\n"
        for word in words:
            yield f"<tr><td>{escape(word.text)}</td><td>{signed(word.contribution or 0.0)}</td></tr>\n"
        yield "</tbody>\n</table>\n"
    elif explanation.words:
        yield f'<p class="note">{NO_WORD}</p>\n'
    yield "</section>\n"


def _marked(piece: Piece) -> str:
    text = escape(piece.text)
    if piece.state in ("unread", "unknown"):
        told = {"unread": "cut off", "unknown": "not in the vocabulary"}[piece.state]
        return f'<span class="{piece.state}" title="{told}">{text}</span>'
    if not piece.shade:
        return text
    side = "for" if piece.weight > 0 else "against"
    return f'<mark class="{side}" style="--share: {abs(piece.weight):.3f}" title="{signed(piece.contribution)}">{text}</mark>'
