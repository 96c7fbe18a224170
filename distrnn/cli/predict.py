"""`distrnn predict`: a published model at work, with NumPy alone."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.options import Debug, Json, Reference, RegistryUrl
from distrnn.cli.output import Output, Table
from distrnn.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from distrnn.client import Classifier, Embedding, LanguageModel

STDIN = "-"
PAGE = "explained.html"


def predict(
    reference: Reference,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Texts to judge; - reads one a line from stdin.")],
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each word adds to the probability of the answer.", show_default=False)
    ] = False,
    explain_html: Annotated[
        str | None, typer.Option("--explain-html", metavar="FILE", help="Write the same as a page for the browser. Implies --explain.")
    ] = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say which label each text has, and how sure the model is."""
    out = Output(json=json)
    target = _page_file(explain_html)
    model = load(reference, registry, out)
    documents = list(given(texts))
    if explain or target is not None:
        _explain(model, documents, target, out)
        return
    entries = judged(documents, model.predict, model.labels, model.preprocessing.threshold)
    rows = [[found["label"], found["probability"], found["text"]] for found in entries]
    out.result(entries, Table(["label", "probability", "text"], rows))


def _page_file(name: str | None) -> Path | None:
    if name is None:
        return None
    target = Path(name).expanduser()
    if target.is_dir():
        raise UsageError(f"--explain-html needs a file to write. Received: the folder {name!r}. Name a file in it: {target / PAGE}")
    if not target.parent.is_dir():
        raise NotFoundError(f"no folder {str(target.parent)!r} to write the page into. Make it first.")
    return target


def _explain(model: "Classifier | LanguageModel | Embedding", texts: Sequence[str], target: Path | None, out: Output) -> None:
    from distrnn.cli.explain import blocks, document
    from distrnn.explanation import explain

    explanations = [explain(model, text) for text in texts]
    if target is not None:
        from distrnn.cli.explain_page import page

        target.write_text(page(str(model.version or "distrnn"), explanations), encoding="utf-8")
        out.note(f"Wrote {target.absolute()}")
    threshold = model.preprocessing.threshold
    entries = [{**entry(found.text, found.label, found.probabilities, threshold), **document(found)} for found in explanations]
    out.result(entries, *(block for explanation in explanations for block in blocks(explanation)))


def judged(texts: Sequence[str], predict: Any, labels: Sequence[str], threshold: float | None = None) -> list[dict[str, Any]]:
    """The document of `predict --json`.

    Args:
        texts: N documents.
        predict: gives float32 [N], the probability of the last of two labels, or [N, C].
        labels: C names.
        threshold: above which the last of two labels is the answer; None for one half.
    Returns:
        one entry a text.
    """
    if not texts:
        return []
    found = predict(texts)
    rows = [[1.0 - float(value), float(value)] for value in found] if found.ndim == 1 else [[float(v) for v in row] for row in found]
    entries = []
    for text, row in zip(texts, rows, strict=True):
        best = max(range(len(row)), key=row.__getitem__) if threshold is None else int(row[1] > threshold)
        entries.append(entry(text, labels[best], dict(zip(labels, row, strict=True)), threshold))
    return entries


def entry(text: str, label: str, probabilities: dict[str, float], threshold: float | None) -> dict[str, Any]:
    """One answer: `probability` is that of `label`; `threshold` stands there where a run has chosen one."""
    answer = {"text": text, "label": label, "probability": probabilities[label], "probabilities": probabilities}
    return answer if threshold is None else {**answer, "threshold": threshold}


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


def load(reference: str, registry: str | None, out: Output) -> "Classifier | LanguageModel | Embedding":
    """Load a published model, and say which version it is."""
    # One text at a time is too little work to share: on a busy machine the threads of OpenBLAS wait for each other up to 40 times as long
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from distrnn.client import load_model

    model = load_model(reference, registry)
    if model.version is not None:
        out.resolved(reference, model.version.name, model.version.number, model.version.digest)
    return model


def load_writer(reference: str, registry: str | None, out: Output, verb: str) -> "LanguageModel":
    """Load a published language model for a verb that needs one.

    Raises:
        UsageError: it is a classifier.
    """
    model = load(reference, registry, out)
    from distrnn.client import LanguageModel, needs_language_model  # after load, which says how many threads it may have

    if not isinstance(model, LanguageModel):
        raise needs_language_model(verb, model)
    return model
