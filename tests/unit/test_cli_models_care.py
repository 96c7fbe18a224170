"""`models verify`, `delete` and `gc`."""

import json
import os
import time

import pytest

from distrnn.registry.layout import blob_key


def blob(published, reference, path):
    """The file in the registry that holds one file of a version."""
    version = published.resolve(reference)
    file = next(file for file in version.manifest.files if file.path == path)
    return published.store.local_path(blob_key(version.name, file.sha256)), file


@pytest.fixture
def broken(published):
    """The weights of `reviews@v2` are altered, the language model's are missing."""
    altered, _ = blob(published, "reviews@v2", "numpy/weights.npz")
    altered.chmod(0o644)
    altered.write_bytes(b"x" * altered.stat().st_size)
    blob(published, "text@v1", "numpy/weights.npz")[0].unlink()
    return published


def test_registry_that_is_whole(cli, published):
    done = cli("models", "verify")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"{published.url} is whole: every file is there and matches its digest.\n"
    assert json.loads(cli("models", "verify", "--json").stdout) == []


def test_every_finding_has_a_line(cli, broken):
    done = cli("models", "verify")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:3] for line in lines] == [
        ["VERSION", "PROBLEM", "WHAT"],
        ["reviews@v2", "altered", "numpy/weights.npz"],
        ["text@v1", "missing", "numpy/weights.npz"],
    ]
    message = f"error: {broken.url} is not whole: 2 findings. Restore these files from a backup or publish again.\n"
    assert (done.exit_code, done.stderr) == (5, message)


@pytest.mark.parametrize(("what", "code", "count"), [("reviews", 5, 1), ("reviews@v1", 0, 0), ("reviews@v2", 5, 1), ("text@latest", 5, 1)])
def test_one_model_or_version_is_verified(cli, broken, what, code, count):
    done = cli("models", "verify", what, "--json")
    assert (done.exit_code, len(json.loads(done.stdout))) == (code, count)


def test_document_of_a_finding(cli, broken):
    finding = json.loads(cli("models", "verify", "reviews", "--json").stdout)[0]
    assert list(finding) == ["version", "key", "file", "problem", "detail"]
    assert (finding["version"], finding["file"], finding["problem"]) == ("reviews@v2", "numpy/weights.npz", "altered")


def test_version_is_deleted_and_says_why(cli, published):
    done = cli("models", "delete", "reviews@v2", "--reason", "leaked", "--yes")
    assert (done.exit_code, done.stdout) == (0, "Deleted reviews@v2.\n")
    assert done.stderr.endswith("Its files are removed by: distrnn models gc reviews --apply\n")
    gone = cli("models", "show", "reviews@v2")
    assert (gone.exit_code, "leaked" in gone.stderr) == (3, True)


def test_document_of_a_deletion(cli, published):
    digest = published.resolve("reviews@v2").digest
    document = json.loads(cli("models", "delete", "reviews@v2", "--reason", "leaked", "--yes", "--json").stdout)
    assert list(document) == ["name", "number", "digest", "deleted_at", "reason"]
    assert (document["number"], document["digest"], document["reason"]) == (2, digest, "leaked")


@pytest.mark.parametrize("name", ["reviews", "models:/reviews"])
def test_name_alone_deletes_nothing(cli, published, name):
    done = cli("models", "delete", name, "--reason", "x", "--yes")
    message = "distrnn models delete must be told which version, for instance reviews@v3; see: distrnn models show reviews."
    assert (done.exit_code, done.stderr) == (2, f"error: {message} Received: {name!r}\n")
    assert len(published.versions("reviews")) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["reviews@v2", "--yes"], 2),
        (["reviews@v2", "--reason", "x"], 2),
        (["reviews@v1", "--reason", "x", "--yes"], 6),
        (["reviews@production", "--reason", "x", "--yes"], 6),
        (["reviews@v9", "--reason", "x", "--yes"], 3),
    ],
    ids=["no reason", "nobody to ask", "an alias holds it", "by its alias", "no such version"],
)
def test_version_that_is_not_deleted(cli, published, arguments, code):
    assert cli("models", "delete", *arguments).exit_code == code
    assert len(published.versions("reviews")) == 2


@pytest.fixture
def orphaned(published):
    """A blob of no version, two days old, among the blobs of `reviews`."""
    path = published.store.local_path(blob_key("reviews", "ab" * 32))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 2500)
    two_days_ago = time.time() - 2 * 86_400
    os.utime(path, (two_days_ago, two_days_ago))
    return path


def test_gc_says_what_would_go(cli, published, orphaned):
    done = cli("models", "gc")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["MODEL", "FILES", "SIZE", "UPLOADS", "LEFTOVERS", "VERSIONS"],
        ["reviews", "1", "2.5", "kB", "0", "0", "–"],
    ]
    assert (done.exit_code, done.stderr) == (0, "Nothing was removed; the same command with --apply does it.\n")
    assert orphaned.exists()


def test_gc_removes_it_when_told_to(cli, published, orphaned):
    assert cli("models", "gc", "--apply").exit_code == 2
    assert orphaned.exists()
    assert cli("models", "gc", "text", "--apply", "--yes").stderr == "There is nothing to remove.\n"
    done = cli("models", "gc", "--apply", "--yes", "--json")
    nothing = {"versions": [], "uploads": 0, "leftovers": 0}
    assert json.loads(done.stdout) == [{"name": "reviews", **nothing, "blobs": 1, "blob_bytes": 2500, "applied": True}]
    assert not orphaned.exists()
    assert json.loads(cli("models", "gc", "--json").stdout) == []


def test_young_files_stay(cli, published, orphaned):
    assert json.loads(cli("models", "gc", "--grace", "3d", "--json").stdout) == []
    assert len(json.loads(cli("models", "gc", "--grace", "47h", "--json").stdout)) == 1


def test_versions_beyond_the_retention_go(cli, published, tiny_classifier):
    for seed in (5, 6):
        published.publish("reviews", tiny_classifier(f"c{seed}", seed=seed), metadata={})
    # v4 is the newest, and production holds v1
    assert json.loads(cli("models", "gc", "--keep", "1", "--json").stdout)[0]["versions"] == [2, 3]
    assert json.loads(cli("models", "gc", "reviews", "--keep", "1", "--keep-for", "1h", "--json").stdout) == []
    assert json.loads(cli("models", "gc", "reviews", "--keep-for", "0", "--json").stdout)[0]["versions"] == [2, 3, 4]
    text = cli("models", "gc", "--keep", "1", "--apply", "--yes").stdout
    assert text.splitlines()[1].split()[-2:] == ["v2,", "v3"]
    assert [version.number for version in published.versions("reviews")] == [4, 1]


TIME = "expected a length of time such as 90s, 45m, 24h, 30d or 8w. Received: "


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--keep", "0", "invalid value for '--keep': Input should be greater than or equal to 1. See: distrnn models gc --help"),
        ("--keep-for", "30", f"{TIME}'30'"),
        ("--grace", "soon", f"{TIME}'soon'"),
    ],
)
def test_retention_that_makes_no_sense(cli, published, option, value, message):
    done = cli("models", "gc", option, value)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {message}\n")


def test_grace_is_shown_as_it_is_typed(cli):
    assert "[default: 24h]" in cli("models", "gc", "--help").stdout
