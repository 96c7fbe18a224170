"""Which checkpoint a run goes on from: the newest that is whole, whatever Ray Train's own list says."""

import os
from pathlib import Path

import pytest

from distrnn.cluster.checkpoint_store import CheckpointStore, check_digests, digests, newest_whole
from distrnn.errors import IntegrityError, StorageError
from distrnn.storage import open_store


@pytest.fixture
def checkpoints(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(open_store(str(tmp_path / "storage")), "runs/mine")


def folder_of(tmp_path: Path, *files: str) -> Path:
    folder = tmp_path / "-".join(files)
    folder.mkdir()
    for name in files:
        (folder / name).write_text(name)
    return folder


def check(damaged: set[str]):
    def see(name: str) -> None:
        if name in damaged:
            raise IntegrityError("it is damaged")

    return see


def test_checkpoints_are_listed_in_the_order_of_training(checkpoints: CheckpointStore, tmp_path: Path) -> None:
    whole, finished = folder_of(tmp_path, "shared.npz", "position.json"), folder_of(tmp_path, "outcome.json")
    for name in ("epoch-00010-step-00000000-a", "epoch-00002-step-00000010-b", "epoch-00002-step-00000009-c"):
        checkpoints.put(name, whole)
    checkpoints.put("finished-a", finished)
    assert checkpoints.names() == [
        "epoch-00002-step-00000009-c",
        "epoch-00002-step-00000010-b",
        "epoch-00010-step-00000000-a",
        "finished-a",
    ]


def test_one_that_was_not_written_to_its_end_is_none(checkpoints: CheckpointStore, tmp_path: Path) -> None:
    checkpoints.put("epoch-00001-step-00000001-a", folder_of(tmp_path, "shared.npz", "worker-0000.npz"))
    assert checkpoints.names() == []


def test_the_last_file_waits_until_all_have_written(checkpoints: CheckpointStore, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def all_have_written() -> None:
        seen.append(sorted(path.name for path in (tmp_path / "storage").rglob("*") if path.is_file()))

    checkpoints.put("epoch-00001-step-00000001-a", folder_of(tmp_path, "shared.npz", "position.json"), all_have_written)
    assert seen == [["shared.npz"]]
    assert checkpoints.names() == ["epoch-00001-step-00000001-a"]


def test_a_checkpoint_that_cannot_be_written_leaves_nothing(checkpoints: CheckpointStore, tmp_path: Path) -> None:
    def fail() -> None:
        raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="the disk is full"):
        checkpoints.put("epoch-00001-step-00000001-a", folder_of(tmp_path, "shared.npz", "position.json"), fail)
    assert [path for path in (tmp_path / "storage").rglob("*") if path.is_file()] == []


def test_those_that_were_written_last_are_kept_wherever_they_are_in_training(checkpoints: CheckpointStore, tmp_path: Path) -> None:
    """After all were damaged and training started over, the newest ones are early ones."""
    whole = folder_of(tmp_path, "shared.npz", "position.json")
    for age, name in enumerate(["epoch-00001-step-00000001-b", "epoch-00009-step-00000000-a", "epoch-00008-step-00000000-a"]):
        checkpoints.put(name, whole)
        written = tmp_path / "storage/runs/mine/checkpoints" / name / "position.json"
        os.utime(written, (1000.0 - age, 1000.0 - age))
    checkpoints.keep(2)
    assert checkpoints.names() == ["epoch-00001-step-00000001-b", "epoch-00009-step-00000000-a"]
    assert sorted(path.name for path in (tmp_path / "storage/runs/mine/checkpoints").iterdir()) == checkpoints.names()


def test_the_newest_whole_one_counts_and_every_damaged_one_is_named() -> None:
    said: list[str] = []
    assert newest_whole(["one", "two", "three"], check({"three"}), said.append) == "two"
    assert said == ["checkpoint three cannot be used (it is damaged); going on from the one before it"]


def test_where_none_is_whole_training_says_that_it_starts_over() -> None:
    said: list[str] = []
    assert newest_whole(["one", "two"], check({"one", "two"}), said.append) is None
    assert said == [
        "checkpoint two cannot be used (it is damaged); going on from the one before it",
        "checkpoint one cannot be used (it is damaged); there is none before it, so training starts over",
    ]


def test_a_run_without_checkpoints_says_nothing() -> None:
    said: list[str] = []
    assert newest_whole([], check(set()), said.append) is None
    assert said == []


def test_digests_tell_a_file_that_was_changed_is_missing_or_is_new(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "one", "two")
    expected = digests(folder)
    check_digests(folder, expected)
    (folder / "two").write_text("t")
    with pytest.raises(IntegrityError, match=r"^its file two is not what was written$"):
        check_digests(folder, expected)
    (folder / "two").unlink()
    with pytest.raises(IntegrityError, match=r"^its file two is not what was written$"):
        check_digests(folder, expected)
    (folder / "two").write_text("two")
    (folder / "three").write_text("three")
    with pytest.raises(IntegrityError, match=r"^its file three is not what was written$"):
        check_digests(folder, expected)
