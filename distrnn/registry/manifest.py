"""The manifest of a version: what it consists of, and where it came from.

A manifest comes from a server that may be hostile, so nothing in it is used before it is checked: a path that leaves its folder, a
link's trick or a digest that is none is refused as a whole. The digest of a version is the sha256 of its manifest's bytes, and the
manifest names the sha256 of every file, so one digest vouches for every byte. Against bytes that turn over on a disk (not against
somebody who writes there) a manifest also carries the sha256 of the rest of itself.
"""

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from distrnn.errors import DistrnnError, IntegrityError, UsageError

SCHEMA_VERSION = 1
FORMS = ("numpy", "keras", "saved-model")
LIMIT_BYTES = 16 << 20
CARD = "README.md"
_FILES = 10_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\\:*?"<>|\u2028\u2029\u202a-\u202e\u2066-\u2069]')
_CHECKSUM = re.compile(rb'(?<=\A\{\n) "checksum": "([0-9a-f]{64})",\n')
_CODE = (".h5", ".hdf5", ".pkl", ".pickle", ".joblib")


@dataclass(frozen=True)
class FileEntry:
    """One file of a version; `form` is None for what every form needs."""

    path: str
    size_bytes: int
    sha256: str
    form: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The entry as it stands in the manifest."""
        return {"path": self.path, "size_bytes": self.size_bytes, "sha256": self.sha256, "form": self.form}


@dataclass(frozen=True)
class Manifest:
    """A version's manifest, checked."""

    name: str
    number: int
    attempt: str
    created_at: str
    files: tuple[FileEntry, ...]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def forms(self) -> tuple[str, ...]:
        """The loadable forms, sorted."""
        return tuple(sorted({file.form for file in self.files if file.form}))

    def files_of(self, form: str) -> tuple[FileEntry, ...]:
        """The files of one form and those that every form needs; `all` for every file."""
        return tuple(file for file in self.files if form == "all" or file.form in (None, form))

    def to_bytes(self) -> bytes:
        """The bytes that are stored, and that the digest covers.

        Raises:
            UsageError: the metadata is no JSON.
        """
        document = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "number": self.number,
            "attempt": self.attempt,
            "created_at": self.created_at,
            "files": [file.to_json() for file in self.files],
            "metadata": self.metadata,
        }
        return sealed(to_json_bytes(document, "metadata"))


@dataclass(frozen=True)
class Tombstone:
    """What stands in the place of a version that is not there, so that its number is never used again.

    Attributes:
        name: the model.
        number: the version's.
        deleted_at: when; for one that never was here, when that was found out.
        reason: why.
        state: `deleted`, or `absent` for a number whose version is in another registry (see `bundle`) and may still arrive.
    """

    name: str
    number: int
    deleted_at: str
    reason: str
    state: str = "deleted"

    def to_bytes(self, attempt: str) -> bytes:
        """What is stored in the manifest's place; `attempt` tells this write from every other."""
        grave = {"at": self.deleted_at, "reason": self.reason, "state": self.state}
        document = {"schema_version": SCHEMA_VERSION, "name": self.name, "number": self.number, "attempt": attempt, "tombstone": grave}
        return to_json_bytes(document, "a tombstone")


@dataclass(frozen=True)
class ModelVersion:
    """One published, immutable version.

    Attributes:
        name: the model.
        number: counted from 1.
        digest: `sha256:` and the sha256 of the manifest's bytes; `name@digest` is a reference.
        manifest: what it consists of.
        body: the manifest's bytes, as they are stored.
    """

    name: str
    number: int
    digest: str
    manifest: Manifest
    body: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name}@v{self.number}"

    @property
    def hex_digest(self) -> str:
        """The digest's 64 hexadecimal digits."""
        return self.digest.removeprefix("sha256:")

    @property
    def metadata(self) -> dict[str, Any]:
        """Task, labels, metrics, lineage and whatever else the publisher recorded."""
        return self.manifest.metadata


def to_json_bytes(document: Any, what: str) -> bytes:
    """A document in its one spelling: sorted keys, UTF-8, a final newline.

    Raises:
        UsageError: it holds something that JSON has no word for.
    """
    try:
        return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{what} must be plain JSON: text, finite numbers, true, false, null, lists, objects. Received: {error}"
        ) from error


def sealed(body: bytes) -> bytes:
    """The bytes of a manifest with the sha256 of all of them as its first entry."""
    return body.replace(b"\n", b'\n "checksum": "%s",\n' % sha256(body).hexdigest().encode(), 1)


def digest_of(body: bytes) -> str:
    """`sha256:` and the sha256 of `body`, in hexadecimal."""
    return f"sha256:{sha256(body).hexdigest()}"


def form_of(path: str) -> str | None:
    """The form that a path belongs to: its first folder, None at the top."""
    first, slash, _ = path.partition("/")
    return first if slash else None


