"""References to model versions: `name`, `name@alias`, `name@v3`, `name@sha256:…`, and MLflow's `models:/…`.

A reference that cannot be mistaken is what makes a command line trustworthy, so the grammar is strict: names and aliases
are lower-case, `latest`, `v<digits>` and `sha256:…` are reserved, and nothing here can name a path.
"""

import re
from dataclasses import dataclass
from typing import Literal

from distrnn.errors import UsageError

NAME_PATTERN = r"[a-z0-9][a-z0-9._-]{0,62}"
_NAME = re.compile(NAME_PATTERN)
_NUMBER = re.compile(r"v(\d{1,10})")
_DIGEST = re.compile(r"sha256:([0-9a-f]{12,64})")


@dataclass(frozen=True)
class ModelRef:
    """A parsed reference; `selector` is '' for latest, an alias, digits of a version, or hex digits of a digest."""

    name: str
    kind: Literal["latest", "alias", "number", "digest"]
    selector: str = ""

    @classmethod
    def parse(cls, text: str) -> "ModelRef":
        """Read a reference.

        Args:
            text: `name`, `name@latest`, `name@alias`, `name@v3`, `name@sha256:<12 hex digits or more>`,
                `models:/name@alias` or `models:/name/3`.
        Raises:
            UsageError: `text` is none of these.
        """
        name, at, selector = text.removeprefix("models:/").partition("@")
        if text.startswith("models:/") and not at and "/" in name:
            name, _, number = name.partition("/")
            selector = f"v{number}" if number.isdigit() else number
        check_name(name, "model")
        if selector in ("", "latest"):
            if at and not selector:
                raise UsageError(f"reference must be NAME@ALIAS, NAME@v3 or NAME@sha256:…. Received: {text!r}")
            return cls(name, "latest")
        if match := _NUMBER.fullmatch(selector):
            if int(match[1]) == 0:
                raise UsageError(f"version numbers start at v1. Received: {text!r}")
            return cls(name, "number", str(int(match[1])))
        if match := _DIGEST.fullmatch(selector):
            return cls(name, "digest", match[1])
        if selector.startswith("sha256:"):
            raise UsageError(f"a digest reference needs 12 to 64 hexadecimal digits. Received: {text!r}")
        check_alias(selector)
        return cls(name, "alias", selector)

    def __str__(self) -> str:
        prefix = {"latest": "latest", "alias": "", "number": "v", "digest": "sha256:"}[self.kind]
        return f"{self.name}@{prefix}{self.selector}"


def check_name(name: str, what: str = "model") -> str:
    """Return `name` if it is a valid model name.

    Raises:
        UsageError: it is not.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{what} name must start with a lower-case letter or digit and go on with lower-case letters, digits, '.', '_' or '-' "
            f"(63 characters at most). Received: {name!r}"
        )
    return name


def check_alias(alias: str) -> str:
    """Return `alias` if it is a valid alias that is not reserved.

    Raises:
        UsageError: it is not.
    """
    check_name(alias, "alias")
    if alias == "latest" or _NUMBER.fullmatch(alias):
        raise UsageError(f"alias {alias!r} is reserved: 'latest' and v<digits> name versions by themselves. Choose another word.")
    return alias
