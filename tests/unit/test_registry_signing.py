"""Signatures: true ones by a trusted key are believed, and nothing else is."""

import base64
import json
import subprocess
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, load_pem_public_key

from distrnn.errors import AccessError, IntegrityError, MissingExtraError, NotFoundError, UsageError
from distrnn.registry import signing, signing_keys
from distrnn.registry.layout import signature_key
from distrnn.registry.manifest import digest_of
from storage_doubles import Watched


@pytest.fixture
def registry(small_registry):
    return small_registry


@pytest.fixture
def version(registry, publish_small):
    return publish_small(registry)


@pytest.fixture
def seen(tmp_path):
    return tmp_path / "cache"


def raw(public_file):
    return load_pem_public_key(public_file.read_bytes()).public_bytes(Encoding.Raw, PublicFormat.Raw)


def id_of(keys):
    return sha256(raw(keys.public)).hexdigest()[:16]


def key_of(version, keys):
    return signature_key(version.name, version.hex_digest, id_of(keys))


# signing


def test_a_signature_is_what_the_format_says(registry, version, key_pair):
    signature = signing.sign(registry.store, version, key_pair.private)
    stored = registry.store.read(f"imdb/signatures/{version.hex_digest}/{id_of(key_pair)}.json")
    assert json.loads(stored) == {"schema_version": 1, **signature.to_json()}
    assert (signature.name, signature.number, signature.digest, signature.key_id) == ("imdb", 1, version.digest, id_of(key_pair))
    assert base64.b64decode(signature.public_key) == raw(key_pair.public)
    trusted = Ed25519PublicKey.from_public_bytes(raw(key_pair.public))
    trusted.verify(base64.b64decode(signature.signature), b"distrnn manifest v1\n" + registry.store.read("imdb/versions/0000000001.json"))


def test_signing_again_changes_nothing(registry, version, key_pair):
    first = signing.sign(registry.store, version, key_pair.private)
    assert signing.sign(registry.store, version, key_pair.private) == first


def test_signing_again_mends_what_is_no_true_signature(registry, version, key_pair, seen):
    signing.sign(registry.store, version, key_pair.private)
    registry.store.put(key_of(version, key_pair), b"{}")
    signing.sign(registry.store, version, key_pair.private)
    signing.require(registry.store, seen, version, key_pair.public)


def test_of_two_who_sign_at_the_same_time_both_have_signed(registry, version, key_pair):
    def meanwhile(name, key):
        if name == "compare_and_swap":
            theirs.append(signing.sign(registry.store, version, key_pair.private))

    theirs = []
    assert signing.sign(Watched(registry.store, before=meanwhile), version, key_pair.private) == theirs[0]


def test_several_keys_sign_one_version(registry, version, key_pair, new_keys):
    other = new_keys("other")
    made = {signing.sign(registry.store, version, keys.private) for keys in (key_pair, other)}
    assert {found.key_id for found in signing.signatures(registry.store, version)} == {id_of(key_pair), id_of(other)}
    assert set(signing.signatures(registry.store, version)) == made


def test_keys_of_openssl(registry, version, seen, tmp_path):
    private, public = tmp_path / "o.pem", tmp_path / "o.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    signature = signing.sign(registry.store, version, private)
    assert signing.require(registry.store, seen, version, public) == signature


def test_an_encrypted_key_needs_its_passphrase(registry, version, new_keys, monkeypatch):
    keys = new_keys("locked", "open sesame")
    with pytest.raises(AccessError) as caught:
        signing.sign(registry.store, version, keys.private)
    assert caught.value.message == f"the private key {keys.private} is encrypted. Set DISTRNN_SIGNING_PASSPHRASE to its passphrase."
    monkeypatch.setenv("DISTRNN_SIGNING_PASSPHRASE", "wrong")
    with pytest.raises(AccessError) as caught:
        signing.sign(registry.store, version, keys.private)
    assert caught.value.message == (
        f"DISTRNN_SIGNING_PASSPHRASE does not open the private key {keys.private}. Set it to the passphrase of this key."
    )
    monkeypatch.setenv("DISTRNN_SIGNING_PASSPHRASE", "open sesame")
    assert signing.sign(registry.store, version, keys.private).key_id == id_of(keys)


def test_a_passphrase_for_another_key_does_no_harm(registry, version, key_pair, monkeypatch):
    monkeypatch.setenv("DISTRNN_SIGNING_PASSPHRASE", "of another key")
    assert signing.sign(registry.store, version, key_pair.private).key_id == id_of(key_pair)


