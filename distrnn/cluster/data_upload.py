"""Bringing what a workflow names by local paths to where a cluster finds it: `distrnn submit --upload-data`.

Files go below `uploads/<digest>/` of the storage root. The digest is one of their names and contents: what lies there never changes, and
the same data is sent once, whoever submits it.

An upload is whole when each of its files is there. A file becomes visible with the sha256 that was promised or not at all, and the
workflow that names the URL is sent behind the last of them, so no run finds a part. One that broke has left some files; whoever submits
the same data next lists what is there and sends the others. A mark of completeness would say less: it may outlive a file that somebody
has deleted.
"""

import hashlib
import json
import math
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distrnn.data.downloads import file_digest
from distrnn.data.source_files import SourceFile, file_at, find_files
from distrnn.errors import ConflictError, DataError, NotFoundError, UsageError, WorkflowError
from distrnn.storage import Store, open_store
from distrnn.workflow import LoadedWorkflow
from distrnn.workflow.document import local_paths
from distrnn.workflow.rules import KERAS_ENDING, KERAS_FILE, KERAS_STAYS_HERE

FOLDER = "uploads"
MAX_BYTES = 100_000_000
AT_ONCE = 8
NOT_DATA = ("storage.root",)
ONE_FILE = ("model.pretrained.path",)
UNSENDABLE = re.compile(r"[\\\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True)
class Named:
    """What a key of a workflow names on this machine.

    Attributes:
        key: dotted.
        path: a file, a folder or a glob, absolute.
        files: those that are meant, hidden ones left out; they share their `root`.
    """

    key: str
    path: str
    files: tuple[SourceFile, ...]

    @property
    def root(self) -> str:
        """The folder that the names of the files are seen from."""
        return self.files[0].root

    @property
    def below(self) -> str:
        """What the path says below `root`: the name of a file, a glob, nothing for a folder."""
        return posixpath.relpath(self.path, self.root) if self.path != self.root else ""


@dataclass(frozen=True)
class Upload:
    """What is sent, and what the workflow says afterwards.

    Attributes:
        urls: what stands at each dotted key in place of the local path.
        files: each file and its sha256 by its key in the storage root.
    """

    urls: Mapping[str, str]
    files: Mapping[str, tuple[SourceFile, str]]

    def applied(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A workflow document with the URLs in place of the paths."""
        changed: dict[str, Any] = _replaced(document, {tuple(key.split(".")): url for key, url in self.urls.items()})
        return changed


def prepare(loaded: LoadedWorkflow, storage: str) -> Upload:
    """Find out what has to be sent for a workflow; nothing is sent yet.

    Args:
        loaded: the workflow.
        storage: URL of the storage root.
    Raises:
        NotFoundError: a path leads to nothing.
        WorkflowError: it leads to something that does not work from S3; names the key.
        DataError: a name cannot be one in S3, or a file cannot be read.
        UsageError: it is more than may be sent.
    """
    named = find(loaded)
    check_size(named)
    digests = {path: file_digest(Path(path)) for path in dict.fromkeys(file.url for one in named for file in one.files)}
    return decide(named, digests, storage, with_folder=loaded.workflow.data.source == "text")


def find(loaded: LoadedWorkflow) -> list[Named]:
    """The local data of a workflow (see `prepare`)."""
    named = [Named(key, path, tuple(_files(key, path))) for key, path in local_data(loaded.to_json()).items()]
    for one in named:
        is_keras = one.path.endswith(KERAS_ENDING) or any(file.key == KERAS_FILE for file in one.files)
        if one.key == "data.path" and loaded.workflow.data.source == "imdb" and is_keras:
            message = f"{loaded.file}: key {one.key!r}: expected {KERAS_STAYS_HERE}. Received: {one.path}"
            raise WorkflowError(message, file=loaded.file, key=one.key)
    return named


def local_data(document: Mapping[str, Any]) -> dict[str, str]:
    """The local paths of a workflow document that an upload takes, by their dotted keys."""
    return {key: path for key, path in local_paths(document).items() if key not in NOT_DATA}


def check_size(named: Sequence[Named]) -> None:
    """Refuse more than `MAX_BYTES` in all, a file that two keys name counted once.

    Raises:
        UsageError: it is more; says how much each key has.
    """
    total = _size_bytes(file for one in named for file in one.files)
    if total > MAX_BYTES:
        each = ", ".join(f"{one.key} {_shown(_size_bytes(one.files))}" for one in named)
        raise UsageError(
            f"--upload-data: expected at most {MAX_BYTES // 10**6} MB of local data. Received: {_shown(total)} ({each}). Copy it to an S3 "
            "server and let the keys name s3:// URLs."
        )


def decide(named: Sequence[Named], digests: Mapping[str, str], storage: str, *, with_folder: bool) -> Upload:
    """Which file goes where.

    What lies within a folder that is sent as a whole is sent with it and no second time.

    Args:
        named: by the workflow's keys.
        digests: sha256 of each file by its path.
        storage: URL of the storage root.
        with_folder: keep the name of the folder that names are seen from, which is the label of a text.
    Raises:
        DataError: the name of a folder cannot be one in an s3:// URL.
    """
    urls: dict[str, str] = {}
    files: dict[str, tuple[SourceFile, str]] = {}
    for one in named:
        whole = _holder(one, named)
        folder = f"{posixpath.basename(whole.root)}/" if with_folder else ""
        contents = sorted((folder + file.key, digests[file.url]) for file in whole.files)
        place = f"{FOLDER}/{hashlib.sha256(json.dumps(contents).encode()).hexdigest()}"
        files |= {f"{place}/{folder}{file.key}": (file, digests[file.url]) for file in whole.files}
        between = posixpath.relpath(one.root, whole.root) if one.root != whole.root else ""
        parts = [storage, place, folder.rstrip("/"), between]
        _check_folder(one, "/".join(filter(None, parts)))
        urls[one.key] = "/".join(filter(None, [*parts, one.below]))
    return Upload(urls, files)


def send(upload: Upload, store: Store, say: Callable[[str], None]) -> None:
    """Send every file that is not there.

    Args:
        upload: what is needed.
        store: the storage root.
        say: told what is sent, if anything is.
    Raises:
        DataError: a file changed since it was looked at.
        AccessError: this machine may not read or write there.
    """
    places = dict.fromkeys("/".join(key.split("/")[:2]) for key in upload.files)
    there = {entry.key: entry.size_bytes for place in places for entry in store.list(f"{place}/")}
    missing = {key: found for key, found in upload.files.items() if there.get(key) != found[0].size_bytes}
    if not missing:
        return
    total = sum(file.size_bytes for file, _ in missing.values())
    say(f"Uploading {len(missing)} file{'s' if len(missing) > 1 else ''}, {_shown(total)}, to {store.url}/{FOLDER}.")
    with ThreadPoolExecutor(min(AT_ONCE, len(missing))) as pool:
        list(pool.map(lambda item: _send(store, item[0], *item[1]), missing.items()))


def _send(store: Store, key: str, file: SourceFile, sha256: str) -> None:
    try:
        store.put_file(key, Path(file.url), sha256=sha256)
    except (FileNotFoundError, ConflictError) as error:
        if isinstance(error, ConflictError) and error.fields.get("kind") != "changed":
            raise
        raise DataError(f"{file.url} changed while it was uploaded. Submit again when nothing writes to it any more.") from None


def _files(key: str, path: str) -> list[SourceFile]:
    if key in ONE_FILE:
        alone = file_at(path)
        if alone is None:
            raise NotFoundError(f"{key}: expected a file. Received: {path!r}, which is none. Correct it.")
        found = [alone]
    else:
        try:
            found = find_files(path, ("",), key)
        except DataError:
            raise DataError(f"{key}: expected a folder with files. Received: {path!r}, which has none.") from None
    for file in found:
        if UNSENDABLE.search(file.key):
            raise DataError(f"{key}: expected names of files that S3 can hold. Received: {file.url!r}. Rename it.")
    return found


def _holder(one: Named, named: Sequence[Named]) -> Named:
    """The outermost folder that is sent as a whole and has all of these files; else what is named itself."""
    wanted = {file.url for file in one.files}
    above = [other for other in named if not other.below and f"{one.root}/".startswith(f"{other.root}/")]
    return min((other for other in above if wanted <= {file.url for file in other.files}), key=lambda other: len(other.root), default=one)


def _check_folder(one: Named, url: str) -> None:
    try:
        is_kept = open_store(url).url == url
    except UsageError:
        is_kept = False
    if not is_kept:
        raise DataError(f"{one.key}: expected a folder whose name an s3:// URL can hold. Received: {one.root!r}. Rename it.")


def _size_bytes(files: Iterable[SourceFile]) -> int:
    return sum({file.url: file.size_bytes for file in files}.values())


def _shown(size_bytes: int) -> str:
    """In MB, rounded up, so that what is too much also looks so."""
    return f"{math.ceil(size_bytes / 100_000) / 10:,.1f} MB"


def _replaced(section: Any, values: Mapping[tuple[str, ...], str]) -> Any:
    """A section with values put at their keys."""
    if () in values:
        return values[()]
    if not isinstance(section, Mapping):
        return section
    return {name: _replaced(below, {key[1:]: url for key, url in values.items() if key[0] == name}) for name, below in section.items()}
