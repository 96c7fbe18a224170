"""What the operating system says about a disk, in the words of the error tree."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distrnn.errors import AccessError, DistrnnError, StorageError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def classify_os_error(error: OSError, path: str | Path) -> DistrnnError:
    """The DistrnnError that stands for `error` at `path`."""
    if error.errno in _FULL:
        return StorageError(f"the disk is full: {path} could not be written. Free some space, or choose another place, and run this again.")
    if error.errno in _DENIED:
        return AccessError(f"the system refuses access to {path} ({error.strerror}). Give this user permission, or choose another place.")
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return StorageError(f"{path} cannot be used: a file stands where a folder is expected, or the other way round ({error.strerror}).")
    return StorageError(f"{path} could not be read or written: {error.strerror or error}.")


@contextmanager
def os_errors(path: str | Path) -> Iterator[None]:
    """Raise what goes wrong inside as AccessError or StorageError; a missing file stays FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise classify_os_error(error, path) from error
