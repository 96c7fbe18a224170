"""Detached signatures of manifests: who vouches for a version, whoever keeps the registry.

A manifest names the sha256 of every file, so a signature over its bytes vouches for every byte of the version. It is made with Ed25519
(RFC 8032) and lies beside the manifest, under the id of its key. Which keys are trusted is the reader's decision: a document says
which key it was made with, but only a key of the reader's own file is ever believed.

The signed message begins with words of its own, so that no signature over anything else can be taken for one over a manifest.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distrnn.errors import ConflictError, IntegrityError
from distrnn.registry.layout import signature_key, signature_prefix, timestamp
from distrnn.registry.manifest import SCHEMA_VERSION, ModelVersion, parse_document, to_json_bytes
from distrnn.registry.signing_keys import id_of, private_key, public_keys
from distrnn.storage import Store
from distrnn.storage.local import LocalStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LIMIT_BYTES = 16 << 10
_MESSAGE = b"distrnn manifest v1\n"
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_TRIES = 10


@dataclass(frozen=True)
class Signature:
    """A signature as it is stored; that it is true is known only after it was verified with a key that is trusted.

    Attributes:
        name: the model.
        number: the version's.
        digest: `sha256:` and the sha256 of the signed manifest.
        key_id: the first 16 hexadecimal digits of the sha256 of the raw public key.
        public_key: the raw public key (32 bytes) in base64.
        signature: 64 bytes in base64.
        signed_at: when, ISO 8601 in UTC.
        attempt: unique to this write.
    """

    name: str
    number: int
    digest: str
    key_id: str
    public_key: str
    signature: str
    signed_at: str
    attempt: str

    def to_json(self) -> dict[str, Any]:
        """The signature as plain JSON."""
        return asdict(self)

    def to_bytes(self) -> bytes:
        """The stored document."""
        return to_json_bytes({"schema_version": SCHEMA_VERSION, **self.to_json()}, "a signature")


def sign(store: Store, version: ModelVersion, private_key_file: Path) -> Signature:
    """Sign a version's manifest; a true signature by this key that is there already is returned as it is.

    Raises:
        NotFoundError: there is no such key file.
        UsageError: it holds no Ed25519 private key.
        AccessError: the key is encrypted and the passphrase is missing or wrong.
        MissingExtraError: `cryptography` is not installed.
    """
    private = private_key(private_key_file)
    public = private.public_key()
    key_id = id_of(public.public_bytes_raw())
    made = Signature(
        version.name,
        version.number,
        version.digest,
        key_id,
        base64.b64encode(public.public_bytes_raw()).decode(),
        base64.b64encode(private.sign(_MESSAGE + version.body)).decode(),
        timestamp(),
        uuid.uuid4().hex,
    )
    key = signature_key(version.name, version.hex_digest, key_id)
    for _ in range(_TRIES):
        found = store.find(key, limit_bytes=LIMIT_BYTES)
        if found is not None and (known := _true(found[0], version, key_id, public)) is not None:
            return known
        if store.compare_and_swap(key, made.to_bytes(), found[1] if found else None) is not None:
            return made
    raise ConflictError(f"the signature of {version} is being changed by others at once. Nothing was signed; try again.")


def require(store: Store | None, cache_root: Path, version: ModelVersion, public_key_file: Path) -> Signature:
    """Make sure that a version is signed by one of the keys that are trusted.

    Args:
        store: the registry; None: only signatures that were seen on this machine.
        cache_root: the cache's folder; signatures are kept there, beside the manifests, and verified again each time.
        version: what must be signed.
        public_key_file: one or several Ed25519 public keys in PEM.
    Returns:
        The signature, verified.
    Raises:
        IntegrityError: it is not signed by any of these keys, or the signature is wrong.
        NotFoundError: there is no such key file.
        UsageError: it holds no Ed25519 public key.
        MissingExtraError: `cryptography` is not installed.
    """
    keys = public_keys(public_key_file)
    kept = LocalStore(cache_root)
    for key_id, key in keys.items():
        found = _kept(kept, version, key_id)
        if found is not None and (signature := _true(found, version, key_id, key)) is not None:
            return signature
    problem: IntegrityError | None = None
    for key_id, key in keys.items() if store is not None else ():
        assert store is not None  # noqa: S101  (for the type checker)
        try:
            body, signature = _verified(store, version, key_id, key)
        except IntegrityError as error:
            problem = problem or error
            continue
        if signature is not None:
            kept.put(_kept_key(version, key_id), body)
            return signature
    raise problem or _unsigned(version, public_key_file, keys, offline=store is None)


def signatures(store: Store, version: ModelVersion) -> Iterator[Signature]:
    """The signatures of a version, by key id, read but not verified.

    Raises:
        IntegrityError: a document is damaged.
    """
    for key, body in documents(store, version.name, version.hex_digest):
        yield parse(body, version.name, version.hex_digest, key[-21:-5], f"{store.url}/{key}")


def readable(store: Store, version: ModelVersion) -> Iterator[tuple[str, Signature | IntegrityError]]:
    """The key id of each signature of a version, and the signature, not verified; where it is damaged, the error that says so."""
    for key in _keys(store, version.name, version.hex_digest):
        key_id = key[-21:-5]
        try:
            found = store.find(key, limit_bytes=LIMIT_BYTES)
            read = parse(found[0], version.name, version.hex_digest, key_id, f"{store.url}/{key}") if found else None
        except IntegrityError as error:
            yield key_id, error
            continue
        if read is not None:
            yield key_id, read


def documents(store: Store, name: str, digest: str) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of each signature of the manifest with this sha256, by key id."""
    for key, body in store.read_many(_keys(store, name, digest), limit_bytes=LIMIT_BYTES):
        if body is not None:
            yield key, body


