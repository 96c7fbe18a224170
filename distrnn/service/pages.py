"""The pages for people: HTML that needs no script, no font and no picture from anywhere else."""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from distrnn.errors import DistrnnError, UsageError
from distrnn.registry import ModelVersion
from distrnn.registry.aliases import read_aliases
from distrnn.service import comparing, documents, views
from distrnn.service.api import one_version
from distrnn.service.rendering import STYLE, render
from distrnn.service.state import State, public_url, state_of
from distrnn.service.trial import Trials

VERSIONS_SHOWN = 100
_FIELDS = 10
_LENGTH = 200
router = APIRouter(include_in_schema=False)


@router.get("/style.css")
def style() -> Response:
    """The style sheet."""
    return Response(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=300"})


@router.get("/")
def models_page(request: Request) -> Response:
    """The list of models."""

    def make(state: State, url: str) -> bytes:
        rows = [views.model_row(summary) for summary in state.listing.get(state.settings.page_age_s).summaries]
        return render("models.html", {"rows": rows, "url": url})

    return _held(request, make)


@router.get("/models/{name}")
def model_page(request: Request, name: str, before: Annotated[int | None, Query(ge=1, le=10**10)] = None) -> Response:
    """A model: versions, aliases, figures."""

    def make(state: State, url: str) -> bytes:
        summary = state.registry.summary(name)
        stretch = documents.stretch(summary.head, VERSIONS_SHOWN, before)
        rows = documents.version_rows(state.registry, name, stretch)
        shown = {
            "name": name,
            "url": url,
            "summary": documents.model(summary),
            "versions": rows,
            "metrics": views.columns(rows),
            "charts": views.over_versions(rows),
            "aliases": [documents.alias(record) for record in read_aliases(state.registry.store, name)],
            "stretch": stretch,
        }
        return render("model.html", shown)

    return _held(request, make)


@router.get("/models/{name}/v{number:int}")
def version_page(request: Request, name: str, number: int) -> Response:
    """A version: figures, curves, card, lineage, files."""
    return _held(request, lambda state, url: render("version.html", _version(url, state, one_version(state, name, number))))


@router.get("/models/{name}/v{number:int}/try")
def try_page(request: Request, name: str, number: int) -> Response:
    """The form alone: what an address without its text leads to."""
    return RedirectResponse(f"{public_url(request)}/models/{name}/v{number}#try", 303)


@router.post("/models/{name}/v{number:int}/try")
async def try_model(request: Request, name: str, number: int) -> Response:
    """The version's page with what the model says of a text."""
    state = state_of(request)
    form = _form(await request.body())
    return await run_in_threadpool(_tried, request, state, name, number, form)


@router.get("/compare")
def compare_page(request: Request, left: str = "", right: str = "") -> Response:
    """Two versions side by side."""
    refs = left.strip(), right.strip()
    if not all(refs):
        raise UsageError("a comparison needs two versions: /compare?left=NAME@v1&right=NAME@v2")

    def make(state: State, url: str) -> bytes:
        ours, theirs = (documents.version(state.registry, state.registry.resolve(ref)) for ref in refs)
        workflows = [views.workflow_of(found["metadata"]) for found in (ours, theirs)]
        shown = {
            "left": ours,
            "right": theirs,
            "refs": refs,
            "figures": comparing.figures(ours["metrics"], theirs["metrics"]),
            "settings": comparing.settings(*workflows),
            "known": all(workflows),
            "files": comparing.files(ours["files"], theirs["files"]),
            "lineages": [dict(views.lineage(found["metadata"])) for found in (ours, theirs)],
        }
        return render("compare.html", shown)

    return _held(request, make)


def _held(request: Request, make: Callable[[State, str], bytes]) -> Response:
    """A page that may be a moment old; what it tells people to type is part of what was asked."""
    state, url = state_of(request), public_url(request)
    body = state.held.get(f"{url} {request.url.path}?{request.url.query}", lambda: make(state, url))
    return HTMLResponse(body)


def _version(url: str, state: State, version: ModelVersion, trial: Mapping[str, Any] | None = None) -> dict[str, Any]:
    document = documents.version(state.registry, version)
    return {
        "document": document,
        "url": url,
        "card": documents.card(state.registry, version),
        "curves": views.learning_curves(document["metadata"]),
        "lineage": views.lineage(document["metadata"]),
        "settings": list(comparing.leaves(views.workflow_of(document["metadata"]))),
        "trial": trial or {"text": state.trials.sample_prompt(version), "answer": None, "problem": None, "length": _LENGTH},
        "limits": state.settings,
        "newest": state.registry.summary(version.name).head,
    }


def _tried(request: Request, state: State, name: str, number: int, form: Mapping[str, str]) -> Response:
    version, text = one_version(state, name, number), form.get("text", "")
    trial: dict[str, Any] = {"text": text, "answer": None, "problem": None, "length": form.get("length", _LENGTH)}
    status = 200
    try:
        trial["answer"] = _answer(state.trials, version, text, form)
    except DistrnnError as error:
        trial["problem"], status = error.message, 422
    return HTMLResponse(render("version.html", _version(public_url(request), state, version, trial)), status)


def _answer(trials: Trials, version: ModelVersion, text: str, form: Mapping[str, str]) -> dict[str, Any]:
    if version.metadata.get("task") == "language-model":
        length, temperature = _number(form, "length", _LENGTH), _number(form, "temperature", 1.0)
        return {"text": trials.generate(version, text, int(length), temperature, None)}
    if not text.strip():
        raise UsageError("there is no text to judge. Type one.")
    return trials.predict(version, [text])[0]


def _number(form: Mapping[str, str], key: str, default: float) -> float:
    try:
        number = float(form.get(key, default))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{key} must be a number. Received: {form[key][:40]!r}")
    return number


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form, each once."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        raise UsageError(f"a form of at most {_FIELDS} fields was expected.") from None
    return {name: values[-1] for name, values in fields.items()}
