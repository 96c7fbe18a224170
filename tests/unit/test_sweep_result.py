"""Which trial is best, and the workflow that it becomes."""

import shlex

import yaml

from distrnn.cluster import sweep_result
from distrnn.cluster.sweep_record import SweepOptions
from distrnn.errors import DistrnnError, DivergedError
from distrnn.workflow import load_workflow
from fixtures_sweep import DIVERGED, GRID, SWEEP, history


def outcome(*accuracies, error=None):
    return {"history": history(*accuracies), "parameters": None if error else 8000, "seconds": 4.25, "error": error}


def row(plan, metric, *accuracies, error=None, position=0):
    return sweep_result.row(plan.trials[position], metric, outcome(*accuracies, error=error))


def test_a_trial_counts_at_its_best_epoch(sweep_plan):
    assert row(sweep_plan, "accuracy", 0.7, 0.9, 0.8, position=2) == SWEEP["trials"][0]
    by_loss = row(sweep_plan, "loss", 0.7, 0.9, 0.8, position=2)
    assert (by_loss["value"], by_loss["best_epoch"]) == (0.1, 2)


def test_a_failed_trial_keeps_its_epochs_and_has_no_value(sweep_plan):
    failed = row(sweep_plan, "accuracy", 0.7, error=DIVERGED, position=1)
    assert (failed["status"], failed["value"], failed["best_epoch"], failed["epochs"]) == ("failed", None, None, 1)


def test_the_largest_accuracy_and_the_smallest_loss_are_best(sweep_plan):
    rows = [row(sweep_plan, "accuracy", figure) for figure in (0.6, 0.9, 0.7)]
    assert [trial["value"] for trial in sweep_result.ranked(rows, "accuracy")] == [0.9, 0.7, 0.6]
    rows = [row(sweep_plan, "loss", figure) for figure in (0.6, 0.9, 0.7)]
    assert [trial["value"] for trial in sweep_result.ranked(rows, "loss")] == [0.1, 0.3, 0.4]


def test_of_equals_the_smaller_model_is_first_and_failed_ones_are_last(sweep_plan):
    large, small = row(sweep_plan, "loss", 0.9) | {"parameters": 9}, row(sweep_plan, "loss", 0.9) | {"parameters": 8}
    failed = row(sweep_plan, "loss", error=DIVERGED)
    assert sweep_result.ranked([failed, large, small], "loss") == [small, large, failed]


def test_a_sweep_fails_if_every_trial_does(sweep_plan):
    diverged = row(sweep_plan, "accuracy", error=DIVERGED)
    dead = sweep_result.lost(sweep_plan.trials[1], "accuracy", "killed")
    assert sweep_result.failure(sweep_plan, [diverged, row(sweep_plan, "accuracy", 0.9)]) is None
    error = sweep_result.failure(sweep_plan, [diverged, diverged])
    assert (type(error), error.exit_code) == (DivergedError, 8)
    error = sweep_result.failure(sweep_plan, [dead, diverged])
    assert (type(error), error.exit_code) == (DistrnnError, 1)
    assert str(error) == "none of the 2 trials came to its end; units=4, learning_rate=1e+30: the trial's process died: killed"


def best(plan, rows):
    command = SweepOptions({"train.epochs": 3}, GRID).command("reviews.yaml")
    return sweep_result.best_workflow(plan, rows, "reviews-1", command, "2026-11-26")


def test_best_workflow_means_the_best_combination(sweep_plan, tmp_path):
    text = best(sweep_plan, SWEEP["trials"])
    (tmp_path / "best.yaml").write_text(text)
    loaded = load_workflow(tmp_path / "best.yaml")
    assert loaded.to_json() == sweep_plan.trials[2].loaded.to_json()
    assert (loaded.workflow.model.units, loaded.workflow.sweep) == (8, None)
    assert None not in yaml.safe_load(text)["register"]["promote"]["rules"][0].values()


def test_best_workflow_says_where_it_comes_from(sweep_plan):
    header = [line for line in best(sweep_plan, SWEEP["trials"]).splitlines() if line.startswith("#")]
    assert header == [
        "# The best of 4 combinations, 2026-11-26: units=8, learning_rate=0.01",
        "# Validation accuracy 0.9000 at epoch 2 of 3; the test split was not looked at.",
        "#",
        "#   distrnn sweep reviews.yaml --grid model.units=4,8 --grid train.optimizer.learning_rate=0.01,1e+30 --set train.epochs=3",
        "#",
        "# Sweep reviews-1. A run keeps the weights of the last epoch; train.keep_best: accuracy keeps those of the best one.",
    ]


def test_there_is_no_best_where_all_failed(sweep_plan):
    assert best(sweep_plan, [trial for trial in SWEEP["trials"] if trial["error"]]) is None


def test_command_gives_every_value_back():
    options = SweepOptions({"data.path": "a folder", "train.seed": 1}, {"model.activation": ["tanh", None]}, metric="loss")
    words = shlex.split(options.command("w.yaml"))
    assert words == [
        *("distrnn", "sweep", "w.yaml", "--grid", "model.activation=tanh,null", "--metric", "loss"),
        *("--set", "data.path=a folder", "--set", "train.seed=1"),
    ]
