"""What the parts of a running service share."""

import re
from dataclasses import dataclass

from starlette.requests import Request

from distrnn.registry import Registry
from distrnn.service.held import Held
from distrnn.service.listing import CachedListing
from distrnn.service.metrics import Metrics
from distrnn.service.settings import Settings
from distrnn.service.trial import Trials

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](?::\d{1,5})?")


@dataclass(frozen=True)
class State:
    """The registry, and what is kept in memory about it."""

    settings: Settings
    registry: Registry
    listing: CachedListing
    trials: Trials
    metrics: Metrics
    held: Held


def state_of(request: Request) -> State:
    """The state of the service that got this request."""
    found = request.app.state.distrnn
    if not isinstance(found, State):
        raise TypeError("the application was not made by create_app")
    return found


def public_url(request: Request) -> str:
    """The address of this service as its user types it: the one that was set, else the one that this request came by."""
    if configured := state_of(request).settings.public_url:
        return configured.rstrip("/")
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host if _HOST.fullmatch(host) else 'HOST'}"
