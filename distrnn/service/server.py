"""The process: a socket, uvicorn, a log on stderr, an orderly end on SIGTERM."""

import errno
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from distrnn.errors import AccessError, ConflictError, UsageError
from distrnn.registry import Registry
from distrnn.service.app import create_app
from distrnn.service.settings import Settings

_BACKLOG = 1024
_GRACE_S = 20
_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
    "loggers": {
        "uvicorn.error": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "uvicorn.access": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "distrnn.service": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}


def listen(host: str, port: int) -> socket.socket:
    """Open the socket; from here on clients can connect, and wait for `run`.

    Raises:
        ConflictError: somebody else listens there.
        AccessError: this user may not.
        UsageError: there is no such address on this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            raise ConflictError(f"port {port} of {host} is taken. Choose another one with --port; 0 takes any that is free.") from None
        if number in (errno.EACCES, errno.EPERM):
            raise AccessError(f"this user may not listen on port {port}. Choose one above 1023 with --port.") from None
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error}. Expected an address of this machine, for instance 0.0.0.0."
        ) from None


def url_of(opened: socket.socket) -> str:
    """The address that clients on this machine use."""
    host, port = opened.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def run(settings: Settings, registry: Registry, opened: socket.socket, started: Callable[[], object], *, access_log: bool = True) -> None:
    """Answer until SIGINT or SIGTERM; what is being answered then has some seconds to end.

    Args:
        settings: of the service.
        registry: what it shows.
        opened: by `listen`.
        started: called when a signal ends it in good order from then on.
        access_log: write a line for each request to stderr.
    """
    config = uvicorn.Config(
        create_app(settings, registry),
        log_config=_LOGGING,
        access_log=access_log,
        proxy_headers=False,  # whoever connects from this machine would be believed; `clients` decides instead
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=15,
        limit_concurrency=2000,
        h11_max_incomplete_event_size=32 << 10,
        lifespan="off",
        ws="none",
    )
    server = uvicorn.Server(config)
    before = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        started()
        server.run(sockets=[opened])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
