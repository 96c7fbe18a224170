"""Telling a webhook what came of a tick: one JSON document, signed, sent up to five times until somebody has taken it.

It is told once a decision is on record, by whoever lets the state take note of it: a scheduler that dies in between is told for by the next
one, perhaps a second time. What is on its way when a scheduler is killed is not sent by another; the history has it all the same.

POST <url>
Content-Type: application/json
X-Distrnn-Delivery: <workflow>-<number>          the same for each attempt, so that a receiver can drop what it has
X-Distrnn-Timestamp: <Unix time>
X-Distrnn-Signature: sha256=<hex>                HMAC-SHA256 of "<timestamp>.<body>" with DISTRNN_WEBHOOK_SECRET; absent without one

{"event": "schedule.outcome", "workflow", "number", "tick", "missed", "attempt", "outcome", "reason", "run_id", "version",
 "promotion", "error", "exit_code", "retry_at", "began_at", "ended_at", "registry"}
"""

import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from distrnn.errors import StorageError
from distrnn.retraining.state import Entry

URL, SECRET = "DISTRNN_WEBHOOK_URL", "DISTRNN_WEBHOOK_SECRET"
PAUSES_S = (1.0, 4.0, 15.0, 60.0)
TIMEOUT_S = 10.0
NOT_TOLD = ("schema_version", "scheduler", "seconds")


class _NoDetour(urllib.request.HTTPRedirectHandler):
    """Followed, a redirection would become a GET that tells nobody anything, and be taken for an answer."""

    def redirect_request(self, *_: Any) -> None:
        """Let it be an error."""


_OPENER = urllib.request.build_opener(_NoDetour)


@dataclass(frozen=True)
class Webhook:
    """Where to tell it.

    Attributes:
        url: http(s)://…
        secret: of the signature; None: nothing is signed.
        sleep: waits between attempts.
        now: Unix time.
    """

    url: str
    secret: str | None = None
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], float] = time.time

    def tell(self, entry: Entry, registry: str) -> None:
        """Send a decision, again and again for as long as `PAUSES_S` says.

        Raises:
            StorageError: nobody has taken it.
        """
        body = json.dumps(payload(entry, registry), ensure_ascii=False).encode()
        problem = self._send(entry, body)
        for pause_s in PAUSES_S:
            if problem is None:
                return
            self.sleep(pause_s)
            problem = self._send(entry, body)
        if problem is not None:
            raise StorageError(f"the webhook of {entry.workflow} did not take the outcome of {entry.tick.isoformat()}: {problem}")

    def _send(self, entry: Entry, body: bytes) -> str | None:
        """Send it once; returns what went wrong, without the URL, which may hold a secret."""
        request = urllib.request.Request(self.url, data=body, headers=headers(entry, body, self.secret, int(self.now())))  # noqa: S310 (http or https, see the rules)
        try:
            with _OPENER.open(request, timeout=TIMEOUT_S):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            return f"it answered {error.code}"
        except OSError as error:
            return str(getattr(error, "reason", error)).lower()
        except http.client.HTTPException as error:
            return f"its answer is no HTTP: {type(error).__name__}"


def payload(entry: Entry, registry: str) -> dict[str, Any]:
    """The document that is sent."""
    document = {key: value for key, value in entry.model_dump(mode="json").items() if key not in NOT_TOLD}
    return {"event": "schedule.outcome", **document, "registry": registry}


def headers(entry: Entry, body: bytes, secret: str | None, timestamp: int) -> dict[str, str]:
    """The headers that go with a body."""
    signed = {"X-Distrnn-Signature": f"sha256={signature(body, secret, timestamp)}"} if secret else {}
    return {
        "Content-Type": "application/json",
        "User-Agent": "distrnn",
        "X-Distrnn-Delivery": f"{entry.workflow}-{entry.number}",
        "X-Distrnn-Timestamp": str(timestamp),
        **signed,
    }


def signature(body: bytes, secret: str, timestamp: int) -> str:
    """HMAC-SHA256 of time and body, in hexadecimal; the time is in it so that nobody can send an old message again."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
