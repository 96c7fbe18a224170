"""Training whose worker and driver are killed at random moments ends with the very weights of a run that nothing happened to."""

import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures_processes import Command
from fixtures_training_runs import (
    EVERY_S,
    RUN,
    checkpoints,
    end_of,
    kill_worker,
    log_of,
    run_folder,
    running,
    said,
    wait_for_checkpoint,
    weights,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STEPS = {"reviews": 200, "stream": 295}  # of an epoch; there are five, and kills begin in the first two, so that all find training at work
LONGEST_PAUSE_S = 1.5 * EVERY_S
SLACK_S = 1.5  # on two busy cores: the write of the checkpoint that was due, and this test's own waiting
GOING_ON = re.compile(r"going on from checkpoint epoch-(\d+)-step-(\d+)-")


@pytest.fixture
def dice() -> random.Random:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


def random_places(name: str, count: int, dice: random.Random) -> list[tuple[int, int]]:
    """Epoch and step of some moments, in order."""
    steps = STEPS[name]
    return sorted((at // steps + 1, at % steps) for at in dice.sample(range(10, 2 * steps), count))


def kill_driver(command: Command) -> float:
    """SIGKILL. Ray's workers and servers end with it, its two agents do not always, so those are cleared away here."""
    command.process.kill()
    killed_at = time.time()
    assert end_of(command) == -signal.SIGKILL
    assert not list((run_folder(command.home) / "checkpoints").glob("finished-*")), "training had ended before its driver was killed"
    deadline = time.monotonic() + 60.0
    while left := [name for name in running(command).values() if not name.endswith("Agent")]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    for pid in running(command):
        os.kill(pid, signal.SIGKILL)
    return killed_at


def lost_s(home: Path, killed_at: list[float]) -> list[float]:
    """Seconds between the checkpoint that training went on from and the kill before it, for every kill."""
    written_at = {saved.place: saved.written_at for saved in checkpoints(home)}
    went_on_from = [written_at[int(epoch), int(step)] for epoch, step in GOING_ON.findall(log_of(home))]
    assert len(went_on_from) == len(killed_at)
    return [killed - written for killed, written in zip(killed_at, went_on_from, strict=True)]


@pytest.mark.parametrize(("name", "count"), [("reviews", 3), ("stream", 2)])
def test_kills_cost_the_time_since_the_last_checkpoint_and_change_no_weight(
    name: str,
    count: int,
    dice: random.Random,
    training_workflows: dict[str, str],
    undisturbed: Callable[[str], Path],
    start_command: Callable[..., Command],
) -> None:
    """Of the worker several times, then of the driver, whose run is resumed."""
    kills = [kill_worker] * count + [kill_driver]
    command = start_command("run", training_workflows[name], "--run-id", RUN)
    killed_at: list[float] = []
    for place, kill in zip(random_places(name, len(kills), dice), kills, strict=True):
        wait_for_checkpoint(command, place, after=max(killed_at, default=0.0))
        time.sleep(dice.uniform(0.0, LONGEST_PAUSE_S))
        killed_at.append(kill(command))
    resumed = start_command("run", training_workflows[name], "--resume", RUN)
    assert end_of(resumed) == 0, said(resumed)
    assert "Traceback" not in resumed.stderr
    home = undisturbed(name)
    assert weights(resumed.home / "registry", name) == weights(home / "registry", name)
    lost = lost_s(resumed.home, killed_at)
    print("seconds of work lost:", lost)
    assert max(lost) <= EVERY_S + SLACK_S