# key files


@pytest.mark.parametrize("body", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None])
def test_what_is_no_private_key(registry, version, key_pair, tmp_path, body):
    path = tmp_path / "file"
    path.write_bytes(key_pair.public.read_bytes() if body is None else body)
    with pytest.raises(UsageError) as caught:
        signing.sign(registry.store, version, path)
    assert caught.value.message == (
        f"{path} must hold an Ed25519 private key in PEM, and no key of another kind. Make one with: "
        "openssl genpkey -algorithm ed25519 -out KEY.pem"
    )


@pytest.mark.parametrize("body", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", None])
def test_what_is_no_public_key(registry, version, seen, key_pair, tmp_path, body):
    path = tmp_path / "file"
    path.write_bytes(key_pair.private.read_bytes() if body is None else body)
    with pytest.raises(UsageError) as caught:
        signing.require(registry.store, seen, version, path)
    assert caught.value.message == (
        f"{path} must hold an Ed25519 public key in PEM, and no key of another kind. Make one with: "
        "openssl pkey -in KEY.pem -pubout -out KEY.pub"
    )


def test_a_key_of_another_kind_is_refused(registry, version, seen, key_pair, tmp_path):
    private, public = tmp_path / "x.pem", tmp_path / "x.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "x25519", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    with pytest.raises(UsageError, match="must hold an Ed25519 private key"):
        signing.sign(registry.store, version, private)
    public.write_bytes(key_pair.public.read_bytes() + public.read_bytes())
    with pytest.raises(UsageError, match="must hold an Ed25519 public key"):
        signing.require(registry.store, seen, version, public)


def test_a_key_file_that_is_not_there(registry, version, seen, tmp_path):
    message = rf"^the key file {tmp_path}/none does not exist\.$"
    with pytest.raises(NotFoundError, match=message):
        signing.sign(registry.store, version, tmp_path / "none")
    with pytest.raises(NotFoundError, match=message):
        signing.require(registry.store, seen, version, tmp_path / "none")


def test_without_the_extra_it_says_what_to_install(registry, version, seen, key_pair, monkeypatch):
    monkeypatch.setattr(signing_keys, "find_spec", lambda name: None)
    for verb in (
        lambda: signing.sign(registry.store, version, key_pair.private),
        lambda: signing.require(registry.store, seen, version, key_pair.public),
    ):
        with pytest.raises(MissingExtraError) as caught:
            verb()
        assert caught.value.message == (
            "signatures need packages that are not installed: cryptography. Install them with: pip install 'distrnn[sign]'"
        )
        assert caught.value.fields == {"extra": "sign", "missing": ["cryptography"]}


# requiring


def test_what_is_not_signed_is_refused(registry, version, seen, key_pair, new_keys):
    other = new_keys("other")
    signing.sign(registry.store, version, other.private)
    with pytest.raises(IntegrityError) as caught:
        signing.require(registry.store, seen, version, key_pair.public)
    assert caught.value.message == (
        f"imdb@v1 is not signed by the key of {key_pair.public} ({id_of(key_pair)}). Nothing was pulled. Ask whoever publishes it to sign "
        "it, or require another key."
    )
    assert not seen.exists()


def test_any_key_of_a_file_will_do(registry, version, seen, key_pair, new_keys, tmp_path):
    other, both = new_keys("other"), tmp_path / "both.pub"
    both.write_bytes(b"a comment\n" + other.public.read_bytes() + b"\n" + key_pair.public.read_bytes())
    with pytest.raises(IntegrityError, match=rf"^imdb@v1 is not signed by any of the 2 keys of {both}\. "):
        signing.require(registry.store, seen, version, both)
    signature = signing.sign(registry.store, version, key_pair.private)
    registry.store.put(key_of(version, other), b"nonsense")
    assert signing.require(registry.store, seen, version, both) == signature


def test_a_signature_is_of_one_version_only(registry, version, seen, key_pair, publish_small):
    signing.sign(registry.store, version, key_pair.private)
    other = publish_small(registry)
    registry.store.put(key_of(other, key_pair), registry.store.read(key_of(version, key_pair)))
    with pytest.raises(IntegrityError, match=r"is damaged: expected the signature of imdb@sha256:"):
        signing.require(registry.store, seen, other, key_pair.public)


def forged(version, keys, message):
    """A document that is right in everything but what was signed."""
    private = load_pem_private_key(keys.private.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    document = {
        "schema_version": 1,
        "name": version.name,
        "number": version.number,
        "digest": version.digest,
        "key_id": id_of(keys),
        "public_key": base64.b64encode(raw(keys.public)).decode(),
        "signature": base64.b64encode(private.sign(message)).decode(),
        "signed_at": "2026-11-21T00:00:00Z",
        "attempt": "a",
    }
    return document


def test_a_signature_over_the_manifest_alone_is_none(registry, version, seen, key_pair):
    registry.store.put(key_of(version, key_pair), json.dumps(forged(version, key_pair, version.body)).encode())
    with pytest.raises(IntegrityError) as caught:
        signing.require(registry.store, seen, version, key_pair.public)
    assert caught.value.message == (
        f"{registry.url}/{key_of(version, key_pair)} is no true signature of imdb@v1 by key {id_of(key_pair)}: the manifest, the signature "
        "or the key is another one. Nothing was pulled. Do not use this version before its publisher has explained it."
    )
    registry.store.put(key_of(version, key_pair), json.dumps(forged(version, key_pair, b"distrnn manifest v1\n" + version.body)).encode())
    signing.require(registry.store, seen, version, key_pair.public)


def test_a_manifest_that_was_altered_has_no_signature(registry, version, seen, key_pair):
    signing.sign(registry.store, version, key_pair.private)
    body = version.body.replace(b"0.8", b"0.9")
    altered = replace(version, body=body, digest=digest_of(body))
    with pytest.raises(IntegrityError, match=r"^imdb@v1 is not signed by"):
        signing.require(registry.store, seen, altered, key_pair.public)
    with pytest.raises(IntegrityError, match=r"is no true signature of imdb@v1"):
        signing.require(registry.store, seen, replace(version, body=body), key_pair.public)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"digest": "sha256:" + "0" * 64},
        {"key_id": "0" * 16},
        {"public_key": base64.b64encode(bytes(32)).decode()},
        {"public_key": 3},
        {"signature": base64.b64encode(bytes(63)).decode()},
        {"signature": "no base64"},
        {"signature": None},
        {"signature": []},
        {"signed_at": 0},
        {"attempt": None},
        {"number": "1"},
        {"number": True},
    ],
)
def test_a_hostile_document_is_refused(registry, version, seen, key_pair, change):
    good = forged(version, key_pair, b"distrnn manifest v1\n" + version.body)
    key = key_of(version, key_pair)
    registry.store.put(key, json.dumps({**good, **change}).encode())
    with pytest.raises(IntegrityError, match=rf"^{registry.url}/{key} is damaged: expected .* Sign the version again\.$"):
        signing.require(registry.store, seen, version, key_pair.public)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 10_000])
