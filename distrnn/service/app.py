"""The application: one registry, and everything that answers for it."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, JSONResponse

import distrnn
from distrnn.errors import DistrnnError, IntegrityError, UsageError
from distrnn.registry import Registry
from distrnn.registry.layout import catalog_key
from distrnn.service import api, objects, pages, schemas
from distrnn.service.downloads import OCTETS
from distrnn.service.errors import ForbiddenError, log, problem, status_of, told
from distrnn.service.guard import Guard
from distrnn.service.held import Held
from distrnn.service.limits import RateLimit
from distrnn.service.listing import CachedListing
from distrnn.service.metrics import Metrics
from distrnn.service.rendering import render
from distrnn.service.settings import Settings
from distrnn.service.state import State, state_of
from distrnn.service.trial import Trials

API = "/api/v1"
_FOR_PROGRAMS = (API, "/openapi.json", "/metrics", "/healthz", "/readyz")
_TITLES = {404: "Not found", 409: "Refused", 422: "That cannot be shown", 429: "Too many requests", 503: "The registry does not answer"}


def create_app(settings: Settings, registry: Registry) -> FastAPI:
    """Make the application.

    Args:
        settings: what it is told.
        registry: what it shows; opened with the lock that moves of aliases need.
    """
    listing = CachedListing(registry)
    metrics = Metrics(registry, listing, settings.stored_age_s)
    app = FastAPI(
        title="distrnn registry",
        version=distrnn.__version__,
        summary="Models, versions, aliases and files of a registry; every byte can be checked against its digest.",
        docs_url=None,
        redoc_url=None,
        responses={"4XX": {"model": schemas.Problem, "description": "Refused."}, 422: {"model": schemas.Problem}},
    )
    app.state.distrnn = State(settings, registry, listing, Trials(registry, settings), metrics, Held(settings.page_age_s))
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5, exclude_content_types=(OCTETS,))
    app.add_middleware(
        Guard,
        limit=RateLimit(settings.requests_per_s),
        behind_proxy=settings.behind_proxy,
        body_bytes=settings.body_bytes,
        served=metrics.served,
    )
    app.include_router(api.router, prefix=API)
    app.include_router(objects.router, prefix=API)
    app.include_router(pages.router)
    app.add_api_route("/healthz", healthz, include_in_schema=False)
    app.add_api_route("/readyz", readyz, include_in_schema=False)
    app.add_api_route("/metrics", metrics_page, include_in_schema=False)
    app.add_exception_handler(DistrnnError, _failed)
    app.add_exception_handler(ForbiddenError, _forbidden)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    return app


async def healthz() -> JSONResponse:
    """Whether this process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Whether the registry can be read: one small read."""
    store = state_of(request).registry.store
    await run_in_threadpool(store.find, catalog_key("readyz"))
    return JSONResponse({"status": "ready"})


async def metrics_page(request: Request) -> Response:
    """The metrics, whether or not the registry can be looked at."""
    state = state_of(request)
    try:
        look = await run_in_threadpool(state.metrics.look, state.settings.metrics_age_s)
    except DistrnnError as error:
        log(error)
        look = None
    body, content_type = state.metrics.show(look)
    return Response(body, media_type=content_type)


async def _failed(request: Request, error: Exception) -> Response:
    known = error if isinstance(error, DistrnnError) else UsageError(str(error))
    status = status_of(known)
    if isinstance(known, IntegrityError):
        state_of(request).metrics.damaged("file" if "file" in known.fields else "document")
    if status >= 500:
        log(known)
    found = known.to_json()
    return _answer(request, status, str(found["error"]), told(known, state_of(request).registry.url), known.exit_code)


async def _forbidden(request: Request, error: Exception) -> Response:
    status, message = (error.status, error.message) if isinstance(error, ForbiddenError) else (403, str(error))
    return problem(status, "Access", message, 7, {"WWW-Authenticate": "Bearer"} if status == 401 else None)


async def _invalid(request: Request, error: Exception) -> Response:
    first = error.errors()[0] if isinstance(error, RequestValidationError) and error.errors() else {"loc": (), "msg": str(error)}
    where = ".".join(str(part) for part in first["loc"])
    return _answer(request, 422, "Usage", f"{where}: {first['msg']}", 2)


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    said = {404: "there is nothing at this address.", 405: "this address does not take that method."}
    headers = dict(getattr(error, "headers", None) or {})
    answer = _answer(request, status, "NotFound" if status == 404 else "Usage", said.get(status, str(error)), 3 if status == 404 else 2)
    answer.headers.update(headers)
    return answer


def _answer(request: Request, status: int, kind: str, message: str, code: int) -> Response:
    if request.url.path.startswith(_FOR_PROGRAMS):
        return problem(status, kind, message, code)
    shown = {"status": status, "title": _TITLES.get(status, "That did not work"), "message": message}
    return HTMLResponse(render("problem.html", shown), status)
