"""`distrnn compare`: models side by side, what they say about the same documents, and whether a margin between them is real."""

import os
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distrnn.cli.compare_blocks import blocks
from distrnn.cli.extras import PACKAGES, install_command, require
from distrnn.cli.options import Debug, Json, RegistryUrl, StorageUrl
from distrnn.cli.output import Output
from distrnn.cli.progress import shown
from distrnn.errors import AccessError, DataError, NotFoundError, StorageError, UsageError

if TYPE_CHECKING:
    from distrnn.evaluation.contenders import Contender

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
COMPARISONS = "comparisons"

References = Annotated[
    list[str],
    typer.Argument(
        metavar="REF|RUN|WORKFLOW...",
        help="Two or more: versions (NAME, NAME@ALIAS, NAME@v3), runs (an id, or last), workflow files (their newest finished run).",
        show_default=False,
    ),
]
EvaluationSet = Annotated[
    str | None,
    typer.Option(
        "--evaluation-set", metavar="DIGEST", help="Compare what they say on this set. Default: the one that the first was measured on."
    ),
]
Page = Annotated[
    str | None,
    typer.Option("--html", metavar="FILE", help="Write the report there. Default: comparisons below the storage root; its path is shown."),
]


def compare(
    references: References,
    html: Page = None,
    evaluation_set: EvaluationSet = None,
    storage: StorageUrl = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare models: learning curves, accuracy on the same text and whether margins are real, time, errors by length, disagreements."""
    # As in predict: on a busy machine the threads of OpenBLAS wait for each other, and a small model is asked ten times as long
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    out, wanted, target = Output(json=json), _digest(evaluation_set), _target(html)
    from distrnn.evaluation.compare_models import MOST, describe
    from distrnn.evaluation.contenders import Finder, one_task

    if not 2 <= len(references) <= MOST:
        raise UsageError(f"compare takes two to {MOST} models, for instance mine@v1 mine@v2. Received: {len(references)}")
    finder = Finder(registry, storage)
    contenders = [_told(finder.find(reference), out) for reference in references]
    one_task(contenders)
    document = {**describe(contenders), "evaluation": _evaluation(contenders, wanted, out)}
    document = {**document, "report": _written(document, contenders[0], target, out)}
    out.result(document, *blocks(document))


def _digest(text: str | None) -> str | None:
    if text is None:
        return None
    match = _DIGEST.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--evaluation-set must be the 64 hexadecimal digits that `distrnn models show` prints as evaluation set. Received: {text!r}"
        )
    return match[1]


def _target(name: str | None) -> Path | None:
    if name is None:
        return None
    require("train", "compare --html")
    target = Path(name).expanduser()
    if not target.parent.is_dir():
        raise NotFoundError(f"no folder {str(target.parent)!r} to write the report into. Make it first.")
    return target


def _told(contender: "Contender", out: Output) -> "Contender":
    """Say what a reference led to."""
    version, run_id = contender.version, (contender.run or {}).get("run_id")
    if version is not None:
        out.resolved(contender.reference, version.name, version.number, version.digest)
    elif contender.reference != run_id:
        out.note(f"{contender.reference} is run {run_id}")
    for note in [*contender.missing, *([contender.note] if contender.note else [])]:
        out.note(f"{contender.name}: {note}")
    return contender


def _evaluation(contenders: "Sequence[Contender]", wanted: str | None, out: Output) -> dict[str, Any]:
    """What they say on one evaluation set, or why that is not known; the rest of the comparison needs no text."""
    sets = [contender.evaluation_set for contender in contenders if contender.version is not None]
    digest = wanted or next((found for found in sets if found), None)
    told: dict[str, Any] = {"evaluation_set": digest, "missing": None, "notes": _notes(contenders, digest)}
    try:
        return {**told, **_asked(contenders, digest, out)}
    except (AccessError, DataError, NotFoundError, StorageError, UsageError) as error:
        return {**told, "missing": error.message}


def _notes(contenders: "Sequence[Contender]", digest: str | None) -> list[str]:
    """What a reader must know to read the figures right."""
    return [
        f"{contender.name} was measured on another set when it was made ({contender.evaluation_set[:12]}); here it is measured on this one."
        for contender in contenders
        if contender.evaluation_set is not None and contender.evaluation_set != digest
    ]


def _asked(contenders: "Sequence[Contender]", digest: str | None, out: Output) -> dict[str, Any]:
    if digest is None:
        names = ", ".join(contender.name for contender in contenders)
        raise NotFoundError(f"no evaluation set is known of {names}. Name one with --evaluation-set.")
    if find_spec("pyarrow") is None:
        raise NotFoundError(f"reading an evaluation set needs pyarrow. Install it with: {install_command('train')}")
    from distrnn.evaluation.compare_answers import ask
    from distrnn.evaluation.compare_models import names_of

    with shown(out) as progress:
        return ask(names_of(contenders), contenders, digest, progress)


def _written(document: dict[str, Any], first: "Contender", target: Path | None, out: Output) -> str | None:
    """Write the report, and say where it is; without a place of its own it is not worth an error."""
    missing = [name for name in PACKAGES["train"] if name in ("jinja2", "matplotlib") and find_spec(name) is None]
    if missing:
        out.note(f"No report: it needs {' and '.join(missing)}. Install them with: {install_command('train')}")
        return None
    from distrnn.evaluation.compare_page import file_name, render

    page = render(document)
    if target is not None:
        target.write_text(page, encoding="utf-8")
        return str(target.absolute())
    key = f"{COMPARISONS}/{file_name(document)}"
    try:
        first.store.put(key, page.encode())
    except (AccessError, NotFoundError, StorageError) as error:
        out.note(f"No report: {error.message} Name a file for it with --html.")
        return None
    return str(first.store.local_path(key) or f"{first.store.url.rstrip('/')}/{key}")
