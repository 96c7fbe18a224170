"""A file that arrives in chunks, and the map that survives the process that wrote it."""

import os
import signal

import pytest

from distrnn.storage.partial import CHUNK_BYTES, Partial, discard, present_bytes, sidecar

SIZE = 3 * CHUNK_BYTES + 5


def body(chunk):
    return bytes([65 + chunk]) * min(CHUNK_BYTES, SIZE - chunk * CHUNK_BYTES)


def written(path, chunks, *, keep=True, origin="etag"):
    with Partial(path, keep=keep) as partial:
        partial.begin(SIZE, origin)
        for chunk in chunks:
            partial.write(chunk, [body(chunk)[:3], body(chunk)[3:]])


def missing(path, origin="etag", size_bytes=SIZE):
    with Partial(path, keep=True) as partial:
        partial.begin(size_bytes, origin)
        return list(partial.missing())


def test_what_is_missing_is_told_in_as_few_stretches_as_possible(tmp_path):
    path = tmp_path / "file"
    expected = {
        (): [(0, SIZE)],
        (1,): [(0, CHUNK_BYTES), (2 * CHUNK_BYTES, SIZE)],
        (0, 3): [(CHUNK_BYTES, 3 * CHUNK_BYTES)],
        (0, 1, 2): [(3 * CHUNK_BYTES, SIZE)],
        (3, 2, 1, 0): [],
    }
    for chunks, stretches in expected.items():
        discard(path)
        written(path, chunks)
        assert missing(path) == stretches


def test_the_file_is_what_was_written(tmp_path):
    path = tmp_path / "file"
    written(path, (3, 0, 2, 1))
    assert path.read_bytes() == b"".join(map(body, range(4)))
    with Partial(path, keep=True) as partial:
        assert [partial.read(chunk) for chunk in range(4)] == [body(chunk) for chunk in range(4)]


def test_many_small_pieces_make_a_chunk(tmp_path):
    with Partial(tmp_path / "file", keep=False) as partial:
        partial.begin(SIZE, "etag")
        partial.write(0, [body(0)[start : start + 512] for start in range(0, CHUNK_BYTES, 512)])
        assert partial.read(0) == body(0)


def test_without_keeping_there_is_no_map(tmp_path):
    written(tmp_path / "file", (0,), keep=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert missing(tmp_path / "file") == [(0, SIZE)]


@pytest.mark.parametrize(("origin", "size_bytes"), [("other", SIZE), ("etag", SIZE - 1)])
def test_another_object_begins_again(tmp_path, origin, size_bytes):
    written(tmp_path / "file", (0, 1))
    assert missing(tmp_path / "file", origin, size_bytes) == [(0, size_bytes)]
    assert (tmp_path / "file").read_bytes() == bytes(size_bytes)


@pytest.mark.parametrize("damage", ["map is cut short", "map is foreign", "file is cut short", "file is gone", "map is unfinished"])
def test_a_map_that_cannot_be_believed_is_no_map(tmp_path, damage):
    path = tmp_path / "file"
    written(path, (0, 1))
    have = sidecar(path)
    if damage == "map is cut short":
        have.write_bytes(have.read_bytes()[:-1])
    elif damage == "map is foreign":
        have.write_bytes(b"x" * len(have.read_bytes()))
    elif damage == "map is unfinished":
        have.write_bytes(bytes(16) + have.read_bytes()[16:])
    elif damage == "file is cut short":
        os.truncate(path, SIZE - 1)
    else:
        path.unlink()
    assert missing(path) == [(0, SIZE)]


def test_the_map_survives_sigkill(tmp_path):
    path = tmp_path / "file"
    child = os.fork()
    if child == 0:
        try:
            partial = Partial(path, keep=True)
            partial.begin(SIZE, "etag")
            partial.write(0, [body(0)])
            partial.write(2, [body(2)])
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert present_bytes(path) == 2 * CHUNK_BYTES
    assert missing(path) == [(CHUNK_BYTES, 2 * CHUNK_BYTES), (3 * CHUNK_BYTES, SIZE)]


def test_an_empty_object_is_complete_at_once(tmp_path):
    path = tmp_path / "file"
    assert missing(path, size_bytes=0) == []
    assert (path.read_bytes(), present_bytes(path)) == (b"", 0)


def test_what_is_there_is_counted(tmp_path):
    path = tmp_path / "file"
    written(path, (0, 3))
    assert present_bytes(path) == CHUNK_BYTES + 5
    sidecar(path).unlink()
    assert present_bytes(path) == SIZE
    discard(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("linked", ["file", "file.have"])
def test_links_are_not_followed(tmp_path, linked):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    (tmp_path / linked).symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"):
        written(tmp_path / "file", (0,))
    assert elsewhere.read_bytes() == b"mine"
