"""Ed25519 keys in the files that `openssl` makes of them."""

import os
import re
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distrnn.errors import AccessError, MissingExtraError, NotFoundError, UsageError
from distrnn.storage.local_errors import os_errors

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PASSPHRASE = "DISTRNN_SIGNING_PASSPHRASE"  # noqa: S105
_LIMIT_BYTES = 1 << 20
_PUBLIC_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)
_MAKE_PRIVATE = "openssl genpkey -algorithm ed25519 -out KEY.pem"
_MAKE_PUBLIC = "openssl pkey -in KEY.pem -pubout -out KEY.pub"


def private_key(path: Path) -> "Ed25519PrivateKey":
    """The key that signs; the passphrase of an encrypted one is in DISTRNN_SIGNING_PASSPHRASE.

    Raises:
        NotFoundError: there is no such file.
        UsageError: it holds no Ed25519 private key.
        AccessError: it is encrypted, and the passphrase is missing or wrong.
        MissingExtraError: `cryptography` is not installed.
    """
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    body = _read(path)
    key: Any = None
    try:
        key = load_pem_private_key(body, None)
    except TypeError:  # it is encrypted
        passphrase = _passphrase(path)
        try:
            key = load_pem_private_key(body, passphrase)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise AccessError(f"{PASSPHRASE} does not open the private key {path}. Set it to the passphrase of this key.") from error
    except (ValueError, UnsupportedAlgorithm):
        pass
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private", _MAKE_PRIVATE)
    return key


def public_keys(path: Path) -> "dict[str, Ed25519PublicKey]":
    """The keys that a file holds, by their id, in the order of the file.

    Raises:
        NotFoundError: there is no such file.
        UsageError: it holds no Ed25519 public key, or a key of another kind.
        MissingExtraError: `cryptography` is not installed.
    """
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    found: dict[str, Ed25519PublicKey] = {}
    for pem in _PUBLIC_PEM.findall(_read(path)):
        key: Any = None
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            pass
        if not isinstance(key, Ed25519PublicKey):
            raise _no_key(path, "public", _MAKE_PUBLIC)
        found[id_of(key.public_bytes_raw())] = key
    if not found:
        raise _no_key(path, "public", _MAKE_PUBLIC)
    return found


def id_of(raw_public_key: bytes) -> str:
    """The id of a key: 16 hexadecimal digits."""
    return sha256(raw_public_key).hexdigest()[:16]


def _read(path: Path) -> bytes:
    try:
        with os_errors(path), path.open("rb") as file:
            return file.read(_LIMIT_BYTES)
    except FileNotFoundError:
        raise NotFoundError(f"the key file {path} does not exist.") from None


def _passphrase(path: Path) -> bytes:
    text = os.environ.get(PASSPHRASE)
    if not text:
        raise AccessError(f"the private key {path} is encrypted. Set {PASSPHRASE} to its passphrase.")
    return text.encode()


def _no_key(path: Path, kind: str, make: str) -> UsageError:
    return UsageError(f"{path} must hold an Ed25519 {kind} key in PEM, and no key of another kind. Make one with: {make}")


def _require_cryptography() -> None:
    if find_spec("cryptography") is None:
        raise MissingExtraError(
            "signatures need packages that are not installed: cryptography. Install them with: pip install 'distrnn[sign]'",
            extra="sign",
            missing=["cryptography"],
        )