def check_path(path: Any) -> str:
    """Return `path` if it names a file inside a version's folder on every system.

    Raises:
        IntegrityError: it is absolute, leaves the folder, or holds characters that have no business in a file name.
    """
    segments = path.split("/") if isinstance(path, str) else [""]
    plain = isinstance(path, str) and len(path.encode("utf-8", "replace")) <= 1024 and not _UNSAFE.search(path)
    if not plain or any(segment in ("", ".", "..") or len(segment) > 200 or segment[-1] in " ." for segment in segments):
        raise IntegrityError(
            f"a file of a version must have a relative path of plain characters, without '..'. Received: {path!r}. Nothing was written."
        )
    if str(path).lower().endswith(_CODE):
        raise IntegrityError(
            f"{path!r} is a format that can run code when it is loaded. Publish NumPy (.npz), .keras or SavedModel instead."
        )
    return str(path)


def parse(body: bytes, name: str, number: int, where: str) -> Manifest | Tombstone:
    """Read a manifest or a tombstone.

    Args:
        body: the stored bytes.
        name: the model that it must belong to.
        number: the version that it must be.
        where: the URL, for messages.
    Raises:
        IntegrityError: it is damaged or hostile.
        DistrnnError: a newer program wrote it.
    """
    document = _object(body, where)
    if not isinstance(document.get("tombstone"), dict):
        _expect_whole(body, where)
    _expect_schema(document, where)
    _expect(document.get("name") == name and document.get("number") == number, where, f"the manifest of {name}@v{number}")
    if isinstance(grave := document.get("tombstone"), dict):
        state = "absent" if grave.get("state") == "absent" else "deleted"
        return Tombstone(name, number, str(grave.get("at", "")), str(grave.get("reason", "")), state)
    files, metadata = document.get("files"), document.get("metadata")
    texts = [document.get(key) for key in ("attempt", "created_at")]
    _expect(isinstance(files, list) and isinstance(metadata, dict) and all(isinstance(text, str) for text in texts), where, "a manifest")
    assert isinstance(files, list)  # noqa: S101  (for the type checker)
    assert isinstance(metadata, dict)  # noqa: S101
    _expect(0 < len(files) <= _FILES, where, f"1 to {_FILES:,} files")
    entries = tuple(_entry(file, where) for file in files)
    check_together([entry.path for entry in entries])
    return Manifest(name, number, str(texts[0]), str(texts[1]), entries, metadata)


def parse_document(body: bytes, where: str) -> dict[str, Any]:
    """Read any JSON document of the registry.

    Raises:
        IntegrityError: it is no JSON object with a schema version.
        DistrnnError: a newer program wrote it.
    """
    document = _object(body, where)
    _expect_schema(document, where)
    return document


def check_together(paths: list[str]) -> None:
    """Refuse paths that would meet on a disk: twice the same, differing in case only, or a file where another needs a folder.

    Raises:
        IntegrityError: they do.
    """
    files = {path.casefold() for path in paths}
    folders = {"/".join(parts[:depth]) for path in files for parts in [path.split("/")] for depth in range(1, len(parts))}
    if len(files) < len(paths) or files & folders:
        raise IntegrityError(
            "two files of the version have the same path on a disk (or one needs the other as a folder). Nothing was written."
        )


def _object(body: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    _expect(isinstance(document, dict), where, "a JSON object")
    return document  # type: ignore[no-any-return]


def _expect_schema(document: dict[str, Any], where: str) -> None:
    schema: Any = document.get("schema_version")
    _expect(type(schema) is int, where, "schema_version")
    if schema > SCHEMA_VERSION:
        raise DistrnnError(
            f"{where} was written by a newer distrnn (schema {schema}; this one knows {SCHEMA_VERSION}). Update distrnn to read it."
        )


def _expect_whole(body: bytes, where: str) -> None:
    """A manifest is reached by its number too, where no digest vouches for it; so it has one of all its other bytes."""
    found = _CHECKSUM.search(body)
    rest = body[: found.start()] + body[found.end() :] if found else b""
    _expect(found is not None and sha256(rest).hexdigest().encode() == found[1], where, "a manifest that matches its checksum")


def _entry(file: Any, where: str) -> FileEntry:
    _expect(isinstance(file, dict), where, "an object for each file")
    path, size_bytes, digest, form = (file.get(key) for key in ("path", "size_bytes", "sha256", "form"))
    check_path(path)
    _expect(type(size_bytes) is int and size_bytes >= 0, where, f"size_bytes of {path!r}")
    _expect(isinstance(digest, str) and _SHA256.fullmatch(digest) is not None, where, f"sha256 of {path!r}")
    _expect(form == form_of(path) and (form is None or _FORM.fullmatch(form) is not None), where, f"the form of {path!r}")
    return FileEntry(path, size_bytes, digest, form)


def _expect(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise IntegrityError(f"{where} is damaged: expected {what}. Publish the model again, or restore the file from a backup.")
