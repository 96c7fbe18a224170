"""Reading a bundle that may be damaged or hostile: everything in it is checked before the registry hears of any of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from distrnn.errors import IntegrityError
from distrnn.registry import bundle_file, cards, signing, tags
from distrnn.registry.bundle_file import Carried, Member, Reader
from distrnn.registry.layout import blob_key, card_key, signature_prefix, tags_key, version_key
from distrnn.registry.manifest import LIMIT_BYTES, Manifest, ModelVersion, parse
from distrnn.registry.versions import VersionLog
from distrnn.storage.local import LocalStore
from distrnn.storage.local_errors import os_errors

_DOCUMENTS_BYTES = 512 << 20
_SIGNATURE = re.compile(r"[0-9a-f]{16}\.json")


@dataclass(frozen=True)
class Arrival:
    """A version out of a bundle, and its documents beside the manifest by their key; its files lie in a folder, named by their sha256."""

    version: ModelVersion
    documents: Mapping[str, bytes]


def read(path: Path, folder: Path) -> list[Arrival]:
    """Read a bundle.

    Args:
        path: the bundle.
        folder: where its blobs are to lie, made here.
    Returns:
        What it carries, by name and number.
    Raises:
        NotFoundError: there is no such file.
        IntegrityError: it is damaged or hostile.
    """
    with bundle_file.opened(path) as file:
        reader = Reader(path, file)
        documents: dict[str, bytes] = {}
        allowed = _allowed(reader)
        arrivals: list[Arrival] | None = None
        with os_errors(folder):
            folder.mkdir(parents=True)
        for member, copy in reader.members():
            if not member.is_blob:
                pieces: list[bytes] = []
                copy(pieces.append)
                documents[member.path] = b"".join(pieces)
                continue
            if arrivals is None:
                arrivals = list(_arrivals(path, reader, documents, allowed))
            with os_errors(folder), (folder / member.sha256).open("wb") as target:
                copy(target.write)
    return arrivals if arrivals is not None else list(_arrivals(path, reader, documents, allowed))


def _allowed(reader: Reader) -> dict[str, Carried]:
    """The documents of a bundle and the version of each; sizes are bounded here, before anything is read."""
    carried = {version_key(version.name, version.number): version for version in reader.index.versions}
    beside = {key(version.name, version.number): version for version in reader.index.versions for key in (tags_key, card_key)}
    signed = {signature_prefix(version.name, version.digest.removeprefix("sha256:")): version for version in reader.index.versions}
    found: dict[str, Carried] = {}
    total_bytes = 0
    for member in (member for member in reader.index.members if not member.is_blob):
        prefix, slash, last = member.path.rpartition("/")
        owner = carried.get(member.path) or beside.get(member.path)
        if owner is None and _SIGNATURE.fullmatch(last):
            owner = signed.get(prefix + slash)
        if owner is None:
            reader.refuse(f"it holds {member.path!r}, which belongs to none of its versions")
        total_bytes += member.size_bytes
        if member.size_bytes > LIMIT_BYTES or total_bytes > _DOCUMENTS_BYTES:
            reader.refuse(f"{member.path} has {member.size_bytes:,} bytes, which is too much for a document")
        found[member.path] = owner
    if missing := [str(version) for key, version in carried.items() if key not in found]:
        reader.refuse(f"the manifest of {', '.join(missing[:3])} is not in it")
    return found


def _arrivals(path: Path, reader: Reader, documents: Mapping[str, bytes], allowed: Mapping[str, Carried]) -> Iterator[Arrival]:
    """The versions, once all documents were read; the blobs of the index must be theirs, no more and no fewer."""
    beside: dict[Carried, dict[str, bytes]] = {}
    for key, body in documents.items():
        if key != version_key(allowed[key].name, allowed[key].number):
            beside.setdefault(allowed[key], {})[key] = body
    versions = [_version(reader, carried, documents[version_key(carried.name, carried.number)], path) for carried in reader.index.versions]
    _check_blobs(reader, [member for member in reader.index.members if member.is_blob], versions)
    for carried, version in zip(reader.index.versions, versions, strict=True):
        own = beside.get(carried, {})
        for key, body in own.items():
            _check_document(version, key, body, f"{path}:{key}")
        yield Arrival(version, own)


def _version(reader: Reader, carried: Carried, body: bytes, path: Path) -> ModelVersion:
    key = version_key(carried.name, carried.number)
    if f"sha256:{sha256(body).hexdigest()}" != carried.digest:
        reader.refuse(f"the manifest of {carried} has another digest than its index says")
    manifest = parse(body, carried.name, carried.number, f"{path}:{key}")
    # A registry unwraps what is being deleted: what would be read there as something else is not what the index vouches for.
    there = VersionLog(LocalStore(path.parent), carried.name).parse(body, carried.number)
    if not isinstance(manifest, Manifest) or not isinstance(there, ModelVersion) or there.body != body:
        reader.refuse(f"what stands for {carried} is not the manifest of a version")
    return there


def _check_blobs(reader: Reader, blobs: Sequence[Member], versions: Sequence[ModelVersion]) -> None:
    wanted = {blob_key(version.name, file.sha256): file for version in versions for file in version.manifest.files}
    for blob in blobs:
        file = wanted.pop(blob.path, None)
        if file is None or (blob.size_bytes, blob.sha256) != (file.size_bytes, file.sha256):
            reader.refuse(f"it holds {blob.path!r}, which none of its manifests names like this")
    if wanted:
        reader.refuse(f"{next(iter(wanted.values())).path} is not in it, though a manifest names it")


def _check_document(version: ModelVersion, key: str, body: bytes, where: str) -> None:
    name, number = version.name, version.number
    if key == tags_key(name, number):
        tags.parse(body, name, number, where)
    elif key == card_key(name, number):
        cards.check_document(body, name, number, where, version)
    elif signing.is_false(signing.parse(body, name, version.hex_digest, key[-21:-5], where), version):
        raise IntegrityError(f"{where} is no true signature of {version}. Nothing was changed in the registry. Sign the version again.")
