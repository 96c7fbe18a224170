"""`models bundle`, `unbundle` and `sign`."""

import json
from hashlib import sha256

import pytest

from distrnn import Registry


@pytest.fixture
def bundled(cli, published):
    """A bundle of both versions of `reviews`."""
    assert cli("models", "bundle", "reviews@v1", "reviews@v2", "reviews", "--to", "models.bundle").exit_code == 0
    return "models.bundle"


def test_bundle_says_what_it_carries(cli, published, short, tmp_path):
    done = cli("models", "bundle", "reviews@production", "text", "--to", "models.bundle")
    body = (tmp_path / "models.bundle").read_bytes()
    lines = done.stdout.splitlines()
    assert (done.exit_code, done.stderr) == (0, "")
    assert [line.split() for line in lines[:3]] == [
        ["VERSION", "DIGEST"],
        ["reviews@v1", short("reviews@v1")],
        ["text@v1", short("text@v1")],
    ]
    assert lines[-1].startswith("Wrote models.bundle (")
    assert lines[-1].endswith(f", sha256 {sha256(body).hexdigest()}).")


def test_document_of_a_bundle(cli, published, tmp_path):
    document = json.loads(cli("models", "bundle", "reviews@v1", "--to", "models.bundle", "--json").stdout)
    body = (tmp_path / "models.bundle").read_bytes()
    version = {"name": "reviews", "number": 1, "digest": published.resolve("reviews@v1").digest}
    assert document == {"path": "models.bundle", "size_bytes": len(body), "sha256": sha256(body).hexdigest(), "versions": [version]}


def test_bundle_arrives_under_its_numbers(cli, published, bundled, tmp_path):
    done = cli("models", "unbundle", bundled, "--registry", tmp_path / "other")
    assert [line.split()[::2] for line in done.stdout.splitlines()] == [
        ["VERSION", "NOW"],
        ["reviews@v1", "added"],
        ["reviews@v2", "added"],
    ]
    other = Registry(tmp_path / "other")
    assert [version.digest for version in other.versions("reviews")] == [version.digest for version in published.versions("reviews")]
    again = cli("models", "unbundle", bundled, "--registry", tmp_path / "other")
    assert again.stdout.splitlines()[1].endswith("was there")


def test_document_of_an_arrival(cli, published, bundled, tmp_path):
    document = json.loads(cli("models", "unbundle", bundled, "--registry", tmp_path / "other", "--json").stdout)
    assert list(document) == ["versions", "absent"]
    assert document["versions"][1] == {
        "name": "reviews",
        "number": 2,
        "digest": published.resolve("reviews@v2").digest,
        "added": True,
    }


def test_lower_numbers_that_are_kept_free_are_told(cli, published, tmp_path):
    cli("models", "bundle", "reviews@v2", "--to", "two.bundle")
    done = cli("models", "unbundle", "two.bundle", "--registry", tmp_path / "other")
    assert (done.exit_code, done.stderr) == (0, "1 lower number is kept for what the other registry has there.\n")


def test_number_of_another_version_is_a_conflict(cli, published, bundled, tmp_path, tiny_classifier):
    Registry(tmp_path / "other").publish("reviews", tiny_classifier("mine", seed=9), metadata={})
    done = cli("models", "unbundle", bundled, "--registry", tmp_path / "other")
    assert (done.exit_code, done.stdout) == (6, "")
    assert len(Registry(tmp_path / "other").versions("reviews")) == 1


def test_damaged_bundle_is_refused(cli, published, bundled, tmp_path):
    body = bytearray((tmp_path / bundled).read_bytes())
    body[len(body) // 2] ^= 1
    (tmp_path / bundled).write_bytes(bytes(body))
    assert cli("models", "unbundle", bundled, "--registry", tmp_path / "other").exit_code == 5
    assert Registry(tmp_path / "other").names() == []


@pytest.mark.parametrize("arguments", [["bundle", "review", "--to", "x"], ["unbundle", "x"]], ids=["no such version", "no such file"])
def test_what_is_not_there(cli, published, arguments, tmp_path):
    assert cli("models", *arguments).exit_code == 3
    assert not (tmp_path / "x").exists()


def test_signature_is_shown_with_the_version(cli, published, key_files):
    done = cli("models", "sign", "reviews@v1", "--key", key_files.private)
    signature = json.loads(cli("models", "show", "reviews@v1", "--json").stdout)["signatures"][0]
    assert (done.exit_code, done.stdout) == (0, f"Signed reviews@v1 with key {signature['key_id']}.\n")
    assert f"\nsigned by  {signature['key_id']}\n" in cli("models", "show", "reviews@v1").stdout


def test_document_of_a_signature(cli, published, key_files):
    document = json.loads(cli("models", "sign", "reviews@v1", "--key", key_files.private, "--json").stdout)
    assert list(document) == ["name", "number", "digest", "key_id", "public_key", "signature", "signed_at"]
    assert (document["name"], document["digest"]) == ("reviews", published.resolve("reviews@v1").digest)


@pytest.mark.parametrize(("key", "code"), [("public", 2), ("none", 3)])
def test_key_that_cannot_sign(cli, published, key_files, tmp_path, key, code):
    assert cli("models", "sign", "reviews@v1", "--key", getattr(key_files, key, tmp_path / "none.pem")).exit_code == code
