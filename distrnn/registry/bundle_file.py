"""The file that carries versions: a plain, uncompressed tar that is wholly determined by its index.

    distrnn-bundle.json       the versions, and path, size and sha256 of every other member
    distrnn-bundle.sha256     of the index, as `sha256sum -c` reads it
    <model>/…                 the documents, sorted by path: manifests, signatures, tags, cards
    <model>/blobs/sha256/…    the blobs, sorted by path, each once

Members have the names that they have in the registry, and headers of which nothing but name and size varies. So whoever has read the
index knows every header, byte for byte, and the length of the file: a link, a device, a member twice, one that leads elsewhere or is
larger than was said is no case to think of, but simply not what is expected. Any tar program can look into it (POSIX ustar).
"""

import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from distrnn.errors import IntegrityError, NotFoundError
from distrnn.refs import NAME_PATTERN
from distrnn.registry.layout import MAX_NUMBER
from distrnn.registry.manifest import SCHEMA_VERSION, parse_document, to_json_bytes
from distrnn.storage.local_errors import os_errors

INDEX, CHECKSUM = "distrnn-bundle.json", "distrnn-bundle.sha256"
MAX_MEMBER_BYTES = (8 << 30) - 1
_INDEX_BYTES = 64 << 20
_BLOCK = 512
_END = bytes(2 * _BLOCK)
_PIECE_BYTES = 1 << 20
_HEX = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True)
class Carried:
    """A version that a bundle carries; `digest` is `sha256:` and 64 hexadecimal digits."""

    name: str
    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.name}@v{self.number}"

    def to_json(self) -> dict[str, Any]:
        """The version as it stands in the index."""
        return {"name": self.name, "number": self.number, "digest": self.digest}


@dataclass(frozen=True)
class Member:
    """A file in a bundle."""

    path: str
    size_bytes: int
    sha256: str

    @property
    def is_blob(self) -> bool:
        """Whether it is a blob, and no document."""
        return self.path.partition("/")[2].startswith("blobs/")

    def to_json(self) -> dict[str, Any]:
        """The member as it stands in the index."""
        return {"path": self.path, "size_bytes": self.size_bytes, "sha256": self.sha256}


@dataclass(frozen=True)
class Index:
    """What a bundle holds: versions by name and number; members, documents first, by path."""

    versions: tuple[Carried, ...]
    members: tuple[Member, ...]

    @classmethod
    def of(cls, versions: Iterable[Carried], members: Iterable[Member]) -> "Index":
        """The index of these, in order."""
        return cls(tuple(sorted(versions, key=_order)), tuple(sorted(members, key=lambda member: (member.is_blob, member.path))))

    def to_bytes(self) -> bytes:
        """The index as it is stored."""
        versions, members = ([one.to_json() for one in each] for each in (self.versions, self.members))
        return to_json_bytes({"schema_version": SCHEMA_VERSION, "versions": versions, "members": members}, "a bundle's index")


def write(take: Callable[[bytes], object], index: Index, body: Callable[[Member, Callable[[bytes], object]], object]) -> None:
    """Write a bundle.

    Args:
        take: called with each piece of the file.
        index: what goes into it.
        body: called with each member, and with what to call with each of its pieces; their bytes must be what the index says.
    """
    encoded = index.to_bytes()
    for name, content in ((INDEX, encoded), (CHECKSUM, _checksum(encoded))):
        take(_header(name, len(content)) + content + _padding(len(content)))
    for member in index.members:
        take(_header(member.path, member.size_bytes))
        body(member, take)
        take(_padding(member.size_bytes))
    take(_END)


