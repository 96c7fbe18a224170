"""A bundle comes from anywhere: what is damaged or hostile is refused before the registry is asked anything."""

import io
import json
import tarfile
from hashlib import sha256

import pytest

from distrnn.errors import DistrnnError, IntegrityError, NotFoundError
from distrnn.registry import bundle, bundle_file, bundle_reading, signing
from distrnn.registry.bundle import unbundle
from distrnn.registry.bundle_file import CHECKSUM, INDEX
from distrnn.registry.layout import blob_key, card_key, tags_key, version_key
from distrnn.registry.manifest import Manifest, Tombstone, digest_of, sealed
from manifests import resealed, unsealed
from storage_doubles import MemoryStore


@pytest.fixture
def registry(small_registry):
    return small_registry


@pytest.fixture
def there():
    """Another registry, to which nothing leads but a file."""
    return MemoryStore()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "carried.tar"


@pytest.fixture
def carried(registry, publish_small, path):
    """A bundle of imdb@v1."""
    bundle.bundle(registry.store, [publish_small(registry)], path)
    return path


@pytest.fixture
def tiny(registry, publish_small, path):
    """A bundle as small as can be."""
    left_out = {"README.md": b"", "numpy/empty.json": b"", "preprocessing.json": b""}
    bundle.bundle(registry.store, [publish_small(registry, **left_out, **{"numpy/weights.npz": b"w"})], path)
    return path


# what is damaged


@pytest.fixture
def refused(tmp_path, there, care_home):
    """A function that tries to unbundle a file that must be refused; returns the message."""

    def run(body, kind=IntegrityError):
        path = tmp_path / "hostile.tar"
        path.write_bytes(body)
        with pytest.raises(kind) as caught:
            unbundle(there, path, care_home)
        assert there.calls.total() == 0, "the registry was asked"
        assert not list((care_home / "cache" / "models" / "temporary").rglob("*"))
        return caught.value.message.replace(str(path), "FILE")

    return run


def test_every_byte_that_is_flipped_is_noticed(tiny, tmp_path):
    body, unpacked = tiny.read_bytes(), tmp_path / "unpacked"
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(body)
    with damaged.open("r+b") as file:
        for place in range(len(body)):
            for mask in (0x01, 0x20):
                file.seek(place)
                file.write(bytes([body[place] ^ mask]))
                file.flush()
                with pytest.raises(IntegrityError):
                    bundle_reading.read(damaged, unpacked / str(place) / str(mask))
                file.seek(place)
                file.write(body[place : place + 1])
    assert bundle_reading.read(damaged, unpacked / "good")[0].version.name == "imdb"


def test_every_cut_is_noticed(tiny, tmp_path):
    body, cut = tiny.read_bytes(), tmp_path / "cut.tar"
    for length in [*range(0, len(body), 97), len(body) - 1]:
        cut.write_bytes(body[:length])
        with pytest.raises(IntegrityError):
            bundle_reading.read(cut, tmp_path / "unpacked" / str(length))


def test_what_goes_on_after_its_end_is_refused(carried, refused):
    body = carried.read_bytes()
    assert refused(body + bytes(512)) == (
        f"FILE is no whole bundle: expected a file of {len(body):,} bytes, received {len(body) + 512:,}. Nothing was changed in the "
        "registry. Bring the file again from where it was made."
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "it ends too early"),
        (b"no tar at all" * 100, "it does not begin as a tar file does"),
        (b"\0" * 10240, "it does not begin as a tar file does"),
    ],
)
def test_what_is_no_tar_is_refused(refused, body, message):
    assert refused(body).startswith(f"FILE is no whole bundle: {message}. ")


def test_a_file_that_is_not_there(there, path, care_home):
    with pytest.raises(NotFoundError, match=rf"^{path} does not exist\. Expected a file that `distrnn models bundle` wrote\.$"):
        unbundle(there, path, care_home)


def test_a_damaged_blob_is_named(carried, refused):
    assert refused(carried.read_bytes().replace(b"weights 1", b"Weights 1")).startswith(
        f"FILE is no whole bundle: {blob_key('imdb', sha256(b'weights 1').hexdigest())}: expected sha256"
    )


# what is hostile


def parts(body):
    """The index and the members of a bundle."""
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    return json.loads(members.pop(INDEX)), members


def remade(body, change):
    """A bundle that is right in itself, after `change` of its index and members."""
    index, members = parts(body)
    members.pop(CHECKSUM)
    change(index, members)
    blobs_last = sorted(members, key=lambda name: ("/blobs/" in name, name))
    index["members"] = [
        {"path": name, "size_bytes": len(members[name]), "sha256": sha256(members[name]).hexdigest()} for name in blobs_last
    ]
    return packed(index, [(name, members[name]) for name in blobs_last])


