"""The checkpoints of a run in its storage: each a folder of files that every worker brings its own part of.

Ray Train keeps the list (which there are, which is the last, which are too old); the files go through our own storage, whose writes are
whole or not there and are tried again where that helps.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from distrnn.errors import DistrnnError, IntegrityError
from distrnn.storage import Store

FOLDER = "checkpoints"
LAST_WRITTEN = "position.json"


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        store: the storage root.
        run_folder: key of the run in it.
    """

    def __init__(self, store: Store, run_folder: str) -> None:
        self._store = store
        self._prefix = f"{run_folder}/{FOLDER}"

    def put(self, name: str, folder: Path) -> None:
        """Bring the files of `folder` into checkpoint `name`.

        Raises:
            DistrnnError: a file could not be written; those that were are removed as far as possible.
        """
        files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name == LAST_WRITTEN)
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


def newest_whole(names: Sequence[str], check: Callable[[str], object], tell: Callable[[str], None]) -> str | None:
    """The newest checkpoint that can be read, saying of each that cannot.

    Args:
        names: oldest first.
        check: raises IntegrityError for a damaged one.
        tell: takes a message.
    """
    for name in reversed(names):
        try:
            check(name)
        except IntegrityError as error:
            tell(f"checkpoint {name} cannot be used ({error.message}); going on from the one before it")
        else:
            return name
    return None
