"""Which files a path means: one file, a folder, a glob, or an s3:// URL of any of them.

A file is known by its store, its key in it and the stamp it had when it was found, so that any process can open the very same bytes or
say that they changed. Nothing here needs pyarrow: whoever submits a run looks for files too.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from distrnn.errors import DataError, NotFoundError
from distrnn.storage import Entry, Store, open_store
from distrnn.storage.local import stamp_of

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True)
class SourceFile:
    """A file of a source.

    Attributes:
        root: URL of the store it lies in.
        key: its key there.
        name: what its documents are called after; unique within the source, and without the path above it.
        size_bytes: as stored.
        stamp: another one whenever the file has changed.
    """

    root: str
    key: str
    name: str
    size_bytes: int
    stamp: str

    @property
    def url(self) -> str:
        """For messages: its path or s3:// URL."""
        return f"{self.root.rstrip('/')}/{self.key}"

    @property
    def store(self) -> Store:
        """The store it lies in."""
        return _store(self.root)

    @property
    def compression(self) -> str | None:
        """`gzip`, `zstd` or None, by the ending of the name."""
        return COMPRESSIONS.get(os.path.splitext(self.key)[1].lower())


def find_files(path: str, endings: Sequence[str], key: str) -> list[SourceFile]:
    """The files that `path` means, in the order of their names.

    Args:
        path: a file, a folder (every file below it with a fitting ending), a glob (`*`, `?`, `[...]`, `**` for any folders), or an
            s3:// URL of a file, a prefix or a glob.
        endings: endings that fit, `.gz` and `.zst` behind them included; only a folder is searched by them.
        key: the workflow's key, for messages.

    Raises:
        NotFoundError: there is no such file or folder, or nothing matches the glob.
        DataError: the folder has no file with a fitting ending.
        AccessError: it may not be read.
    """
    if is_glob(path):
        return _matching(path, key)
    if (alone := file_at(path)) is not None:
        return [alone]
    found = listed(path.rstrip("/") or "/", "")
    if not found and not is_there(path):
        raise NotFoundError(
            f"{key}: expected a file, a folder, a glob or an s3:// URL of one. Received: {path!r}, which does not exist. Correct it."
        )
    fitting = [file for file in found if plain(file.key).lower().endswith(tuple(endings))]
    if not fitting:
        raise DataError(f"{key}: expected files ending in {' or '.join(endings)}, perhaps with .gz or .zst. Received: none in {path!r}.")
    return fitting


def is_glob(path: str) -> bool:
    """Whether a path is a glob; a file or folder whose name has the signs of one is none."""
    return _glob_start(path) is not None


def file_at(path: str) -> SourceFile | None:
    """The file of that very name; None where that is a folder, or nothing."""
    above, name = _split(path)
    return _one(above, name) if name else None


def is_there(path: str) -> bool:
    """Whether there is a file or a folder of that very name."""
    if "://" not in path:
        return Path(path).exists()
    above, name = _split(path)
    return file_at(path) is not None or any(True for _ in open_store(above).list(f"{name}/" if name else ""))


def listed(root: str, prefix: str) -> list[SourceFile]:
    """Files of a store whose key begins with `prefix`, hidden ones left out."""
    return [_file(root, entry) for entry in open_store(root).list(prefix) if not _is_hidden(entry.key)]


def splits_of(files: Sequence[SourceFile]) -> dict[str, list[SourceFile]] | None:
    """Files of the splits that a folder brings: what begins with train and test, or lies below folders of those names.

    Returns:
        None where there are not both; else other files are left alone.
    """
    found = {split: [file for file in files if _belongs(file.name, split)] for split in ("train", "test")}
    return found if all(found.values()) else None


def check_unchanged(files: Sequence[SourceFile]) -> None:
    """Compare what is there now with what was found when the source was opened.

    Raises:
        DataError: a file changed, or is gone.
    """
    for root, group in groupby(sorted(files, key=lambda file: (file.root, file.key)), key=lambda file: file.root):
        of_root = list(group)
        now = _stamps(_store(root), [file.key for file in of_root])
        for file in of_root:
            if now.get(file.key) != file.stamp:
                raise DataError(f"{file.url} changed while it was read. Run it again when nothing writes to it any more.")