def packed(index, members):
    encoded = (json.dumps(index, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()
    checksum = f"{sha256(encoded).hexdigest()}  {INDEX}\n".encode()
    out = io.BytesIO()
    for name, content in ((INDEX, encoded), (CHECKSUM, checksum), *members):
        info = tarfile.TarInfo(name)
        info.size = len(content)
        out.write(info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512))
    return out.getvalue() + bytes(1024)


def reindexed(members, number=1, name="imdb"):
    """Put another manifest in the place of the first one, with an index that agrees."""

    def change(index, found):
        found[version_key(name, number)] = members
        index["versions"][0]["digest"] = digest_of(members)

    return change


def test_the_helper_makes_the_same_file(carried):
    body = carried.read_bytes()
    assert remade(body, lambda index, members: None) == body


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "imdb/../evil",
        "other/versions/0000000001.json",
        "imdb/versions/0000000002.json",
        "imdb/versions/1.json",
        "imdb/aliases/production.json",
        "imdb/gc.json",
        "imdb/tags/0000000002.json",
        "imdb/signatures/" + "0" * 64 + "/" + "0" * 16 + ".json",
        "_catalog/imdb.json",
        "evil",
    ],
)
def test_a_member_that_leads_elsewhere_is_refused(carried, refused, name):
    def change(index, members):
        members[name] = b"{}"

    message = refused(remade(carried.read_bytes(), change))
    assert message.startswith(f"FILE is no whole bundle: it holds {name!r}, which belongs to none of its versions. ")


@pytest.mark.parametrize("name", ["imdb/blobs/sha256/00/" + "0" * 64, "imdb/blobs/../../../evil", "../blobs/evil", "x/blobs/evil"])
def test_a_blob_of_no_manifest_is_refused(carried, refused, name):
    def change(index, members):
        members[name] = b"evil"

    assert refused(remade(carried.read_bytes(), change)).startswith(
        f"FILE is no whole bundle: it holds {name!r}, which none of its manifests names like this. "
    )


def test_a_blob_with_other_bytes_is_refused(carried, refused):
    key = blob_key("imdb", sha256(b"weights 1").hexdigest())

    def change(index, members):
        members[key] = b"Weights 1"

    assert f"it holds {key!r}, which none of its manifests names like this" in refused(remade(carried.read_bytes(), change))


def test_a_blob_that_is_missing_is_named(carried, refused):
    def change(index, members):
        del members[blob_key("imdb", sha256(b"weights 1").hexdigest())]

    assert "numpy/weights.npz is not in it, though a manifest names it" in refused(remade(carried.read_bytes(), change))


def test_a_manifest_that_is_missing_is_named(carried, refused):
    def change(index, members):
        del members[version_key("imdb", 1)]

    assert "the manifest of imdb@v1 is not in it" in refused(remade(carried.read_bytes(), change))


def test_a_manifest_with_another_digest_is_refused(carried, refused):
    def change(index, members):
        index["versions"][0]["digest"] = "sha256:" + "0" * 64

    assert "the manifest of imdb@v1 has another digest than its index says" in refused(remade(carried.read_bytes(), change))


def test_what_is_no_manifest_is_refused(carried, refused, registry):
    grave = Tombstone("imdb", 1, "2026-11-21T00:00:00Z", "").to_bytes("a")
    assert "what stands for imdb@v1 is not the manifest of a version" in refused(remade(carried.read_bytes(), reindexed(grave)))
    other = Manifest("imdb", 2, "a", "t", registry.resolve("imdb").manifest.files).to_bytes()
    assert "expected the manifest of imdb@v1" in refused(remade(carried.read_bytes(), reindexed(other)))


def test_a_manifest_that_a_registry_would_read_as_another_is_refused(carried, refused, registry):
    version = registry.resolve("imdb")
    body = resealed(version.body, deleting={}, manifest=version.body.decode())
    assert "what stands for imdb@v1 is not the manifest of a version" in refused(remade(carried.read_bytes(), reindexed(body)))


def test_a_manifest_that_leaves_its_folder_is_refused(carried, refused, registry):
    body = sealed(unsealed(registry.resolve("imdb").body).replace(b'"README.md"', b'"../README"'))
    assert "a file of a version must have a relative path" in refused(remade(carried.read_bytes(), reindexed(body)))


@pytest.mark.parametrize("kind", ["tags", "card", "signature"])
def test_a_document_that_is_damaged_or_untrue_is_refused(registry, carried, refused, key_pair, kind):
    version = registry.resolve("imdb")
    signing.sign(registry.store, version, key_pair.private)
    (key,) = [entry.key for entry in registry.store.list("imdb/signatures/")]
    untrue = json.dumps({**json.loads(registry.store.read(key)), "signature": "A" * 86 + "=="}).encode()
    first = {"revision": 1, "at": "", "sha256": sha256(b"a").hexdigest(), "text": "a"}
    card = json.dumps({"schema_version": 1, "name": "imdb", "number": 1, "attempt": "a", "revisions": [first]}).encode()
    name, body = {"tags": (tags_key("imdb", 1), b"{}"), "card": (card_key("imdb", 1), card), "signature": (key, untrue)}[kind]

    def change(index, members):
        members[name] = body

    assert refused(remade(carried.read_bytes(), change)).startswith(f"FILE:{name} is ")


