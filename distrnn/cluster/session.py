"""A connection to Ray: a local one that is started and ended with the run, or a cluster that is only visited."""

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray

from distrnn.cluster.interrupts import kept_handlers
from distrnn.errors import StorageError, UsageError

# What the user has set stays. Ray Train looks every two seconds whether a worker has reported or ended, and the worker waits for it:
# three reports cost five seconds (measured, ray 2.60).
SETTINGS = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2"}
# For a Ray of our own: nobody preempts its one node, nothing else needs the CPUs that its workers would leave to others, and it
# reports to nobody.
LOCAL_SETTINGS = {
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
METRICS_PORT = "DISTRNN_METRICS_PORT"
API_SERVER, NOBODY = "RAY_API_SERVER_ADDRESS", "http://127.0.0.1:9"
RAY_LOGGERS = ("ray._private", "ray._common", "ray.air", "ray.data", "ray.train", "ray.tune", "ray.util")


@contextlib.contextmanager
def ray_session(address: str | None, log_file: str | None = None) -> Iterator[list[Mapping[str, float]]]:
    """Connect to Ray, or start it here and stop it at the end, whatever happens in between.

    Args:
        address: of a cluster; None starts Ray on this machine. An existing connection of this process is used as it is.
        log_file: where Ray's own messages go instead of the terminal.
    Yields:
        the resources of every node (`CPU`, `GPU`, …).
    Raises:
        StorageError: the cluster does not answer.
    """
    if ray.is_initialized():
        yield _nodes()
        return
    with _logs_sent_to(log_file):
        try:
            try:
                with kept_handlers():
                    _connect(address)
            except SystemExit as end:
                # SIGTERM met the handler that Ray had put there; ours is back
                if end.code != signal.SIGTERM:
                    raise
                signal.raise_signal(signal.SIGTERM)
            yield _nodes()
        finally:
            with kept_handlers():
                ray.shutdown()


def _connect(address: str | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING, "configure_logging": False}
    settings = SETTINGS if address else SETTINGS | LOCAL_SETTINGS
    port = metrics_port()
    os.environ.update({key: value for key, value in settings.items() if key not in os.environ})
    try:
        if address:
            ray.init(address=address, **options)
        else:
            with _without_api_server():
                ray.init(address="local", include_dashboard=False, _metrics_export_port=port, **options)
    except Exception as error:  # a Ray that does not come up in time on a busy machine raises just that
        where = f"answers at {address}" if address else "could be started here"
        hint = "Check --address." if address else "See the run's log, and: distrnn doctor"
        raise StorageError(f"no Ray cluster {where}: {' '.join(str(error).split())[:200]}. {hint}") from None


@contextlib.contextmanager
def _without_api_server() -> Iterator[None]:
    """Tell the Ray that starts inside that nobody answers for its dashboard.

    It has none, and a helper of Ray Train would look for it for 10 seconds at the end of each training (measured, ray 2.60); or ask another
    cluster, whose address the user may have set, and think that the training is dead.
    """
    before = os.environ.get(API_SERVER)
    os.environ[API_SERVER] = NOBODY
    try:
        yield
    finally:
        if before is None:
            del os.environ[API_SERVER]
        else:
            os.environ[API_SERVER] = before


def metrics_port() -> int | None:
    """Where a Ray of our own serves its metrics (DISTRNN_METRICS_PORT); None: at a port of its choice, which nobody knows.

    Raises:
        UsageError: it is no port, or in use; Ray would wait for half a minute and not say why.
    """
    text = os.environ.get(METRICS_PORT)
    if text is None:
        return None
    if not (text.isdecimal() and 0 < int(text) < 2**16):
        raise UsageError(f"{METRICS_PORT} must be a port from 1 to 65535. Received: {text!r}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", int(text)))
        except OSError as error:
            reason = f"port {text} cannot be used ({error.strerror})"
            raise UsageError(f"{METRICS_PORT}: {reason}. Another run may have it: give each run of this machine its own.") from None
    return int(text)


def _nodes() -> list[Mapping[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def local_resources() -> list[Mapping[str, float]]:
    """What a local Ray would offer, without starting it."""
    gpus = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        gpus = min(gpus, len([device for device in visible.split(",") if device.strip()]))
    return [{"CPU": len(os.sched_getaffinity(0)), "GPU": gpus}]


@contextlib.contextmanager
def _logs_sent_to(log_file: str | None) -> Iterator[None]:
    # Ray empties the handlers of its topmost logger when it starts, so those right below it get them
    handler = logging.FileHandler(log_file, delay=True) if log_file else logging.NullHandler()
    loggers = [logging.getLogger(name) for name in RAY_LOGGERS]
    for logger in loggers:
        logger.propagate = False
        logger.handlers = [handler]
    try:
        yield
    finally:
        for logger in loggers:
            logger.handlers = [logging.NullHandler()]
        handler.close()