def renamed(files: Sequence[SourceFile], rename: Callable[[SourceFile], str]) -> list[SourceFile]:
    """The files under other names."""
    return [replace(file, name=rename(file)) for file in files]


def plain(name: str) -> str:
    """A name without .gz or .zst."""
    stem, ending = os.path.splitext(name.lower())
    return name[: len(stem)] if ending in COMPRESSIONS else name


def without_endings(name: str) -> str:
    """A name without its ending, and without .gz or .zst."""
    return os.path.splitext(plain(name))[0]


def _matching(pattern: str, key: str) -> list[SourceFile]:
    parts, start = pattern.split("/"), _glob_start(pattern) or 0
    root = "/".join(parts[:start]) or ("/" if pattern.startswith("/") else ".")
    wanted = re.compile(_translate("/".join(parts[start:])))
    prefix = _MAGIC.split(parts[start])[0]
    found = [file for file in listed(root, prefix) if wanted.fullmatch(file.key)]
    if not found:
        raise NotFoundError(f"{key}: expected a glob that matches files. Received: {pattern!r}, which matches none. Correct it.")
    return found


def _glob_start(path: str) -> int | None:
    """Which part of a path is the first that is a pattern: one with the signs of a glob where nothing has that very name."""
    parts = path.split("/")
    signs = (number for number, part in enumerate(parts) if _MAGIC.search(part))
    return next((number for number in signs if not is_there("/".join(parts[: number + 1]))), None)


def _translate(pattern: str) -> str:
    """A glob as a regular expression over keys."""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(known.get(piece) or (_class(piece) if piece[:1] == "[" and len(piece) > 1 else re.escape(piece)) for piece in pieces)


def _class(piece: str) -> str:
    inside = re.sub(r"([\\\[&~|])", r"\\\1", piece[1:-1])
    return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"


def _split(path: str) -> tuple[str, str]:
    """The store that a path lies in, and its key there; of a bucket itself the key is empty."""
    path = path.rstrip("/")
    if "://" in path and path.count("/") < 3:
        return path, ""
    above, separator, name = path.rpartition("/")
    return above or separator or ".", name


def _one(root: str, key: str) -> SourceFile | None:
    """The file at exactly this key."""
    store = open_store(root)
    local = store.local_path(key) if store.is_local else None
    if local is not None:
        if not local.is_file():
            return None
        status = local.stat()
        return SourceFile(root, key, key, status.st_size, stamp_of(status))
    first = next(iter(store.list(key)), None)
    return _file(root, first) if first is not None and first.key == key else None


def _file(root: str, entry: Entry) -> SourceFile:
    return SourceFile(root, entry.key, entry.key, entry.size_bytes, entry.stamp)


def _is_hidden(key: str) -> bool:
    return any(part.startswith(".") for part in key.split("/"))


def _belongs(name: str, split: str) -> bool:
    first, separator, _ = name.partition("/")
    return first == split if separator else first.startswith(split)


def _stamps(store: Store, keys: Sequence[str]) -> dict[str, str]:
    """Stamps of sorted keys; on a server one listing from the first to the last of them."""
    if store.is_local:
        paths = {key: store.local_path(key) for key in keys}
        return {key: stamp_of(path.stat()) for key, path in paths.items() if path is not None and path.exists()}
    wanted, found = set(keys), {}
    same = next((number for number, pair in enumerate(zip(keys[0], keys[-1], strict=False)) if pair[0] != pair[1]), len(keys[0]))
    for entry in store.list(keys[0][:same], after=keys[0][:-1]):
        if entry.key in wanted:
            found[entry.key] = entry.stamp
        if entry.key >= keys[-1]:
            break
    return found


@lru_cache(maxsize=16)
def _store(root: str) -> Store:
    return open_store(root)
