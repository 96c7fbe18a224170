"""Training on a disk that fills up, in a bucket that turns read-only, from checkpoints that are damaged: told, and no version is lost."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fixtures_processes import Command
from fixtures_training_cluster import Bucket
from fixtures_training_runs import (
    RUN,
    checkpoints,
    cut_in_half,
    end_of,
    largest_arrays,
    log_of,
    run_folder,
    said,
    wait_for_checkpoint,
    weights,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Filler:
    """Writes to a disk whatever room there is, until it is removed."""

    def __init__(self, path: Path) -> None:
        self._path, self._ended = path, threading.Event()
        self._thread = threading.Thread(target=self._fill)
        self._thread.start()

    def _fill(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            while not self._ended.wait(0.005):
                with suppress(OSError):
                    while True:
                        file.write(bytes(4096))

    def remove(self) -> None:
        self._ended.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of some megabytes, where a command with the home `home` keeps its datasets and runs."""
    disk = tmp_path / "home" / "storage"
    disk.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_disk_that_fills_up_is_told_and_the_run_goes_on_once_there_is_room(
    small_disk: Path, training_workflows: dict[str, str], undisturbed: Callable[[str], Path], start_command: Callable[..., Command]
) -> None:
    workflow = training_workflows["reviews"]
    command = start_command("run", workflow, "--run-id", RUN, "--set", "train.checkpoints_kept=2")
    wait_for_checkpoint(command, (1, 50))
    filler = Filler(small_disk / "filler")
    try:
        assert end_of(command) == 1
    finally:
        filler.remove()
    assert "Traceback" not in command.stderr
    assert command.stderr.splitlines()[-1].startswith(f"error: the disk is full: {small_disk}/runs/{RUN}/checkpoints/finished-")
    assert command.stderr.splitlines()[-1].endswith(" could not be written. Free some space, or choose another place, and run this again.")
    assert "warning: a checkpoint could not be written (the disk is full: " in command.stderr
    assert command.left_running() == []
    assert not list((command.home / "registry").rglob("*.json"))
    resumed = start_command("run", workflow, "--resume", RUN)
    assert end_of(resumed) == 0, said(resumed)
    assert "going on from checkpoint epoch-" in said(resumed)
    assert weights(resumed.home / "registry", "reviews") == weights(undisturbed("reviews") / "registry", "reviews")


def test_a_bucket_that_turns_read_only_is_told_and_loses_nothing(
    bucket: Bucket,
    training_workflows: dict[str, str],
    undisturbed: Callable[[str], Path],
    start_command: Callable[..., Command],
    distrnn_command: Callable[..., Any],
    tmp_path: Path,
) -> None:
    from distrnn.registry import Registry

    model = Registry(str(undisturbed("stream") / "registry")).pull("stream@v1", tmp_path / "older")
    Registry(bucket.registry).publish("older", model, metadata={"task": "language-model"})
    workflow = training_workflows["reviews"]
    command = start_command("run", workflow, "--run-id", RUN)
    bucket.wait_for(command, "/position.json")
    bucket.make_read_only()
    assert end_of(command) == 7, command.stderr
    assert "Traceback" not in command.stderr
    *_, last = command.stderr.splitlines()
    assert f" refuses access to s3://{bucket.name}/storage/runs/{RUN}/checkpoints/finished-" in last
    assert "warning: a checkpoint could not be written (" in command.stderr
    assert command.left_running() == []
    pulled = distrnn_command("pull", "older@v1")
    assert pulled.returncode == 0, pulled.stderr
    bucket.make_writable()
    resumed = start_command("run", workflow, "--resume", RUN)
    assert end_of(resumed) == 0, resumed.stderr
    assert weights(bucket.registry, "reviews") == weights(undisturbed("reviews") / "registry", "reviews")


