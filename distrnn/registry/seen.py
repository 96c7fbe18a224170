"""Which files of the cache were verified, so that 200 MB are not hashed again each time they are handed out.

When the sha256 of a file was found right, its device, inode, size and modification time are noted. While all of them are what they were,
the file is taken for unaltered; anything else, and it is hashed again. The argument: whoever writes to the file sets its modification
time to the present, and whoever puts another file in its place changes the inode. A write in the same tick of the file system's clock
would go unnoticed, so the time of a new file is set back before it is noted: every later write has a later time. What the cache
writes is not forced to the disk, and a power failure may take bytes away that were noted; so notes hold until the machine is
started again (where it does not say when that was, there are no notes, and every file is hashed).

Not noticed here is who alters a file *and* sets its time back, and a disk that changes bytes by itself: `distrnn cache verify` hashes
everything.
"""

import os
import stat
import time
import uuid
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

_PIECE_BYTES = 1 << 18
_SET_BACK_NS = 10 * 10**9
_NOTES = 8


class Seen:
    """The notes, one small file for each sha256; they are a convenience, so a folder that cannot be written is no error."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def matches(self, path: Path, size_bytes: int, digest: str) -> bool:
        """Whether a file (not a link to one) has this size and this sha256; hashed only where that is not noted."""
        try:
            found = path.lstat()
        except OSError:
            return False
        if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
            return False
        if _note(found) in self._notes(digest):
            return True
        if hash_of(path) != digest:
            return False
        self.remember(path, digest)
        return True

    def remember(self, path: Path, digest: str) -> None:
        """Note that a file was found to have this sha256."""
        if not _boot():
            return
        with suppress(OSError):
            found = path.lstat()
            if time.time_ns() - found.st_mtime_ns < _SET_BACK_NS:
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns - _SET_BACK_NS), follow_symlinks=False)
                found = path.lstat()
            notes = [note for note in self._notes(digest) if note != _note(found)]
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = self._folder / f".{uuid.uuid4().hex}"
            temporary.write_text("".join(f"{note}\n" for note in [*notes, _note(found)][-_NOTES:]))
            os.replace(temporary, self._folder / digest)

    def forget(self, digest: str) -> None:
        """Drop the note."""
        with suppress(OSError):
            (self._folder / digest).unlink(missing_ok=True)

    def _notes(self, digest: str) -> list[str]:
        try:
            return (self._folder / digest).read_text().splitlines() if _boot() else []
        except (OSError, ValueError):
            return []


def hash_of(path: Path) -> str | None:
    """The sha256 of a file, in hexadecimal; None where there is none that can be read, or a link."""
    digest, buffer = sha256(), memoryview(bytearray(_PIECE_BYTES))
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        while count := os.readv(file, [buffer]):
            digest.update(buffer[:count])
    except OSError:
        return None
    finally:
        os.close(file)
    return digest.hexdigest()


def _note(found: os.stat_result) -> str:
    return f"{_boot()} {found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns}"


@cache
def _boot() -> str:
    """What tells this start of the machine from every other; '' where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
