"""What a service is told when it starts."""

import re
from dataclasses import dataclass, field

from distrnn.errors import UsageError
from distrnn.service.tokens import Tokens

_PUBLIC = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+(?:/[A-Za-z0-9._~-]+)*/?")


@dataclass(frozen=True)
class Settings:
    """A service's settings.

    Attributes:
        tokens: whoever shows one may move aliases; none: nobody may.
        public_url: what the pages tell people to type, and that there is a proxy, which says whose request it is (X-Forwarded-For); '' for
            the address that each of them came by, and the client that is connected.
        requests_per_s: of one client, on average; twice as many may come at once. 0: as many as it likes.
        metrics_age_s: how old the figures of the registry may be that /metrics shows.
        page_age_s: how old what pages and REST show may be.
        stored_age_s: how old the count of stored bytes may be, which needs a listing of every blob.
        text_characters: the longest text that a model judges or goes on from.
        texts: how many of them at once.
        generated_tokens: the most that a language model writes.
        body_bytes: the largest request.
        model_bytes: the largest model that is loaded to be tried.
        models_loaded: how many models stay in memory.
    """

    tokens: Tokens = field(default_factory=Tokens)
    public_url: str = ""
    requests_per_s: float = 50.0
    metrics_age_s: float = 15.0
    page_age_s: float = 2.0
    stored_age_s: float = 600.0
    text_characters: int = 20_000
    texts: int = 32
    generated_tokens: int = 500
    body_bytes: int = 1 << 20
    model_bytes: int = 1 << 30
    models_loaded: int = 4

    def __post_init__(self) -> None:
        if self.public_url and not _PUBLIC.fullmatch(self.public_url):
            raise UsageError(f"--public-url must be http://host:port or https://host/path. Received: {self.public_url!r}")
        if not 0 <= self.requests_per_s < 1e6:
            raise UsageError(f"--requests-per-second must be 0 (no limit) or more. Received: {self.requests_per_s!r}")
        if not 0 <= self.metrics_age_s < 1e6:
            raise UsageError(f"--metrics-age must be 0 seconds or more. Received: {self.metrics_age_s!r}")

    @property
    def behind_proxy(self) -> bool:
        """Whether a proxy hands the requests on."""
        return bool(self.public_url)