def test_a_document_that_is_no_json_is_refused(registry, version, seen, key_pair, body):
    registry.store.put(key_of(version, key_pair), body)
    with pytest.raises(IntegrityError, match="is damaged: expected a JSON object"):
        signing.require(registry.store, seen, version, key_pair.public)


def test_a_document_that_is_too_large_is_not_read(registry, version, seen, key_pair):
    registry.store.put(key_of(version, key_pair), b" " * (signing.LIMIT_BYTES + 1))
    with pytest.raises(IntegrityError, match="16,385 bytes"):
        signing.require(registry.store, seen, version, key_pair.public)


# what was seen


def test_a_signature_that_was_seen_is_good_without_the_registry(registry, version, seen, key_pair):
    with pytest.raises(IntegrityError) as caught:
        signing.require(None, seen, version, key_pair.public)
    assert caught.value.message == (
        f"no signature of imdb@v1 by the key of {key_pair.public} ({id_of(key_pair)}) was seen on this machine. Nothing was pulled. Pull "
        "it once without --offline."
    )
    signature = signing.sign(registry.store, version, key_pair.private)
    assert signing.require(registry.store, seen, version, key_pair.public) == signature
    assert signing.require(None, seen, version, key_pair.public) == signature


@pytest.mark.parametrize("body", [b"{}", b" " * 100_000])
def test_a_signature_that_was_seen_is_verified_again(registry, version, seen, key_pair, body):
    signature = signing.sign(registry.store, version, key_pair.private)
    signing.require(registry.store, seen, version, key_pair.public)
    (kept,) = seen.rglob("*.json")
    kept.write_bytes(body)
    with pytest.raises(IntegrityError, match="was seen on this machine"):
        signing.require(None, seen, version, key_pair.public)
    assert signing.require(registry.store, seen, version, key_pair.public) == signature
    assert signing.require(None, seen, version, key_pair.public) == signature