def test_a_checkpoint_cut_in_half_is_named_and_the_one_before_it_counts(
    training_workflows: dict[str, str],
    undisturbed: Callable[[str], Path],
    interrupted: Callable[[str, Path], Path],
    start_command: Callable[..., Command],
    tmp_path: Path,
) -> None:
    *_, before, newest = checkpoints(interrupted("reviews", tmp_path / "home"))
    cut_in_half(largest_arrays(newest.folder))
    resumed = start_command("run", training_workflows["reviews"], "--resume", RUN)
    assert end_of(resumed) == 0, said(resumed)
    assert (
        f"warning: checkpoint {newest.folder.name} cannot be used (the checkpoint in {newest.folder} is damaged: File is not a zip file); "
        "going on from the one before it\n"
    ) in resumed.stderr
    assert f"going on from checkpoint {before.folder.name}\n" in log_of(resumed.home)
    assert "Traceback" not in resumed.stderr
    assert weights(resumed.home / "registry", "reviews") == weights(undisturbed("reviews") / "registry", "reviews")


def test_where_all_checkpoints_are_damaged_training_says_that_it_starts_over(
    training_workflows: dict[str, str], interrupted: Callable[[str, Path], Path], start_command: Callable[..., Command], tmp_path: Path
) -> None:
    found = checkpoints(interrupted("reviews", tmp_path / "home"))
    for saved in found:
        cut_in_half(largest_arrays(saved.folder))
    resumed = start_command("run", training_workflows["reviews"], "--resume", RUN)
    damaged_at = time.time()
    assert wait_for_checkpoint(resumed, after=damaged_at).epoch == 1
    oldest = found[0].folder
    assert (
        f"warning: checkpoint {oldest.name} cannot be used (the checkpoint in {oldest} is damaged: File is not a zip file); "
        "there is none before it, so training starts over\n"
    ) in resumed.stderr
    resumed.terminate()
    assert end_of(resumed) == 143
    assert "Traceback" not in resumed.stderr


@pytest.fixture
def unregistered(undisturbed: Callable[[str], Path], tmp_path: Path) -> Path:
    """The home of a run that was killed between training and registration; gives the folder of its finished model."""
    home = tmp_path / "home"
    shutil.copytree(undisturbed("stream"), home)
    shutil.rmtree(home / "registry")
    record = run_folder(home) / "run.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "status": "running"}))
    (finished,) = (run_folder(home) / "checkpoints").glob("finished-*")
    return finished


def test_a_finished_model_is_registered_by_a_run_that_goes_on(
    unregistered: Path, training_workflows: dict[str, str], undisturbed: Callable[[str], Path], start_command: Callable[..., Command]
) -> None:
    """Ray Train deletes all but the last: it must not be told twice of a finished model, or it deletes that."""
    resumed = start_command("run", training_workflows["stream"], "--resume", RUN, "--set", "train.checkpoints_kept=1")
    assert end_of(resumed) == 0, said(resumed)
    assert f"going on from checkpoint {unregistered.name}\n" in log_of(resumed.home)
    assert "train: epoch" not in resumed.stderr
    assert weights(resumed.home / "registry", "stream") == weights(undisturbed("stream") / "registry", "stream")


def test_a_finished_model_that_is_damaged_is_made_again(
    unregistered: Path, training_workflows: dict[str, str], undisturbed: Callable[[str], Path], start_command: Callable[..., Command]
) -> None:
    cut_in_half(unregistered / "model" / "numpy" / "weights.npz")
    resumed = start_command("run", training_workflows["stream"], "--resume", RUN)
    assert end_of(resumed) == 0, said(resumed)
    assert (
        f"warning: checkpoint {unregistered.name} cannot be used (its file numpy/weights.npz is not what was written); "
        "going on from the one before it\n"
    ) in resumed.stderr
    assert weights(resumed.home / "registry", "stream") == weights(undisturbed("stream") / "registry", "stream")


def test_a_list_of_rays_that_is_cut_in_half_costs_nothing(
    unregistered: Path, training_workflows: dict[str, str], undisturbed: Callable[[str], Path], start_command: Callable[..., Command]
) -> None:
    cut_in_half(unregistered.parent / "checkpoint_manager_snapshot.json")
    resumed = start_command("run", training_workflows["stream"], "--resume", RUN)
    assert end_of(resumed) == 0, said(resumed)
    assert "train: epoch" not in resumed.stderr
    assert weights(resumed.home / "registry", "stream") == weights(undisturbed("stream") / "registry", "stream")
