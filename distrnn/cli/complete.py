"""`distrnn complete`: what a language model thinks comes next."""

from typing import Annotated, Any

import typer

from distrnn.cli.options import Debug, Json, Reference, RegistryUrl
from distrnn.cli.output import Output, Table
from distrnn.cli.predict import load_writer

BEGINNING = "(beginning)"


def complete(
    reference: Reference,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is written already; '' for nothing.", show_default=False)],
    top: Annotated[int, typer.Option("--top", metavar="N", help="Likely next characters, or words for a model of words, to list.")] = 10,
    each: Annotated[
        bool, typer.Option("--each", help="Show the guess after every character of TEXT too, or after every word.", show_default=False)
    ] = False,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List what may come next after a text, with probabilities."""
    out = Output(json=json)
    model = load_writer(reference, registry, out, "complete")
    found = model.complete(text, top=top)
    document: dict[str, Any] = {"text": text, "candidates": [{"token": one.token, "probability": one.probability} for one in found]}
    # Quotes show a space, and a line break is written as \n
    blocks = [Table(["next", "probability"], [[repr(one.token), one.probability] for one in found])]
    if each:
        read = model.guesses(text)
        document["each"] = [{"token": token, "guess": guess.token, "probability": guess.probability} for token, guess in read]
        rows = [[BEGINNING if token is None else repr(token), repr(guess.token), guess.probability] for token, guess in read]
        blocks.insert(0, Table(["after", "guess", "probability"], rows))
    out.result(document, *blocks)