class Reader:
    """A bundle from an untrusted place, read from its beginning to its end; nothing is passed on before it is known how much it will be.

    Attributes:
        index: what it says it holds; well-formed, not more.

    Raises:
        IntegrityError: it is no whole bundle.
        DistrnnError: a newer program wrote it.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._file.seek(0, 2)
        self._size_bytes = self._file.tell()
        self._file.seek(0)
        encoded = self._read(self._index_bytes())
        self._expect(_padding(len(encoded)), "nothing after the index")
        checksum = _checksum(encoded)
        self._expect(_header(CHECKSUM, len(checksum)) + checksum + _padding(len(checksum)), f"the index' sha256 in {CHECKSUM}")
        index = _parse(encoded, f"{path}:{INDEX}")
        if index is None:
            self.refuse("its index is not as `distrnn models bundle` writes it")
        self.index = index
        expected_bytes = self._file.tell() + sum(_BLOCK + _padded(member.size_bytes) for member in self.index.members) + len(_END)
        if self._size_bytes != expected_bytes:
            self.refuse(f"expected a file of {expected_bytes:,} bytes, received {self._size_bytes:,}")

    def members(self) -> Iterator[tuple[Member, Callable[[Callable[[bytes], object]], None]]]:
        """Each member, in the order of the index, with a function that must be called to read it; it is given what takes each piece.

        Raises:
            IntegrityError: a member is not what the index says. What was passed on of it is worthless.
        """
        for member in self.index.members:
            self._expect(_header(member.path, member.size_bytes), f"{member.path} as a plain file of {member.size_bytes:,} bytes")

            def read(take: Callable[[bytes], object], member: Member = member) -> None:
                self._copy(member, take)

            yield member, read
            self._expect(_padding(member.size_bytes), f"nothing after {member.path}")
        self._expect(_END, "the end of a tar file")

    def refuse(self, what: str) -> NoReturn:
        """Refuse the bundle.

        Raises:
            IntegrityError: always.
        """
        raise not_whole(self._path, what)

    def _index_bytes(self) -> int:
        header = self._read(_BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.TarError, ValueError):
            self.refuse("it does not begin as a tar file does")
        if info.name != INDEX or header != _header(INDEX, info.size):
            self.refuse(f"expected {INDEX} as its first member")
        if info.size > min(_INDEX_BYTES, self._size_bytes):
            self.refuse(f"its index is said to have {info.size:,} bytes")
        return info.size

    def _copy(self, member: Member, take: Callable[[bytes], object]) -> None:
        digest, left_bytes = sha256(), member.size_bytes
        while left_bytes:
            piece = self._read(min(_PIECE_BYTES, left_bytes))
            digest.update(piece)
            take(piece)
            left_bytes -= len(piece)
        if digest.hexdigest() != member.sha256:
            self.refuse(f"{member.path}: expected sha256 {member.sha256[:12]}…, received {digest.hexdigest()[:12]}…")

    def _expect(self, expected: bytes, what: str) -> None:
        if self._read(len(expected)) != expected:
            self.refuse(f"expected {what}")

    def _read(self, count_bytes: int) -> bytes:
        with os_errors(self._path):
            found = self._file.read(count_bytes)
        if len(found) != count_bytes:
            self.refuse("it ends too early")
        return found


def opened(path: Path) -> BinaryIO:
    """A bundle's file, open for reading.

    Raises:
        NotFoundError: it does not exist.
    """
    try:
        with os_errors(path):
            return path.open("rb")
    except FileNotFoundError:
        raise NotFoundError(f"{path} does not exist. Expected a file that `distrnn models bundle` wrote.") from None


def not_whole(path: Path, what: str) -> IntegrityError:
    """The error for a bundle that is damaged or hostile."""
    return IntegrityError(
        f"{path} is no whole bundle: {what}. Nothing was changed in the registry. Bring the file again from where it was made."
    )


def _parse(encoded: bytes, where: str) -> Index | None:
    """The index in these bytes; None where it is not, byte for byte, what would be written."""
    document = parse_document(encoded, where)
    try:
        versions = tuple(Carried(one["name"], one["number"], one["digest"]) for one in document["versions"])
        members = tuple(Member(one["path"], one["size_bytes"], one["sha256"]) for one in document["members"])
        if not versions or not all(map(_is_version, versions)) or not all(map(_is_member, members)):
            return None
        index = Index(versions, members)
        distinct = len(set(map(_order, versions))) == len(versions) and len({one.path for one in members}) == len(members)
        return index if distinct and index == Index.of(versions, members) and index.to_bytes() == encoded else None
    except (KeyError, TypeError, UnicodeError):
        return None


def _is_version(version: Carried) -> bool:
    name, number, digest = version.name, version.number, version.digest
    texts = isinstance(name, str) and isinstance(digest, str) and type(number) is int
    return texts and bool(_NAME.fullmatch(name)) and 0 < number <= MAX_NUMBER and bool(_DIGEST.fullmatch(digest))


def _is_member(member: Member) -> bool:
    path, size_bytes, digest = member.path, member.size_bytes, member.sha256
    texts = isinstance(path, str) and isinstance(digest, str) and type(size_bytes) is int
    return texts and path.isascii() and path.isprintable() and 0 <= size_bytes <= MAX_MEMBER_BYTES and bool(_HEX.fullmatch(digest))


def _order(version: Carried) -> tuple[str, int]:
    return version.name, version.number


def _header(name: str, size_bytes: int) -> bytes:
    """The only header that a file with this name and size can have."""
    info = tarfile.TarInfo(name)
    info.size = size_bytes
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
    except ValueError as error:
        raise IntegrityError(f"{name!r} cannot be the name of a file in a bundle: {error}.") from error


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK) * _BLOCK


def _padding(size_bytes: int) -> bytes:
    return bytes(_padded(size_bytes) - size_bytes)


def _checksum(encoded: bytes) -> bytes:
    return f"{sha256(encoded).hexdigest()}  {INDEX}\n".encode()
