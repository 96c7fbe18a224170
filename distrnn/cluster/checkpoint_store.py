"""The checkpoints of a run in its storage: each a folder of files that every worker brings its own part of.

A checkpoint counts once its last file is there, which worker 0 writes when all have brought theirs. Which there are, where a run goes on
and which are too old is read from the storage itself: a list beside it (Ray Train would keep one) can be lost or cut short.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath

from distrnn.errors import DistrnnError, IntegrityError
from distrnn.storage import Store

FOLDER = "checkpoints"
LIST_OF_RAYS = "checkpoint_manager_snapshot.json"
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
        """All checkpoints that were written to the end, in the order of training: their names begin with the epoch and the step."""
        return sorted(self._ends())

    def _ends(self) -> dict[str, datetime]:
        """When the last file of each was written."""
        keys = ((PurePosixPath(entry.key.removeprefix(f"{self._prefix}/")), entry) for entry in self._store.list(f"{self._prefix}/"))
        return {str(key.parent): entry.modified for key, entry in keys if len(key.parts) == 2 and key.name in LAST_WRITTEN}

    def drop_list_of_rays(self) -> None:
        """Remove the list that Ray Train has left: nothing needs it, and Ray does not start where it was cut short."""
        self._store.delete(f"{self._prefix}/{LIST_OF_RAYS}")

    def put(self, name: str, folder: Path, all_have_written: Callable[[], object] = lambda: None) -> None:
        """Bring the files of `folder` into checkpoint `name`.

        Args:
            name: of the checkpoint.
            folder: with this worker's part.
            all_have_written: returns when every worker has called it; then the last file is written.
        Raises:
            DistrnnError: a file could not be written; those that were are removed as far as possible.
        """
        files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name in LAST_WRITTEN)
        parts = [path for path in files if path.name not in LAST_WRITTEN]
        try:
            self._put(name, folder, parts)
            all_have_written()
            self._put(name, folder, files[len(parts) :])
        except (DistrnnError, OSError):
            self._remove([self._key(name, folder, path) for path in files])
            raise

    def _put(self, name: str, folder: Path, files: Sequence[Path]) -> None:
        for path in files:
            self._store.put_file(self._key(name, folder, path), path)

    def _key(self, name: str, folder: Path, path: Path) -> str:
        return f"{self._prefix}/{name}/{path.relative_to(folder).as_posix()}"

    def keep(self, count: int) -> None:
        """Remove all but those that were written last; what cannot be removed stays."""
        ends = self._ends()
        for name in sorted(ends, key=lambda name: (ends[name], name))[:-count]:
            start = f"{self._prefix}/{name}/"
            keys = [entry.key for entry in self._store.list(start)]
            # the last file first: what is half removed counts no more
            self._remove(sorted(keys, key=lambda key: key.removeprefix(start) not in LAST_WRITTEN))
            if (folder := self._store.local_path(start.rstrip("/"))) is not None:
                shutil.rmtree(folder, ignore_errors=True)

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
