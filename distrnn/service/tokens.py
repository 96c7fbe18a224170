"""Bearer tokens of those who may move aliases: compared in constant time, kept as digests, never printed."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from distrnn.errors import AccessError, NotFoundError, UsageError

SHORTEST = 16


@dataclass(frozen=True)
class Tokens:
    """The tokens that are accepted, as their sha256."""

    digests: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, tokens: Iterable[str]) -> "Tokens":
        """Accept these tokens.

        Raises:
            UsageError: one is too short to be a secret, or cannot be sent in a header.
        """
        kept = list(tokens)
        for token in kept:
            if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
                raise UsageError(
                    f"a token must have {SHORTEST} or more printable ASCII characters without spaces. Received one with {len(token)}; make "
                    "one with: openssl rand -hex 32"
                )
        return cls(tuple(sha256(token.encode()).digest() for token in kept))

    @classmethod
    def read(cls, path: Path) -> "Tokens":
        """Accept the tokens in a file, one a line; empty lines and those that begin with # are skipped.

        Raises:
            NotFoundError: there is no such file.
            AccessError: this user may not read it.
            UsageError: it holds no token, or one that is none.
        """
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, IsADirectoryError):
            raise NotFoundError(f"no file {str(path)!r} to read tokens from.") from None
        except PermissionError:
            raise AccessError(f"{path}: permission denied. Let this user read the file with the tokens.") from None
        found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not found:
            raise UsageError(f"{path} holds no token. Expected one a line.")
        return cls.of(found)

    def __bool__(self) -> bool:
        return bool(self.digests)

    def accept(self, authorization: str) -> bool:
        """Whether the value of an Authorization header carries one of the tokens; every token is compared, whichever it is."""
        scheme, _, shown = authorization.partition(" ")
        digest = sha256(shown.strip().encode("utf-8", "replace")).digest()
        matches = [hmac.compare_digest(digest, known) for known in self.digests]
        return scheme.lower() == "bearer" and any(matches)
