"""The REST: what the command line can ask a registry, for programs without it."""

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from distrnn.errors import NotFoundError
from distrnn.refs import NAME_PATTERN
from distrnn.registry import ModelVersion
from distrnn.registry.aliases import read_aliases
from distrnn.registry.layout import blob_key
from distrnn.runs import finite
from distrnn.service import documents, schemas
from distrnn.service.downloads import send_blob
from distrnn.service.errors import ForbiddenError
from distrnn.service.state import State, state_of

PAGE = 50
_JSON = "application/json"
_OCTETS: dict[str, Any] = {"content": {"application/octet-stream": {}}}
Name = Annotated[str, Path(pattern=f"^{NAME_PATTERN}$", description="The model.")]
AliasName = Annotated[str, Path(pattern=f"^{NAME_PATTERN}$", description="For instance production.")]
Number = Annotated[int, Path(ge=1, le=10**10 - 1, description="The version's number.")]
router = APIRouter()


@router.get("/models", tags=["models"], responses={200: {"model": schemas.Models}})
def list_models(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Response:
    """The models with their newest version and aliases, by name."""

    def make(state: State) -> dict[str, Any]:
        found = state.listing.get(state.settings.page_age_s).summaries
        return {"models": [documents.model(one) for one in found[offset : offset + limit]], "total": len(found)}

    return held(request, make)


@router.get("/models/{name}", tags=["models"], responses={200: {"model": schemas.Model}})
def show_model(request: Request, name: Name) -> Response:
    """A model with its newest version and aliases."""
    return held(request, lambda state: documents.model(state.registry.summary(name)))


@router.get("/models/{name}/versions", tags=["versions"], responses={200: {"model": schemas.ModelVersions}})
def list_versions(
    request: Request,
    name: Name,
    limit: Annotated[int, Query(ge=1, le=200)] = PAGE,
    before: Annotated[int | None, Query(ge=1, le=10**10, description="Only versions with smaller numbers.")] = None,
) -> Response:
    """The versions of a model, newest first."""

    def make(state: State) -> dict[str, Any]:
        shown = documents.stretch(state.registry.summary(name).head, limit, before)
        return {"versions": documents.version_rows(state.registry, name, shown), "next_before": shown.older}

    return held(request, make)


@router.get("/models/{name}/versions/{number}", tags=["versions"], responses={200: {"model": schemas.Version}})
def show_version(request: Request, name: Name, number: Number) -> Response:
    """A version: figures, files with sizes and digests, lineage and whatever else its publisher recorded."""
    return held(request, lambda state: documents.version(state.registry, one_version(state, name, number)))


@router.get("/models/{name}/versions/{number}/card", tags=["versions"], responses={200: {"model": schemas.Card}})
def show_card(request: Request, name: Name, number: Number) -> Response:
    """A version's model card, in its latest revision."""
    return held(request, lambda state: documents.card(state.registry, one_version(state, name, number)))


@router.get(
    "/models/{name}/versions/{number}/files/{path:path}",
    tags=["versions"],
    response_class=Response,
    responses={
        200: {**_OCTETS, "description": "The file."},
        206: {**_OCTETS, "description": "A range of it."},
        304: {"description": "The client has it already (If-None-Match)."},
        416: {"description": "No byte of it is in the range."},
    },
)
async def download(request: Request, name: Name, number: Number, path: Annotated[str, Path(max_length=1100)]) -> Response:
    """A file of a version, with ranges; its ETag is its sha256."""
    state = state_of(request)
    version = await run_in_threadpool(one_version, state, name, number)
    for file in version.manifest.files:
        if file.path == path:
            key = blob_key(name, file.sha256)
            saved_as = f"{name}-v{number}-{file.path.rpartition('/')[2]}".encode("ascii", "replace").decode().replace("?", "_")
            return await send_blob(state.registry.store, key, file.sha256, request, size_bytes=file.size_bytes, name=saved_as)
    raise NotFoundError(f"{version} has no such file. Its files: /api/v1/models/{name}/versions/{number}")


@router.get("/models/{name}/aliases", tags=["aliases"], responses={200: {"model": schemas.Aliases}})
def list_aliases(request: Request, name: Name) -> Response:
    """The aliases of a model, also those that hold nothing any more, with their rules and history."""

    def make(state: State) -> dict[str, Any]:
        found = [documents.alias(record) for record in read_aliases(state.registry.store, name)]
        if not found:
            state.registry.summary(name)
        return {"aliases": found}

    return held(request, make)


@router.get("/models/{name}/aliases/{alias}", tags=["aliases"], responses={200: {"model": schemas.Alias}})
def show_alias(request: Request, name: Name, alias: AliasName) -> Response:
    """An alias, its rules and every move it made."""

    def make(state: State) -> dict[str, Any]:
        record = state.registry.alias(name, alias)
        if not record.history:
            state.registry.resolve(f"{name}@{alias}")
        return documents.alias(record)

    return held(request, make)


@router.put("/models/{name}/aliases/{alias}", tags=["aliases"], responses={200: {"model": schemas.Alias}})
def move_alias(
    request: Request,
    name: Name,
    alias: AliasName,
    to: schemas.MoveTo,
    authorization: Annotated[str, Header(max_length=4096)] = "",
) -> Response:
    """Let an alias name a version. One that is guarded moves by promotion and rollback only, and is refused here."""
    state = authorized(request, authorization)
    record = state.registry.set_alias(name, alias, to.version, reason=to.reason)
    state.held.clear()
    return answer(documents.alias(record))


@router.post("/models/{name}/aliases/{alias}/promote", tags=["aliases"], responses={200: {"model": schemas.Decision}})
def promote(
    request: Request,
    name: Name,
    alias: AliasName,
    to: schemas.MoveTo,
    authorization: Annotated[str, Header(max_length=4096)] = "",
) -> Response:
    """Ask the alias' gate whether a version may take it, by the figures that were recorded; a refusal is an answer, too."""
    state = authorized(request, authorization)
    decision = state.registry.promote(one_version(state, name, to.version), alias, reason=to.reason)
    state.held.clear()
    found = decision.to_json()
    return answer({key: found[key] for key in ("alias", "decision", "rules")})


@router.get("/resolve", tags=["models"], responses={200: {"model": schemas.Resolved}})
def resolve(
    request: Request,
    ref: Annotated[str, Query(max_length=200, description="name, name@alias, name@v3 or name@sha256:…")],
) -> Response:
    """The version that a reference means."""
    return held(request, lambda state: resolved(ref, state.registry.resolve(ref)))


@router.post("/models/{name}/versions/{number}/predict", tags=["try"], responses={200: {"model": schemas.Prediction}})
def predict(request: Request, name: Name, number: Number, asked: schemas.Texts) -> Response:
    """What a classifier says of each text."""
    state = state_of(request)
    version = one_version(state, name, number)
    found = state.trials.predict(version, asked.texts)
    return answer({"version": resolved(str(version), version), "predictions": found})


@router.post("/models/{name}/versions/{number}/generate", tags=["try"], responses={200: {"model": schemas.Generation}})
def generate(request: Request, name: Name, number: Number, asked: schemas.Prompt) -> Response:
    """The text with which a language model goes on."""
    state = state_of(request)
    version = one_version(state, name, number)
    text = state.trials.generate(version, asked.prompt, asked.length, asked.temperature, asked.seed)
    return answer({"version": resolved(str(version), version), "text": text})


def one_version(state: State, name: str, number: int) -> ModelVersion:
    """A live version.

    Raises:
        NotFoundError: there is none.
    """
    return state.registry.resolve(f"{name}@v{number}")


def resolved(reference: str, version: ModelVersion) -> dict[str, Any]:
    """Which version it was."""
    return {"reference": reference, "name": version.name, "number": version.number, "digest": version.digest}


def authorized(request: Request, authorization: str) -> State:
    """The state of the service, for who may change something.

    Raises:
        ForbiddenError: nobody may, or this client showed no token that is known.
    """
    state = state_of(request)
    if not state.settings.tokens:
        raise ForbiddenError(403, "this service is read only. Who runs it can allow moves of aliases: distrnn serve --token-file FILE.")
    if not state.settings.tokens.accept(authorization):
        raise ForbiddenError(401, "moves of aliases need a token that this service knows: Authorization: Bearer TOKEN.")
    return state


def answer(document: dict[str, Any]) -> Response:
    """Answer with a document that JSON and UTF-8 can carry, whatever a publisher wrote into its metadata."""
    return Response(_body(document), media_type=_JSON)


def held(request: Request, make: Callable[[State], dict[str, Any]]) -> Response:
    """Answer with a document that may be a moment old."""
    state = state_of(request)
    return Response(state.held.get(f"{request.url.path}?{request.url.query}", lambda: _body(make(state))), media_type=_JSON)


def _body(document: dict[str, Any]) -> bytes:
    return json.dumps(_carried(finite(document)), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _carried(value: Any) -> Any:
    if isinstance(value, dict):
        return {_carried(str(key)): _carried(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_carried(item) for item in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
