"""Pulling a version: verified bytes in the cache, or copied to a folder of the caller's."""

import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from distrnn.errors import IntegrityError, NotFoundError, UsageError
from distrnn.registry.cache import Cache, Fetch, matches, place
from distrnn.registry.layout import blob_key
from distrnn.registry.manifest import FileEntry, ModelVersion
from distrnn.storage import Store
from distrnn.storage.local_errors import os_errors


def pull(
    store: Store | None,
    cache: Cache,
    version: ModelVersion,
    dest: Path | None,
    form: str,
    *,
    still_there: Callable[[], object] | None = None,
) -> Path:
    """Bring one form of a version to this machine.

    Args:
        store: the registry; None: the cache alone.
        cache: where verified bytes are kept.
        version: what to bring.
        dest: a folder to fill; None: the folder in the cache, which is not to be written to.
        form: `numpy`, `keras`, … or `all`.
        still_there: asked when a file is missing in the registry; raises NotFoundError if the version was deleted meanwhile.
    Returns:
        The folder.
    Raises:
        NotFoundError: the version was deleted, does not have this form, or (offline) the cache does not have it.
        IntegrityError: a file does not match its digest, or is missing.
        UsageError: `dest` holds other files under the same names.
    """
    files = version.manifest.files_of(form)
    if form != "all" and form not in version.manifest.forms:
        raise NotFoundError(f"{version} has no form {form!r}. It has: {', '.join(version.manifest.forms) or 'none'}.")
    fetch = _fetch(store, version, still_there)
    while True:
        ready = cache.folder(version, form, files, fetch)
        if dest is None:
            return ready
        try:
            return _fill(dest, ready, files, version)
        except FileNotFoundError:
            # Somebody pruned the cache while the folder was copied: what was copied stays, the rest is brought again.
            if all((ready / file.path).exists() for file in files):
                raise


def _fetch(store: Store | None, version: ModelVersion, still_there: Callable[[], object] | None) -> Fetch:
    def fetch(file: FileEntry, path: Path, update: Callable[[bytes], object]) -> None:
        if store is None:
            raise NotFoundError(f"{file.path} of {version} is not in the cache of this machine. Pull it once without --offline.")
        try:
            store.get_file(blob_key(version.name, file.sha256), path, update=update, limit_bytes=file.size_bytes, resume=True)
        except NotFoundError as error:
            if error.fields.get("kind") != "key":
                raise
            if still_there is not None:
                still_there()
            raise IntegrityError(
                f"{file.path} of {version} is missing in the registry. Publish the model again, or pull another version.",
                file=file.path,
                version=str(version),
            ) from error

    return fetch


def _fill(dest: Path, ready: Path, files: Sequence[FileEntry], version: ModelVersion) -> Path:
    """Copy files to a folder of the caller's: the whole folder appears at once, or only what is missing in one that exists."""
    temporary = dest.with_name(f".{dest.name}-{uuid.uuid4().hex[:12]}")
    with os_errors(dest):
        if not dest.exists() and not dest.is_symlink():
            dest.parent.mkdir(parents=True, exist_ok=True)
            try:
                for file in files:
                    place(ready / file.path, temporary / file.path, link=False)
                os.rename(temporary, dest)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            return dest
        missing = [file for file in files if not _present(dest, file, version)]
        for file in missing:
            target = dest / file.path
            part = target.with_name(f".{target.name}-{uuid.uuid4().hex[:12]}")
            try:
                place(ready / file.path, part, link=False)
                os.replace(part, target)
            finally:
                part.unlink(missing_ok=True)
    return dest


def _present(dest: Path, file: FileEntry, version: ModelVersion) -> bool:
    """Whether the file is there already; anything else under its name is not ours to replace."""
    if not dest.is_dir():
        raise UsageError(f"{dest} is not a folder. Expected a folder to pull {version} into, or a name that is free.")
    target = dest / file.path
    steps = [dest.joinpath(*Path(file.path).parts[:depth]) for depth in range(1, len(Path(file.path).parts) + 1)]
    linked = next((step for step in steps if step.is_symlink()), None)
    blocked = next((step for step in steps[:-1] if step.exists() and not step.is_dir()), None)
    foreign = linked or blocked or (target if target.exists() and not matches(target, file) else None)
    if foreign is not None:
        raise UsageError(
            f"{foreign} exists and is not what {version} has there. Nothing was written; choose an empty folder, or remove it."
        )
    return target.exists()
