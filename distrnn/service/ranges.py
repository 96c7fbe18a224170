"""The Range header: which bytes of a file somebody wants.

One range is answered; several at once, and units other than bytes, are as good as none, and then the whole file is the answer, as the
standard allows.

Source: RFC 9110, sections 13.1.5 and 14.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Span:
    """Bytes [start, end) of a file of `size_bytes`; `partial` where they were asked for."""

    start: int
    end: int
    size_bytes: int
    partial: bool

    @property
    def content_range(self) -> str:
        """The value of the header Content-Range."""
        return f"bytes {self.start}-{self.end - 1}/{self.size_bytes}"


def span_of(header: str | None, size_bytes: int, *, condition: str | None = None, etag: str = "") -> Span | None:
    """The bytes to answer with.

    Args:
        header: Range.
        size_bytes: of the file.
        condition: If-Range; where it is not `etag`, the file has changed and is wanted whole.
        etag: of the file.
    Returns:
        None where no byte of the file is in the range.
    """
    whole = Span(0, size_bytes, size_bytes, partial=False)
    match = _RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]) or (condition is not None and condition.strip() != etag):
        return whole
    if not match[1]:
        last = min(int(match[2]), size_bytes)
        return Span(size_bytes - last, size_bytes, size_bytes, partial=True) if last else None
    start = int(match[1])
    end = min(int(match[2]) + 1, size_bytes) if match[2] else size_bytes
    if match[2] and int(match[2]) < start:
        return whole
    return Span(start, end, size_bytes, partial=True) if start < size_bytes else None


def matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names this version of a file, or any."""
    tags = [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]
    return etag in tags or "*" in tags
