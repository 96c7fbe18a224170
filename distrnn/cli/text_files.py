"""Text that a command line names: files, or stdin for `-`. UTF-8, and nothing but a line feed ends a line."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from distrnn.errors import DataError, NotFoundError

STDIN = "-"


def read_text(name: str) -> str:
    """All of a file.

    Raises:
        NotFoundError: there is no such file.
        DataError: it is no UTF-8.
    """
    return "".join(lines_of(name))


def lines_of(name: str) -> Iterator[str]:
    """The lines of a file one after the other, their line feeds included.

    Raises:
        NotFoundError: there is no such file.
        DataError: it is no UTF-8.
    """
    with _opened(name) as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                where = "stdin" if name == STDIN else name
                received = f"line {number} with {error.reason}"
                message = f"{where} must be text in UTF-8. Received: {received}. Convert it, for instance with iconv."
                raise DataError(message, file=where) from None


def _opened(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if name == STDIN:
        return contextlib.nullcontext(sys.stdin.buffer)
    path = Path(name).expanduser()
    if not path.is_file():
        raise NotFoundError(f"no file {name!r}. Name a text file, or {STDIN!r} for stdin.")
    return path.open("rb")
