"""`distrnn neighbors` and `analogy`: the words around a word, in a published model or a file of vectors, with NumPy alone."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.options import Debug, Json, RegistryUrl
from distrnn.cli.output import Output, Table
from distrnn.cli.predict import load
from distrnn.errors import UsageError

if TYPE_CHECKING:
    from distrnn.embeddings import Neighbor, Term, WordVectors

FILE_ENDINGS = (".txt", ".vec", ".bin", ".gz")
SIGNS = {"+": 1, "-": -1}
VALUES = {"cosine": "similarity", "l2": "distance"}


class Measure(StrEnum):
    """How nearness is measured."""

    COSINE = "cosine"
    L2 = "l2"


Subject = Annotated[
    str,
    typer.Argument(
        metavar="REF|FILE", help="A published model, or a file of vectors: GloVe text, word2vec text or binary.", show_default=False
    ),
]
Metric = Annotated[Measure, typer.Option("--metric", help="Compare directions (cosine) or distances (l2).")]
Count = Annotated[int, typer.Option("--count", "-n", metavar="N", help="How many words to show.")]


def neighbors(
    subject: Subject,
    word: Annotated[str, typer.Argument(metavar="WORD", help="The word to look around.", show_default=False)],
    metric: Metric = Measure.COSINE,
    count: Count = 10,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the words whose vectors are nearest to that of a word."""
    from distrnn import embeddings

    out = Output(json=json)
    found = embeddings.neighbors(vectors_of(subject, registry, out), word, metric.value, count)
    _show({"word": word, "metric": metric.value}, found, out)


def analogy(
    subject: Subject,
    terms: Annotated[
        list[str],
        typer.Argument(metavar="WORD [+|- WORD]...", help="Words with signs between them: king - male + female.", show_default=False),
    ],
    metric: Metric = Measure.COSINE,
    count: Count = 10,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the words nearest to a sum of vectors: what is to king as female is to male?"""
    from distrnn import embeddings

    out, parsed = Output(json=json), sum_of(terms)
    found = embeddings.analogy(vectors_of(subject, registry, out), parsed, metric.value, count)
    document = [{"sign": "+" if term.sign > 0 else "-", "word": term.word} for term in parsed]
    _show({"terms": document, "metric": metric.value}, found, out)


def vectors_of(subject: str, registry: str | None, out: Output) -> "WordVectors":
    """The vectors that an argument names."""
    from distrnn.embeddings import FileVectors, ModelVectors

    if is_vector_file(subject):
        return FileVectors(Path(subject).expanduser())
    return ModelVectors(load(subject, registry, out))


def is_vector_file(subject: str) -> bool:
    """Whether an argument names a file: by a folder in it, by its ending, or because it is a file and no model can be called that."""
    if subject.startswith("models:/"):
        return False
    return "/" in subject or subject.endswith(FILE_ENDINGS) or (subject != subject.lower() and Path(subject).is_file())


def sum_of(words: Sequence[str]) -> "list[Term]":
    """The terms of a sum as it is typed; by their places signs are told from words that are spelled like signs.

    Args:
        words: words and signs in turn, each by itself, or all in one text.
    Raises:
        UsageError: something else than a sign stands where one is expected, or there is only one word.
    """
    from distrnn.embeddings import Term

    given = words[0].split() if len(words) == 1 else list(words)
    signed = given if len(given) % 2 == 0 and given and given[0] in SIGNS else ["+", *given]
    if len(given) < 2 or len(signed) == 2:
        raise UsageError("analogy needs two words or more, for instance: king - male + female. For one word use: distrnn neighbors")
    for sign in signed[::2]:
        if sign not in SIGNS:
            raise UsageError(f"words must have + or - between them, for instance: king - male + female. Received: {sign!r} in its place")
    if len(signed) % 2:
        raise UsageError(
            f"a word must follow each sign, for instance: king - male + female. Received: nothing after the last {signed[-1]!r}"
        )
    return [Term(SIGNS[sign], word) for sign, word in zip(signed[::2], signed[1::2], strict=True)]


def _show(question: dict[str, Any], found: "Sequence[Neighbor]", out: Output) -> None:
    name = VALUES[question["metric"]]
    answers = [{"word": neighbor.word, name: neighbor.value} for neighbor in found]
    out.result({**question, "neighbors": answers}, Table(["word", name], [[neighbor.word, neighbor.value] for neighbor in found]))
