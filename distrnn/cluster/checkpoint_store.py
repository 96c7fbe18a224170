"""The checkpoints of a run in its storage: each a folder of files that every worker brings its own part of.

The files go through our own storage, whose writes are whole or not there and are tried again where that helps. Ray Train keeps a list of
its own, for what it deletes; where a run goes on is decided by what the storage holds, so a list that is lost costs no work.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from distrnn.errors import DistrnnError, IntegrityError
from distrnn.storage import Store

FOLDER = "checkpoints"
LAST_WRITTEN = ("position.json", "outcome.json")


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        store: the storage root.
        run_folder: key of the run in it.
    """

    def __init__(self, store: Store, run_folder: str) -> None:
        self._store = store
        self._prefix = f"{run_folder}/{FOLDER}"

    def names(self) -> list[str]:
        """All checkpoints that worker 0 has written to the end, oldest first: their names begin with the epoch and the step."""
        keys = (PurePosixPath(entry.key.removeprefix(f"{self._prefix}/")) for entry in self._store.list(f"{self._prefix}/"))
        return sorted(str(key.parent) for key in keys if len(key.parts) == 2 and key.name in LAST_WRITTEN)

    def put(self, name: str, folder: Path) -> None:
        """Bring the files of `folder` into checkpoint `name`.

        Raises:
            DistrnnError: a file could not be written; those that were are removed as far as possible.
        """
        files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name in LAST_WRITTEN)
        keys = [f"{self._prefix}/{name}/{path.relative_to(folder).as_posix()}" for path in files]
        try:
            for key, path in zip(keys, files, strict=True):
                self._store.put_file(key, path)
        except (DistrnnError, OSError):
            self._remove(keys)
            raise

    def _remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                self._store.delete(key)
            except (DistrnnError, OSError):
                return

    @contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        """The files of checkpoint `name` in a folder, copied if they have to be."""
        local = self._store.local_path(f"{self._prefix}/{name}")
        if local is not None:
            yield local
            return
        with tempfile.TemporaryDirectory(prefix="distrnn-checkpoint-") as temporary:
            start = f"{self._prefix}/{name}/"
            for entry in self._store.list(start):
                target = Path(temporary, PurePosixPath(entry.key.removeprefix(start)))
                target.parent.mkdir(parents=True, exist_ok=True)
                self._store.get_file(entry.key, target)
            yield Path(temporary)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder`, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check_digests(folder: Path, expected: Mapping[str, str]) -> None:
    """See that `folder` holds what it held when its digests were taken.

    Raises:
        IntegrityError: it does not; names the first file that differs.
    """
    found = digests(folder)
    for name in [*expected, *found]:
        if expected.get(name) != found.get(name):
            raise IntegrityError(f"its file {name} is not what was written")


def newest_whole(names: Sequence[str], check: Callable[[str], object], tell: Callable[[str], None]) -> str | None:
    """The newest checkpoint that can be read, saying of each that cannot.

    Args:
        names: oldest first.
        check: raises IntegrityError for a damaged one.
        tell: takes a message.
    """
    for index, name in reversed(list(enumerate(names))):
        try:
            check(name)
        except IntegrityError as error:
            consequence = "going on from the one before it" if index else "there is none before it, so training starts over"
            tell(f"checkpoint {name} cannot be used ({error.message}); {consequence}")
        else:
            return name
    return None
