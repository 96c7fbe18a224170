"""What becomes of an error: a status, and for programs the document `{error, message, code}`, for people a page."""

import logging

from starlette.responses import JSONResponse

from distrnn.errors import (
    AccessError,
    ConflictError,
    DataError,
    DistrnnError,
    GateRefusedError,
    IntegrityError,
    NotFoundError,
    StorageError,
    UsageError,
)

_STATUS: tuple[tuple[type[DistrnnError], int], ...] = (
    (UsageError, 422),
    (NotFoundError, 404),
    (GateRefusedError, 409),
    (ConflictError, 409),
    (DataError, 422),
    (IntegrityError, 500),
    (AccessError, 503),
    (StorageError, 503),
)
_LOG = logging.getLogger("distrnn.service")
_HIDDEN = "something went wrong in this service; its log says what"


class ForbiddenError(Exception):
    """The client may not do this; `status` is 401 where a token would help."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def status_of(error: DistrnnError) -> int:
    """The HTTP status of an error: 4xx where the client can do something about it."""
    if error.fields.get("kind") == "busy":
        return 503
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(status: int, kind: str, message: str, code: int, headers: dict[str, str] | None = None) -> JSONResponse:
    """The document of an error."""
    return JSONResponse({"error": kind, "message": message, "code": code}, status, headers)


def told(error: DistrnnError, place: str) -> str:
    """The message of an error without the place where the registry lies, which is the service's own business.

    Args:
        error: what went wrong.
        place: the registry's URL or folder.
    """
    return error.message.replace(place, "the registry").replace("registry the registry", "this registry")


def log(error: BaseException) -> None:
    """Write what the client is not told."""
    _LOG.error("%s: %s", type(error).__name__, error, exc_info=None if isinstance(error, DistrnnError) else error)


def unexpected(error: BaseException) -> JSONResponse:
    """The document of an error that nobody foresaw."""
    log(error)
    return problem(500, "Internal", _HIDDEN, 1)