@pytest.mark.parametrize("limit", ["LIMIT_BYTES", "_DOCUMENTS_BYTES"])
def test_a_document_that_is_too_large_is_not_read(carried, refused, monkeypatch, limit):
    monkeypatch.setattr(bundle_reading, limit, 100)
    assert "bytes, which is too much for a document" in refused(carried.read_bytes())


def test_an_index_that_is_too_large_is_not_read(carried, refused, monkeypatch):
    monkeypatch.setattr(bundle_file, "_INDEX_BYTES", 100)
    assert "its index is said to have" in refused(carried.read_bytes())


@pytest.mark.parametrize(
    "change",
    [
        {"versions": []},
        {"versions": None},
        {"versions": [{"name": "../x", "number": 1, "digest": "sha256:" + "0" * 64}]},
        {"versions": [{"name": "imdb", "number": 0, "digest": "sha256:" + "0" * 64}]},
        {"versions": [{"name": "imdb", "number": True, "digest": "sha256:" + "0" * 64}]},
        {"versions": [{"name": "imdb", "number": 10**10, "digest": "sha256:" + "0" * 64}]},
        {"versions": [{"name": "imdb", "number": 1, "digest": "0" * 64}]},
        {"versions": [{"name": "imdb", "number": 1}]},
        {"versions": [{"name": "imdb", "number": number, "digest": "sha256:" + "0" * 64} for number in (2, 1)]},
        {"versions": [{"name": "imdb", "number": 1, "digest": "sha256:" + "0" * 64}] * 2},
        {"members": None},
        {"members": ["a"]},
        {"members": [{"path": "a", "size_bytes": -1, "sha256": "0" * 64}]},
        {"members": [{"path": "a", "size_bytes": 1.5, "sha256": "0" * 64}]},
        {"members": [{"path": "a", "size_bytes": 8 << 30, "sha256": "0" * 64}]},
        {"members": [{"path": "a", "size_bytes": 1, "sha256": "../" + "0" * 61}]},
        {"members": [{"path": "a\n", "size_bytes": 1, "sha256": "0" * 64}]},
        {"members": [{"path": 3, "size_bytes": 1, "sha256": "0" * 64}]},
        {"members": [{"path": "a", "size_bytes": 1, "sha256": "0" * 64}] * 2},
        {"members": [{"path": path, "size_bytes": 1, "sha256": "0" * 64} for path in "ba"]},
        {"extra": 1},
    ],
)
def test_an_index_that_is_not_as_it_is_written_is_refused(carried, refused, change):
    index, members = parts(carried.read_bytes())
    members.pop(CHECKSUM)
    message = refused(packed({**index, **change}, sorted(members.items())))
    assert message.startswith("FILE is no whole bundle: its index is not as `distrnn models bundle` writes it. ")


def test_a_bundle_of_a_newer_program_asks_for_an_update(carried, refused):
    index, members = parts(carried.read_bytes())
    members.pop(CHECKSUM)
    message = refused(packed({**index, "schema_version": 2}, list(members.items())), DistrnnError)
    assert "was written by a newer distrnn (schema 2; this one knows 1). Update distrnn to read it." in message


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.XHDTYPE]
)
def test_a_link_a_device_and_everything_that_is_no_plain_file_is_refused(carried, refused, kind):
    info = tarfile.TarInfo(version_key("imdb", 1))
    body = carried.read_bytes()
    with tarfile.open(carried) as tar:
        found = tar.getmember(info.name)
    info.size, info.type, info.linkname = found.size, kind, "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    hostile = body[: found.offset] + info.tobuf(tarfile.USTAR_FORMAT) + body[found.offset + 512 :]
    assert f"expected {info.name} as a plain file of {found.size:,} bytes" in refused(hostile)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "imdb/versions/0000000002.json"])
def test_a_member_that_is_named_otherwise_than_in_the_index_is_refused(carried, refused, name):
    body = carried.read_bytes()
    with tarfile.open(carried) as tar:
        found = tar.getmember(version_key("imdb", 1))
    info = tarfile.TarInfo(name)
    info.size = found.size
    hostile = body[: found.offset] + info.tobuf(tarfile.USTAR_FORMAT) + body[found.offset + 512 :]
    assert f"expected {found.name} as a plain file" in refused(hostile)


def test_a_member_that_is_there_twice_is_refused(carried, refused):
    body = carried.read_bytes()
    with tarfile.open(carried) as tar:
        found = tar.getmember(version_key("imdb", 1))
    end = found.offset_data + -(-found.size // 512) * 512
    assert "expected a file of" in refused(body[:end] + body[found.offset : end] + body[end:])


def test_the_first_member_is_the_index(carried, refused):
    body = carried.read_bytes()
    info = tarfile.TarInfo("other.json")
    info.size = tarfile.TarInfo.frombuf(body[:512], "utf-8", "strict").size
    assert f"expected {INDEX} as its first member" in refused(info.tobuf(tarfile.USTAR_FORMAT) + body[512:])
