"""Amounts as people type them: `30d`, `90m`, `5GB`."""

import re
from datetime import timedelta

from distrnn.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)", re.ASCII)


def duration(text: str) -> timedelta:
    """Read a length of time.

    Args:
        text: a number and one of s, m, h, d, w, for instance `30d`; `0` needs no unit.
    Raises:
        UsageError: it is something else, or longer than a calendar is.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match and (match[2].lower() in _SECONDS or (not match[2] and float(match[1]) == 0)):
        try:
            return timedelta(seconds=float(match[1]) * _SECONDS.get(match[2].lower(), 1))
        except OverflowError:
            pass
    raise UsageError(f"expected a length of time such as 90s, 45m, 24h, 30d or 8w. Received: {text!r}")


def byte_size(text: str) -> int:
    """Read an amount of bytes.

    Args:
        text: a number and one of B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (of 1024), for instance `5GB`.
    Raises:
        UsageError: it is something else.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match and match[2].upper() in _BYTES:
        return round(float(match[1]) * _BYTES[match[2].upper()])
    raise UsageError(f"expected an amount of bytes such as 500MB, 5GB or 2GiB. Received: {text!r}")
