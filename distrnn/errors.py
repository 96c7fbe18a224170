"""Every error a user can cause, and the exit code it ends the program with.

    DistrnnError                1
    ├── UsageError              2   the command line
    ├── WorkflowError           2   the workflow file: file, key, expected, received, nearest key
    ├── DataError               1   the input text, its labels, its size
    ├── StorageError            1   a disk that is full, a server that does not answer
    ├── MissingExtraError       1   a package of an extra that is not installed
    ├── NotFoundError           3   a model, version, alias, run or file that does not exist
    ├── GateRefusedError        4   a promotion whose rules were not met
    ├── IntegrityError          5   bytes that do not match their digest
    ├── ConflictError           6   somebody else was first
    ├── AccessError             7   credentials or permissions
    ├── DivergedError           8   a loss that is no number any more
    └── InterruptedRunError     130 by SIGINT, 143 by SIGTERM

Every error is rebuilt from its fields when it crosses a process border (Ray, multiprocessing), so nothing is lost on the way.
"""

from typing import Any


class DistrnnError(Exception):
    """Base of the tree; `message` says what was expected, what was received, what to do next."""

    code = 1

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.fields)

    def __str__(self) -> str:
        return self.message

    @property
    def exit_code(self) -> int:
        """The program's exit code for this error."""
        return self.code

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` prints for an error."""
        return {"error": type(self).__name__.removesuffix("Error"), "message": self.message, "code": self.exit_code}


def _rebuild(kind: type[DistrnnError], message: str, fields: dict[str, Any]) -> DistrnnError:
    return kind(message, **fields)


class UsageError(DistrnnError):
    """The command line asks for something that makes no sense."""

    code = 2


class WorkflowError(DistrnnError):
    """A workflow file (or a `--set`) that is wrong; `fields`: file, key, expected, received, nearest."""

    code = 2


class DataError(DistrnnError):
    """The input is missing, empty, unreadable or too small."""


class StorageError(DistrnnError):
    """The disk or the object store failed for a reason that is neither absence, access nor conflict."""


class MissingExtraError(DistrnnError):
    """A verb needs packages of an extra that is not installed."""


class NotFoundError(DistrnnError):
    """The named thing does not exist."""

    code = 3


class GateRefusedError(DistrnnError):
    """A promotion was refused by its rules; the version is published all the same."""

    code = 4


class IntegrityError(DistrnnError):
    """Bytes do not match the digest they are stored under, or a hostile manifest."""

    code = 5


class ConflictError(DistrnnError):
    """A write lost a race, or the store cannot decide races."""

    code = 6


class AccessError(DistrnnError):
    """Credentials are missing or wrong, or permission is denied."""

    code = 7


class DivergedError(DistrnnError):
    """Training produced a loss that is not finite."""

    code = 8


class InterruptedRunError(DistrnnError):
    """A run was stopped by a signal; `signal` is its number (2 or 15)."""

    def __init__(self, message: str, *, signal: int = 2) -> None:
        super().__init__(message, signal=signal)

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM."""
        return 128 + int(self.fields["signal"])
