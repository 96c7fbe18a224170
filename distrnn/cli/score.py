"""`distrnn score`: how well a language model foresees texts, and what in them surprises it: a strange line in a log, a slip in a text."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.options import Debug, Json, Reference, RegistryUrl
from distrnn.cli.output import Fields, Output, Table
from distrnn.cli.predict import load_writer
from distrnn.cli.text_files import STDIN, lines_of
from distrnn.errors import DataError, UsageError

if TYPE_CHECKING:
    from distrnn.runtime.scoring import Score

CARRIED = "carried through"


def score(
    reference: Reference,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Texts to judge, each from its start; - is stdin.")],
    top: Annotated[int, typer.Option("--top", metavar="N", help="Passages to show, those that surprise the model most.")] = 10,
    window: Annotated[
        int | None,
        typer.Option("--window", metavar="N", help="Judge a second time with the state forgotten after every N tokens, to compare."),
    ] = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say how well a language model foresees texts, and show the passages that surprise it most."""
    out = Output(json=json)
    if len(set(files)) < len(files):
        raise UsageError(f"each FILE can be judged once. Received: {' '.join(files)}")
    model = load_writer(reference, registry, out, "score")
    judged: dict[str, tuple[Score, Score | None]] = {}
    for name in files:
        lines: Iterable[str] = lines_of(name)
        if window is not None and name == STDIN:
            lines = list(lines)
        try:
            carried = model.score(lines, top=top)
        except DataError as error:
            raise error if "file" in error.fields else DataError(f"{name}: {error}", file=name) from None
        again = lines if isinstance(lines, list) else lines_of(name)
        judged[name] = carried, None if window is None else model.score(again, window=window, top=0)
    level = model.preprocessing.vocabulary.spec.level
    document = _document({name: carried for name, (carried, _) in judged.items()}, level, top)
    if window is not None:
        forgetful = _together([found for _, found in judged.values() if found is not None])
        document["forgetful"] = {"window": window, **_figures(forgetful, level)}
    out.result(document, *_blocks(document, level))


def _document(judged: dict[str, "Score"], level: str, top: int) -> dict[str, Any]:
    """What `score --json` prints."""
    ranked = sorted(((passage, name) for name, one in judged.items() for passage in one.passages), key=lambda pair: -pair[0].loss_nats)
    return {
        **_figures(_together(list(judged.values())), level),
        "passages": [
            {"file": name, "line": one.line, "loss_nats": one.loss_nats, "tokens": one.tokens, "text": one.text}
            for one, name in ranked[:top]
        ],
        "files": [{"file": name, **_figures(one, level)} for name, one in judged.items()],
    }


def _together(scores: list["Score"]) -> "Score":
    from distrnn.runtime.scoring import Score

    return Score(
        tokens=sum(one.tokens for one in scores),
        unknown=sum(one.unknown for one in scores),
        characters=sum(one.characters for one in scores),
        total_nats=sum(one.total_nats for one in scores),
    )


def _figures(found: "Score", level: str) -> dict[str, Any]:
    figures = {"loss_nats": found.loss_nats, "perplexity": found.perplexity, "bits_per_character": found.bits_per_character}
    if level == "word":
        figures["bits_per_word"] = found.bits_per_token
    return {**figures, "tokens": found.tokens, "unknown": found.unknown}


def _bits(level: str) -> list[str]:
    return ["bits_per_character"] if level == "char" else ["bits_per_character", "bits_per_word"]


def _blocks(document: dict[str, Any], level: str) -> list[Fields | Table]:
    """The same as a person reads it."""
    unit = "characters" if level == "char" else "words"
    judged = {"loss (nats)": "loss_nats", "perplexity": "perplexity", **{key.replace("_", " "): key for key in _bits(level)}}
    named = {**judged, unit: "tokens", "unknown": "unknown"}
    blocks: list[Fields | Table] = [Fields({name: document[key] for name, key in named.items()})]
    if "forgetful" in document:
        told = [(CARRIED, document), (f"forgotten after every {document['forgetful']['window']}", document["forgetful"])]
        blocks.append(Table(["state", *judged], [[name, *(one[key] for key in judged.values())] for name, one in told]))
    several = len(document["files"]) > 1
    if several:
        blocks.append(Table(["file", *named], [[one["file"], *(one[key] for key in named.values())] for one in document["files"]]))
    if document["passages"]:
        where = ["file", "line"] if several else ["line"]
        rows = [[*(str(one[key]) for key in where), one["loss_nats"], one["text"].strip("\n")] for one in document["passages"]]
        blocks.append(Table([*where, "loss (nats)", "text"], rows, title="Most surprising passages"))
    return blocks