def is_key_id(text: str) -> bool:
    """Whether this can be the id of a key."""
    return _KEY_ID.fullmatch(text) is not None


def parse(body: bytes, name: str, digest: str, key_id: str, where: str) -> Signature:
    """Read a signature's document.

    Args:
        body: the stored bytes.
        name: the model that it must belong to.
        digest: the sha256 of the manifest that it must be of, in hexadecimal.
        key_id: the key that it must be by.
        where: the URL, for messages.
    Raises:
        IntegrityError: it is damaged, or another version's, or another key's.
    """
    document = parse_document(body, where)
    texts = {key: document.get(key) for key in ("public_key", "signature", "signed_at", "attempt")}
    belongs = (document.get("name"), document.get("digest"), document.get("key_id")) == (name, f"sha256:{digest}", key_id)
    number = document.get("number")
    if not belongs or type(number) is not int or number < 1 or not all(isinstance(text, str) for text in texts.values()):
        raise _damaged(where, f"the signature of {name}@sha256:{digest[:12]} by key {key_id}")
    if len(_decoded(texts["signature"])) != 64 or id_of(_decoded(texts["public_key"])) != key_id:
        raise _damaged(where, f"a signature and public key of Ed25519 in base64, the key with id {key_id}")
    return Signature(name, number, f"sha256:{digest}", key_id, **texts)  # type: ignore[arg-type]


def is_false(signature: Signature, version: ModelVersion) -> bool:
    """Whether a signature does not even match the key that it says it was made with; nobody knows without `cryptography`."""
    if find_spec("cryptography") is None:
        return False
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(_decoded(signature.public_key))
    return not _matches(signature, version, key)


def _keys(store: Store, name: str, digest: str) -> list[str]:
    """Where the signatures of a manifest lie."""
    prefix = signature_prefix(name, digest)
    return [entry.key for entry in store.list(prefix) if is_key_id(entry.key.removeprefix(prefix).removesuffix(".json"))]


def _verified(store: Store, version: ModelVersion, key_id: str, key: "Ed25519PublicKey") -> tuple[bytes, Signature | None]:
    """What the registry has of one key, verified; None where it has nothing."""
    stored = signature_key(version.name, version.hex_digest, key_id)
    where = f"{store.url}/{stored}"
    found = store.find(stored, limit_bytes=LIMIT_BYTES)
    if found is None:
        return b"", None
    signature = parse(found[0], version.name, version.hex_digest, key_id, where)
    if not _matches(signature, version, key):
        raise IntegrityError(
            f"{where} is no true signature of {version} by key {key_id}: the manifest, the signature or the key is another one. "
            "Nothing was pulled. Do not use this version before its publisher has explained it.",
            version=str(version),
        )
    return found[0], signature


def _true(body: bytes, version: ModelVersion, key_id: str, key: "Ed25519PublicKey") -> Signature | None:
    """The signature in a document; None where it is damaged or wrong."""
    try:
        signature = parse(body, version.name, version.hex_digest, key_id, "a signature")
    except IntegrityError:
        return None
    return signature if _matches(signature, version, key) else None


def _matches(signature: Signature, version: ModelVersion, key: "Ed25519PublicKey") -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(_decoded(signature.signature), _MESSAGE + version.body)
    except InvalidSignature:
        return False
    return True


def _kept(kept: LocalStore, version: ModelVersion, key_id: str) -> bytes | None:
    """A signature that was seen on this machine; one that was altered to something huge is as good as none."""
    try:
        found = kept.find(_kept_key(version, key_id), limit_bytes=LIMIT_BYTES)
    except IntegrityError:
        return None
    return found[0] if found else None


def _kept_key(version: ModelVersion, key_id: str) -> str:
    return f"signatures/{version.hex_digest}/{key_id}.json"


def _unsigned(version: ModelVersion, file: Path, keys: dict[str, Any], *, offline: bool) -> IntegrityError:
    known = f"the key of {file} ({next(iter(keys))})" if len(keys) == 1 else f"any of the {len(keys)} keys of {file}"
    if offline:
        return IntegrityError(
            f"no signature of {version} by {known} was seen on this machine. Nothing was pulled. Pull it once without --offline.",
            version=str(version),
        )
    return IntegrityError(
        f"{version} is not signed by {known}. Nothing was pulled. Ask whoever publishes it to sign it, or require another key.",
        version=str(version),
    )


def _decoded(text: Any) -> bytes:
    """The bytes of base64 in its one spelling; none for anything else."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if base64.b64encode(found).decode() == text else b""


def _damaged(where: str, what: str) -> IntegrityError:
    return IntegrityError(f"{where} is damaged: expected {what}. Sign the version again.")
