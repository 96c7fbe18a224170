"""A comparison as a person reads it on a terminal; the texts on which models disagree and the curves are in the report."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from distrnn.amounts import duration, size
from distrnn.cli.output import NOTHING, Block, Fields, Table, cell, short_digest


def blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    """The document of `compare --json`: what is on record, what they say about the same text, what their training was like."""
    names = [model["name"] for model in document["models"]]
    if document["metrics"]:
        yield _figures(document["metrics"], names, "when they were published, each on its own test split")
    if document["workflow"]:
        yield Table(["workflow", *names], [[row["key"], *map(_plain, row["values"])] for row in document["workflow"]])
    else:
        yield "The workflows are the same."
    yield Table(["size", *names, *_difference(names)], list(_size_rows(document["size"], names)))
    if rows := list(_time_rows(document["training"])):
        yield Table(["time", *names], rows)
    yield Fields({name: training["verdict"] for name, training in zip(names, document["training"], strict=True)}, title="learning curves")
    yield from _evaluation(document["evaluation"])
    if document["report"]:
        yield f"report  {document['report']}"


def _evaluation(evaluation: Mapping[str, Any]) -> Iterator[Block]:
    if evaluation["missing"] is not None:
        yield f"What they say about the same text is not known: {evaluation['missing']}"
        return
    names = evaluation["models"]
    yield _figures(evaluation["metrics"], names, f"on evaluation set {short_digest(evaluation['evaluation_set'])}")
    yield from evaluation["notes"]
    if "accuracy" in evaluation:
        yield from _documents(evaluation, names)
    elif evaluation["pairs"]:
        rows = [
            [" / ".join(pair["models"]), pair["better"], pair["margin"], _between(pair), pair["p"], pair["corrected"]]
            for pair in evaluation["pairs"]
        ]
        yield Table(["pair", "better", "bits a token", "95 % interval", "p", "p corrected"], rows, title=evaluation["test"])
    if evaluation["untested"]:
        yield f"Whether a margin is real was not tested: {evaluation['untested']}."
    if evaluation["question"]:
        yield f"{evaluation['question']} {evaluation['answer']}"


def _documents(evaluation: Mapping[str, Any], names: Sequence[str]) -> Iterator[Block]:
    rows = [[name, share["share"], _between(share)] for name, share in zip(names, evaluation["accuracy"], strict=True)]
    yield Table(["model", "accuracy", "95 % interval"], rows)
    lengths = [
        [f"{group['low']:,}–{group['high']:,}", group["examples"], *(share["share"] for share in group["models"])]
        for group in evaluation["lengths"]
    ]
    yield Table(["words", "documents", *names], lengths, title="accuracy by length")
    pairs = evaluation["pairs"]
    if len(pairs) == 1:
        churn = pairs[0]
        shares = {"different answers": f"{churn['changed']:,} of {churn['documents']:,} ({100 * churn['share']:.2f} %)"}
        told = {**shares, "became right": churn["became_right"], "became wrong": churn["became_wrong"], "p": churn["p"]}
        yield Fields(told, title="prediction churn")
        return
    columns = ["first", "second", "different answers", "only first right", "only second right", "p", "p corrected"]
    counts = ("changed", "became_wrong", "became_right", "p", "corrected")
    yield Table(columns, [[*pair["models"], *(pair[key] for key in counts)] for pair in pairs], title=f"pair by pair, {evaluation['test']}")


def _figures(rows: Sequence[Mapping[str, Any]], names: Sequence[str], title: str) -> Table:
    shown = [[row["metric"], *row["values"], *(row["differences"] if _difference(names) else [])] for row in rows]
    return Table(["figure", *names, *_difference(names)], shown, title=title)


def _difference(names: Sequence[str]) -> list[str]:
    """The column for the difference, which a table of two models has."""
    return ["difference"] if len(names) == 2 else []


def _size_rows(sizes: Mapping[str, Any], names: Sequence[str]) -> Iterator[list[Any]]:
    two = bool(_difference(names))
    for row in sizes["bytes"]:
        values = [NOTHING if value is None else size(value) for value in row["values"]]
        yield [row["form"], *values, *(map(_signed_size, row["differences"]) if two else [])]
    parameters = sizes["parameters"]
    if any(value is not None for value in parameters["values"]):
        yield ["parameters", *map(cell, parameters["values"]), *(map(cell, parameters["differences"]) if two else [])]


def _time_rows(training: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    for name, key in (("training", "train_s"), ("an epoch", "epoch_s"), ("the whole run", "total_s")):
        values = [of_one[key] for of_one in training]
        if any(value is not None for value in values):
            yield [name, *(NOTHING if value is None else duration(value) for value in values)]
    for key in ("epochs", "device"):
        values = [of_one[key] for of_one in training]
        if any(value is not None for value in values):
            yield [key, *map(cell, values)]


def _between(interval: Mapping[str, Any]) -> str:
    return f"{interval['low']:.4f} to {interval['high']:.4f}"


def _signed_size(difference: int | None) -> str:
    if difference is None:
        return NOTHING
    return f"{'-' if difference < 0 else '+'}{size(abs(difference))}" if difference else "0 B"


def _plain(value: Any) -> str:
    """A value of a workflow as the file writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return NOTHING if value is None else str(value)
