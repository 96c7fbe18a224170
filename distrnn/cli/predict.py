"""`distrnn predict` and `generate`: a published model at work, with NumPy alone."""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.options import Debug, Json, Reference, RegistryUrl
from distrnn.cli.output import Output, Table
from distrnn.errors import UsageError

if TYPE_CHECKING:
    from distrnn.client import Classifier, LanguageModel

STDIN = "-"


def predict(
    reference: Reference,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Texts to judge; - reads one a line from stdin.")],
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say which label each text has, and how sure the model is."""
    out = Output(json=json)
    model = load(reference, registry, out)
    documents = judged(list(given(texts)), model.predict, model.labels)
    rows = [[document["label"], document["probability"], document["text"]] for document in documents]
    out.result(documents, Table(["label", "probability", "text"], rows))


def generate(
    reference: Reference,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="What the text goes on from. Default: a piece of text the model knows.")
    ] = None,
    length: Annotated[int, typer.Option("--length", metavar="N", help="Tokens to write: characters, or words for a model of words.")] = 400,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="T", help="Above 1 more daring, below 1 safer, 0 always the most probable token.")
    ] = 1.0,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="The same seed gives the same text.")] = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the text that follows a prompt."""
    out = Output(json=json)
    model = load(reference, registry, out)
    beginning = model.sample_prompt if prompt is None else prompt
    text = model.generate(beginning, length, temperature=temperature, seed=seed)
    joint = "" if model.preprocessing.vocabulary.spec.level == "char" else " "
    document = {"prompt": beginning, "text": text, "length": length, "temperature": temperature, "seed": seed}
    out.result(document, f"{beginning}{joint}{text}")


def judged(texts: Sequence[str], predict: Any, labels: Sequence[str]) -> list[dict[str, Any]]:
    """The document of `predict --json`.

    Args:
        texts: N documents.
        predict: gives float32 [N], the probability of the last of two labels, or [N, C].
        labels: C names.
    Returns:
        one entry a text; `probability` is that of `label`, `probabilities` has every label.
    """
    if not texts:
        return []
    found = predict(texts)
    rows = [[1.0 - float(value), float(value)] for value in found] if found.ndim == 1 else [[float(v) for v in row] for row in found]
    entries = []
    for text, row in zip(texts, rows, strict=True):
        best = max(range(len(row)), key=row.__getitem__)
        probabilities = dict(zip(labels, row, strict=True))
        entries.append({"text": text, "label": labels[best], "probability": row[best], "probabilities": probabilities})
    return entries


def given(texts: Sequence[str]) -> Iterator[str]:
    """The texts of a command line: those that stand there, or for `-` one a line from stdin.

    Raises:
        UsageError: `-` stands beside others.
    """
    if STDIN not in texts:
        yield from texts
        return
    if len(texts) > 1:
        raise UsageError(f"{STDIN!r} reads the texts from stdin, so it stands alone. Received: {len(texts)} texts")
    yield from (line.rstrip("\r\n") for line in sys.stdin)


def load(reference: str, registry: str | None, out: Output) -> "Classifier | LanguageModel":
    """Load a published model, and say which version it is."""
    # One text at a time is too little work to share: on a busy machine the threads of OpenBLAS wait for each other up to 40 times as long
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from distrnn.client import load_model

    model = load_model(reference, registry)
    if model.version is not None:
        out.resolved(reference, model.version.name, model.version.number, model.version.digest)
    return model
