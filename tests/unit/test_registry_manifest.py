"""Manifests: what is written is read, and what is hostile or damaged is not."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import DistrnnError, IntegrityError, UsageError
from distrnn.registry.manifest import FileEntry, Manifest, Tombstone, check_path, check_together, form_of, parse
from manifests import resealed

SHA = "0" * 64
SEGMENTS = st.text(string.ascii_letters + string.digits + "-_é漢 .", min_size=1, max_size=12).filter(
    lambda segment: segment[-1] not in " ." and not segment.lower().endswith((".h5", ".hdf5", ".pkl", ".pickle", ".joblib"))
)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)


def manifest(**changes) -> bytes:
    return resealed(Manifest("imdb", 3, "attempt", "2026-11-21T00:00:00Z", (FileEntry("a.json", 1, SHA),)).to_bytes(), **changes)


@given(PATHS, st.integers(0, 2**60), st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=3))
def test_a_manifest_is_read_as_it_was_written(path, size_bytes, metadata):
    form = form_of(path)
    if form is not None and not form.isascii():
        return
    written = Manifest("imdb", 3, "attempt", "2026-11-21T00:00:00Z", (FileEntry(path, size_bytes, SHA, form),), metadata)
    try:
        read = parse(written.to_bytes(), "imdb", 3, "here")
    except IntegrityError:
        assert form is not None
        return
    assert read == written


@given(st.text(max_size=40))
def test_a_path_that_passes_stays_inside(path):
    try:
        check_path(path)
    except IntegrityError:
        return
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))
    assert not {"\\", "\0", "\n", ":"} & set(path)


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a/../b", "a//b", "a/", ".", "", "c:x", "a\\b", "a\x00", "a\x7f", "a\u202eb", "x.", "x ", "é" * 600, None, 3]
)
def test_a_path_that_leaves_its_folder_is_refused(path):
    with pytest.raises(IntegrityError) as caught:
        check_path(path)
    assert caught.value.message == (
        f"a file of a version must have a relative path of plain characters, without '..'. Received: {path!r}. Nothing was written."
    )


@pytest.mark.parametrize("path", ["keras/model.h5", "model.PKL", "a.pickle", "b.joblib", "c.hdf5"])
def test_formats_that_run_code_are_refused(path):
    with pytest.raises(IntegrityError) as caught:
        check_path(path)
    assert caught.value.message == (
        f"{path!r} is a format that can run code when it is loaded. Publish NumPy (.npz), .keras or SavedModel instead."
    )


@pytest.mark.parametrize("paths", [["a", "a"], ["Model", "model"], ["a", "a/b"], ["A/b", "a"]])
def test_paths_that_meet_on_a_disk_are_refused(paths):
    with pytest.raises(IntegrityError, match="have the same path on a disk"):
        check_together(paths)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"number": 4},
        {"number": True},
        {"attempt": None},
        {"metadata": []},
        {"files": []},
        {"files": {}},
        {"files": ["a"]},
        {"files": [{"path": "a", "size_bytes": -1, "sha256": SHA, "form": None}]},
        {"files": [{"path": "a", "size_bytes": True, "sha256": SHA, "form": None}]},
        {"files": [{"path": "a", "size_bytes": 1, "sha256": "../" + SHA[3:], "form": None}]},
        {"files": [{"path": "a", "size_bytes": 1, "sha256": SHA, "form": "numpy"}]},
        {"files": [{"path": "N/a", "size_bytes": 1, "sha256": SHA, "form": "N"}]},
        {"schema_version": "1"},
        {"schema_version": None},
    ],
)
def test_a_damaged_manifest_is_refused(change):
    with pytest.raises(
        IntegrityError, match=r"^s3://b/key is damaged: expected .*\. Publish the model again, or restore the file from a backup\.$"
    ):
        parse(manifest(**change), "imdb", 3, "s3://b/key")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(IntegrityError, match="is damaged: expected a JSON object"):
        parse(body, "imdb", 3, "here")


@pytest.mark.parametrize("flip", [0x01, 0x20, 0xFF])
def test_every_altered_byte_of_a_manifest_is_noticed(flip):
    body = Manifest("imdb", 3, "a" * 32, "2026-11-21T00:00:00Z", (FileEntry("a", 1, SHA),), {"note": '"tombstone"'}).to_bytes()
    for position in range(len(body)):
        altered = body[:position] + bytes([body[position] ^ flip]) + body[position + 1 :]
        with pytest.raises(IntegrityError):
            parse(altered, "imdb", 3, "here")


def test_a_manifest_that_was_cut_short_is_noticed():
    body = Manifest("imdb", 3, "a" * 32, "2026-11-21T00:00:00Z", (FileEntry("a", 1, SHA),)).to_bytes()
    for length in range(len(body)):
        with pytest.raises(IntegrityError):
            parse(body[:length], "imdb", 3, "here")


def test_a_newer_manifest_asks_for_an_update():
    with pytest.raises(DistrnnError) as caught:
        parse(manifest(schema_version=2), "imdb", 3, "here")
    assert caught.value.message == "here was written by a newer distrnn (schema 2; this one knows 1). Update distrnn to read it."


def test_a_tombstone_is_read():
    grave = {"schema_version": 1, "name": "imdb", "number": 3, "tombstone": {"at": "2026-11-21T00:00:00Z", "reason": "wrong"}}
    assert parse(json.dumps(grave).encode(), "imdb", 3, "here") == Tombstone("imdb", 3, "2026-11-21T00:00:00Z", "wrong")


@pytest.mark.parametrize("metadata", [{"loss": float("nan")}, {"labels": {"a"}}, {"f": b"x"}])
def test_metadata_that_is_no_json_is_refused(metadata):
    with pytest.raises(
        UsageError, match=r"^metadata must be plain JSON: text, finite numbers, true, false, null, lists, objects\. Received: "
    ):
        Manifest("imdb", 1, "a", "t", (FileEntry("a", 1, SHA),), metadata).to_bytes()
