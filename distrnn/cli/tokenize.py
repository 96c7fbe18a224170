"""`distrnn tokenize`: what a model, or a prepared dataset, makes of a text."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.extras import require
from distrnn.cli.options import Debug, Json, RegistryUrl, Settings
from distrnn.cli.output import Block, Fields, Output, Table
from distrnn.cli.predict import given, load
from distrnn.cli.prepared import dataset_of, is_workflow
from distrnn.errors import UsageError
from distrnn.text import tokenize

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from distrnn.runtime.preprocessing import Preprocessing

SHOWN_FEATURES = 6
Subject = Annotated[str, typer.Argument(metavar="REF|WORKFLOW", help="A published model, or a workflow file whose dataset is prepared.")]


def tokenize_texts(
    subject: Subject,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Texts; - reads one a line from stdin.")],
    embed: Annotated[bool, typer.Option("--embed", help="Show the vectors of the tokens. Needs a model.", show_default=False)] = False,
    settings: Settings = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the tokens of a text, their ids, the row that a model sees, unknown words, and the way back to text."""
    out = Output(json=json)
    if embed and is_workflow(subject):
        raise UsageError(f"--embed needs a published model, whose vectors it shows. Received: the workflow {subject}")
    if settings and not is_workflow(subject):
        raise UsageError(f"--set overrides keys of a workflow. Received: the model {subject}")
    vectors = None
    if is_workflow(subject):
        rules = _of_workflow(subject, settings or [])
    else:
        model = load(subject, registry, out)
        rules, vectors = model.preprocessing, model.network.embeddings if embed else None
    documents = [described(text, rules, vectors) for text in given(texts)]
    out.result(documents, *(block for document in documents for block in blocks(document)))


def described(text: str, rules: "Preprocessing", vectors: "npt.NDArray[np.float32] | None" = None) -> dict[str, Any]:
    """What becomes of a text.

    Args:
        text: as it is.
        rules: how text becomes ids.
        vectors: float32 [V, F], a row an id; None: they are not shown.
    Returns:
        `text`, `tokens`, `ids` (of the whole text), `row` (as the model sees it, filled and cut; null where it takes any length), `unknown`
        (tokens without an id of their own), `back` (the text of the ids), and `vectors` (one a token).
    """
    vocabulary = rules.vocabulary
    tokens = tokenize(text, vocabulary.spec)
    token_ids = vocabulary.ids(tokens)
    ids = vocabulary.encode(text) if rules.task == "classifier" else vocabulary.encode_stream([text])
    hashed = vocabulary.spec.buckets is not None
    unknown = [] if hashed else [token for token, token_id in zip(tokens, token_ids, strict=True) if token_id == vocabulary.spec.unknown_id]
    row = rules.encode([text])[0].tolist() if rules.sequence_length is not None else None
    joint = " " if vocabulary.spec.level == "word" or vocabulary.spec.ngrams > 1 else ""
    document = {
        "text": text,
        "tokens": tokens,
        "token_ids": token_ids,
        "ids": ids,
        "row": row,
        "unknown": list(dict.fromkeys(unknown)),
        "back": joint.join(vocabulary.token(token_id) for token_id in ids),
    }
    return document if vectors is None else {**document, "vectors": [vectors[token_id].tolist() for token_id in token_ids]}


def blocks(document: dict[str, Any]) -> Iterator[Block]:
    """A text as a person reads it: a line a token, then the whole."""
    columns = ["token", "id"]
    rows: list[list[Any]] = [[token, str(token_id)] for token, token_id in zip(document["tokens"], document["token_ids"], strict=True)]
    if "vectors" in document:
        columns += ["norm", "vector"]
        rows = [[*row, _norm(vector), _features(vector)] for row, vector in zip(rows, document["vectors"], strict=True)]
    yield Table(columns, rows, title=document["text"])
    yield Fields(
        {
            "ids": _numbers(document["ids"]),
            "row": _numbers(document["row"]) if document["row"] is not None else None,
            "unknown": " ".join(document["unknown"]) or "none",
            "back": document["back"],
        }
    )


def _numbers(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))


def _norm(vector: Sequence[float]) -> float:
    return float(sum(value * value for value in vector) ** 0.5)


def _features(vector: Sequence[float]) -> str:
    shown = " ".join(f"{value:.3f}" for value in vector[:SHOWN_FEATURES])
    return f"{shown} … ({len(vector)})" if len(vector) > SHOWN_FEATURES else shown


def _of_workflow(file: str, settings: Sequence[str]) -> "Preprocessing":
    require("train", "tokenize")
    from distrnn.runtime.preprocessing import Preprocessing
    from distrnn.workflow import ClassifierModel

    workflow, dataset = dataset_of(file, settings)
    model, vocabulary = workflow.model, dataset.vocabulary
    if isinstance(model, ClassifierModel):
        labels = dataset.manifest.labels
        return Preprocessing("classifier", vocabulary, labels, model.sequence_length, model.padding, model.truncating)
    return Preprocessing(model.task, vocabulary)
