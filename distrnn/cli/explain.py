"""How an explanation looks on a terminal: the text itself, its words coloured by what they contribute; without colours, with the numbers.

Blue speaks for the answer and orange against it, which people who see no red or green tell apart too; the shade is the share of the
largest contribution of the text.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from distrnn.cli.output import Block, Table, printable, write

if TYPE_CHECKING:
    from distrnn.explanation import Explanation, Word

SHOWN_WORDS = 8
WEAKEST_SHADE = 0.05
SHADES = 4
FOR = ("black on #dbe7f8", "black on #a9c8f0", "black on #6ea8f5", "white on #2563b8")
AGAINST = ("black on #fbe3d0", "black on #f7c59a", "black on #f0964b", "white on #c2570c")
NO_WORD = "No word alone changes the probability."
FAINT, UNKNOWN = "dim", "underline"


class Piece(NamedTuple):
    """A part of the text; `state` is a word's, or empty between words, `weight` is from -1 to 1."""

    text: str
    state: str
    contribution: float
    weight: float

    @property
    def shade(self) -> int:
        """0 for next to nothing, `SHADES` for the largest contribution."""
        return 0 if abs(self.weight) < WEAKEST_SHADE else min(SHADES, 1 + int(abs(self.weight) * SHADES))


def pieces(explanation: "Explanation") -> list[Piece]:
    """The whole text in parts; neighbouring words that the model does not see are one."""
    text, scale = explanation.text, largest(explanation)
    found: list[Piece] = []
    done = 0
    for word in explanation.words:
        between, before = text[done : word.start], found[-1] if found else None
        if word.state == "unread" and before is not None and before.state == "unread":
            found[-1] = before._replace(text=before.text + between + word.text)
        else:
            if between:
                found.append(Piece(between, "", 0.0, 0.0))
            contribution = word.contribution or 0.0
            found.append(Piece(word.text, word.state, contribution, contribution / scale if scale else 0.0))
        done = word.end
    return [*found, Piece(text[done:], "", 0.0, 0.0)] if done < len(text) else found


def largest(explanation: "Explanation") -> float:
    """The largest contribution of a text, without its sign; 0 where no word has one."""
    return max((abs(word.contribution or 0.0) for word in explanation.words), default=0.0)


def weightiest(explanation: "Explanation", count: int = SHOWN_WORDS) -> "list[Word]":
    """The words that contribute most, for or against, the largest first."""
    contributing = [word for word in explanation.words if word.contribution]
    return sorted(contributing, key=lambda word: -abs(word.contribution or 0.0))[:count]


@dataclass(frozen=True)
class ShadedText:
    """A block of a result: the text with its words marked."""

    explanation: "Explanation"

    def show(self, stream: TextIO) -> None:
        """Colour the words where the terminal has colours and nobody has asked for none (NO_COLOR), else put numbers behind them."""
        if not stream.isatty() or not _show_coloured(pieces(self.explanation), stream):
            write(stream, f"{printable(plain(self.explanation))}\n")


def plain(explanation: "Explanation") -> str:
    """The text with what its words contribute behind them, those of next to nothing excepted: `dreadful(+0.98)`."""
    shown = []
    for piece in pieces(explanation):
        if piece.state == "unread":
            shown.append(f"[not read: {piece.text}]")
        elif piece.state == "unknown":
            shown.append(f"{piece.text}(?)")
        else:
            shown.append(f"{piece.text}({signed(piece.contribution, 2)})" if piece.shade else piece.text)
    return "".join(shown)


def signed(contribution: float, digits: int = 4) -> str:
    """A contribution with its sign, small ones by their order of magnitude."""
    return f"{contribution:+.{digits}f}" if abs(contribution) >= 0.5 * 10.0**-digits else f"{contribution:+.0e}"


def _show_coloured(parts: list[Piece], stream: TextIO) -> bool:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream)
    if console.no_color or console.color_system is None:
        return False
    styles = {"unread": FAINT, "unknown": UNKNOWN}
    text = Text()
    for part in parts:
        style = styles.get(part.state, "")
        text.append(printable(part.text), (FOR if part.weight > 0 else AGAINST)[part.shade - 1] if part.shade else style)
    console.print(text, highlight=False)
    return True


def blocks(explanation: "Explanation") -> Iterator[Block]:
    """A text as a person reads it: the answer, the words in their place, and those that weigh most."""
    yield f"{explanation.label}  {explanation.probability:.4f}"
    yield ShadedText(explanation)
    if words := weightiest(explanation):
        title = f"what the probability of {explanation.label} owes to a word"
        yield Table(["word", "contribution"], [[word.text, signed(word.contribution or 0.0)] for word in words], title=title)
    elif explanation.words:
        yield NO_WORD
    counted = {"cut off": "unread", "not in the vocabulary": "unknown"}
    told = [(words, sum(word.state == state for word in explanation.words)) for words, state in counted.items()]
    notes = [f"{count:,} {'is' if count == 1 else 'are'} {words}" for words, count in told if count]
    if notes:
        yield f"Of {len(explanation.words):,} words {' and '.join(notes)}."


def document(explanation: "Explanation") -> dict[str, Any]:
    """The words of a text as JSON."""
    return {"words": [asdict(word) for word in explanation.words]}
