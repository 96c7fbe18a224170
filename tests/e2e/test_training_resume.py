"""What may change when a run goes on: how it is carried out, and nothing that its weights depend on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fixtures_processes import Command
from fixtures_training_runs import RUN, arrays, end_of, said, weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Interrupted = Callable[[str, Path], Path]


def test_other_cpus_and_another_interval_change_no_weight(
    training_workflows: dict[str, str],
    undisturbed: Callable[[str], Path],
    interrupted: Interrupted,
    start_command: Callable[..., Command],
    tmp_path: Path,
) -> None:
    home = interrupted("reviews", tmp_path / "home")
    settings = ["--set", "scaling.cpus_per_worker=1", "--set", "train.checkpoint_every_s=30"]
    resumed = start_command("run", training_workflows["reviews"], "--resume", RUN, *settings)
    assert end_of(resumed) == 0, said(resumed)
    assert weights(home / "registry", "reviews") == weights(undisturbed("reviews") / "registry", "reviews")


def test_without_dropout_two_replicas_go_on_where_one_was(
    training_workflows: dict[str, str],
    undisturbed: Callable[[str], Path],
    interrupted: Interrupted,
    start_command: Callable[..., Command],
    tmp_path: Path,
) -> None:
    home = interrupted("stream", tmp_path / "home")
    resumed = start_command("run", training_workflows["stream"], "--resume", RUN, "--set", "scaling.replicas_per_worker=2")
    assert end_of(resumed) == 0, said(resumed)
    one, two = arrays(undisturbed("stream") / "registry", "stream"), arrays(home / "registry", "stream")
    assert one.keys() == two.keys()
    assert max(float(np.abs(one[name] - two[name]).max()) for name in one) < 1e-3


def test_with_dropout_another_number_of_replicas_is_refused(
    training_workflows: dict[str, str], interrupted: Interrupted, start_command: Callable[..., Command], tmp_path: Path
) -> None:
    interrupted("reviews", tmp_path / "home")
    workflow = training_workflows["reviews"]
    refused = start_command("run", workflow, "--resume", RUN, "--set", "scaling.replicas_per_worker=2")
    assert end_of(refused) == 2
    assert refused.stderr.splitlines()[-1] == (
        f"error: {workflow}: key 'scaling.replicas_per_worker': expected as many replicas in all as this run began with (1). Received: 2. "
        "Dropout draws other masks then, so training would not end with the weights it would have had. Start a new run to change it."
    )
    assert "Traceback" not in refused.stderr
    assert refused.left_running() == []


@pytest.mark.parametrize(("key", "then", "now"), [("train.epochs", 5, 6), ("data.limit", 2000, 1000), ("model.dropout", 0.2, 0.3)])
def test_what_the_weights_depend_on_is_refused_by_its_key(
    key: str,
    then: float,
    now: float,
    training_workflows: dict[str, str],
    interrupted: Interrupted,
    start_command: Callable[..., Command],
    tmp_path: Path,
) -> None:
    interrupted("reviews", tmp_path / "home")
    workflow = training_workflows["reviews"]
    refused = start_command("run", workflow, "--resume", RUN, "--set", f"{key}={now}")
    assert end_of(refused) == 2
    assert refused.stderr.splitlines() == [
        f"error: {workflow}: key {key!r}: expected {then}, as in run {RUN}. Received: {now}. Start a new run to change it."
    ]
