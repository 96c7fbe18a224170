"""Bringing blobs into a model so that no cleaner can take them away before a manifest names them.

announce ► wait while a gc is at work ► upload what is missing ► (commit, by the caller) ► upload again what went missing
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from distrnn.errors import ConflictError, DistrnnError, StorageError
from distrnn.registry.layout import blob_key
from distrnn.registry.lease import wait_until_free
from distrnn.registry.manifest import FileEntry, ModelVersion
from distrnn.registry.pending import Pending
from distrnn.storage import Store

_AT_ONCE = 4


class Upload:
    """The files of a version on their way into a registry; use as a context.

    Args:
        store: the registry.
        name: the model.
        files: where each file of the version lies on this machine.
        repair: upload also what seems to be there, because its bytes may have been altered.

    Attributes:
        pending: the announcement.
    """

    def __init__(self, store: Store, name: str, files: Mapping[FileEntry, Path], *, repair: bool = False) -> None:
        self.store, self.name, self.repair = store, name, repair
        self._paths = {file.sha256: (file, path) for file, path in files.items()}
        self.pending = Pending(store, name, self._paths)

    def __enter__(self) -> "Upload":
        self.pending.renew()
        try:
            wait_until_free(self.store, self.name)
        except BaseException:
            self.pending.remove()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.pending.close()

    def upload(self) -> None:
        """Bring every blob that is not there.

        Raises:
            ConflictError: a file changed while it was being uploaded.
        """
        self._each(self.repair)

    def confirm(self, version: ModelVersion) -> None:
        """After the commit: bring back what a cleaner removed before it could see the manifest.

        Raises:
            StorageError: that could not be found out; the version is published all the same.
        """
        try:
            self._each(repair=False)
        except (DistrnnError, OSError) as error:
            reason = str(error).rstrip(".")
            raise StorageError(
                f"{version} is published in {self.store.url}, but whether all of its files are there could not be checked: {reason}. "
                f"Run `distrnn models verify {version}`: if it names a missing file, publish the folder again.",
                kind="unverified",
                version=str(version),
            ) from error

    def _each(self, repair: bool) -> None:
        files = list(self._paths.values())
        if self.store.is_local or len(files) == 1:
            for file, path in files:
                self._one(file, path, repair)
            return
        with ThreadPoolExecutor(min(_AT_ONCE, len(files))) as pool:
            list(pool.map(lambda pair: self._one(pair[0], pair[1], repair), files))

    def _one(self, file: FileEntry, path: Path, repair: bool) -> None:
        self.pending.renew()
        key = blob_key(self.name, file.sha256)
        if not repair and self.store.size(key) == file.size_bytes:
            return
        try:
            self.store.put_file(key, path, sha256=file.sha256)
        except FileNotFoundError as error:
            raise changed(path) from error
        except ConflictError as error:
            if error.fields.get("kind") == "changed":
                raise changed(path) from error
            raise


def changed(path: Path) -> ConflictError:
    """A file, or something in a folder, is no longer what it was."""
    return ConflictError(f"{path} changed while it was being published. Nothing was published; run this again when nobody writes there.")


def distinct(files: Sequence[FileEntry], folder: Path) -> dict[FileEntry, Path]:
    """Where the files of a version lie in a folder."""
    return {file: folder / file.path for file in files}
