"""What a sweep will try, and what is wrong with a grid before anything is started."""

import json

import pytest

from distrnn.cluster.sweep_plan import make_plan, parse_grid
from distrnn.errors import UsageError, WorkflowError
from distrnn.workflow import load_workflow
from distrnn.workflow.sweep_words import label, short_names
from fixtures_workflow import changed


@pytest.fixture
def plan_of(workflow_file, classifier):
    """Plan a sweep over a workflow with some keys changed."""

    def make(grid=(), overrides=(), metric=None, **keys):
        document = classifier
        for key, value in keys.items():
            document = changed(document, key.replace("__", "."), value)
        workflow_file.write_text(json.dumps(document))
        return make_plan(workflow_file, overrides, grid, metric)

    return make


def refused(error, plan_of, *arguments, **keys):
    with pytest.raises(error) as caught:
        plan_of(*arguments, **keys)
    return str(caught.value)


def test_every_combination_the_last_key_fastest(plan_of):
    plan = plan_of(["model.units=5,16", "train.optimizer.learning_rate=1e-3,0.01"])
    assert [trial.label for trial in plan.trials] == [
        "units=5, learning_rate=0.001",
        "units=5, learning_rate=0.01",
        "units=16, learning_rate=0.001",
        "units=16, learning_rate=0.01",
    ]
    assert [trial.loaded.workflow.model.units for trial in plan.trials] == [5, 5, 16, 16]
    assert plan.trials[1].loaded.workflow.train.optimizer.learning_rate == 0.01


def test_what_is_swept_is_in_no_trial_and_in_no_run(plan_of, workflow_file):
    plan = plan_of(sweep={"grid": {"model.units": [5, 16]}})
    assert [trial.loaded.workflow.sweep for trial in plan.trials] == [None, None]
    assert "sweep" not in load_workflow(workflow_file).to_json()
    assert "sweep" not in plan.base.to_json()


def test_command_line_replaces_the_list_of_its_key(plan_of):
    section = {"grid": {"model.units": [5, 16], "model.embedding_dim": [8, 9]}, "metric": "loss"}
    plan = plan_of(["model.units=7"], sweep=section)
    assert (plan.grid, plan.metric) == ({"model.units": [7], "model.embedding_dim": [8, 9]}, "loss")
    assert plan_of(["model.units=7"], metric="accuracy", sweep=section).metric == "accuracy"


def test_a_classifier_is_ranked_by_accuracy_and_a_language_model_by_loss(plan_of, workflow_file, language_model):
    assert plan_of(["model.units=5,16"]).metric == "accuracy"
    workflow_file.write_text(json.dumps(changed(language_model, "data.validation_fraction", 0.1)))
    assert make_plan(workflow_file, (), ["model.units=5,16"]).metric == "loss"


def test_nothing_to_try(plan_of):
    expected = "nothing to try: give --grid KEY=V1,V2, for instance --grid model.units=5,16,32, or a sweep section in the workflow."
    assert refused(UsageError, plan_of) == expected
    assert refused(UsageError, plan_of, metric="loss") == expected


@pytest.mark.parametrize("text", ["model.units", "=5", "model.units=", "model.units=[1", "model.units= "])
def test_grid_that_is_no_grid(text):
    with pytest.raises(UsageError) as caught:
        parse_grid([text])
    assert str(caught.value) == f"--grid must be KEY=V1,V2, for instance model.units=5,16,32; values are YAML. Received: {text!r}"


def test_grid_with_a_key_given_twice():
    with pytest.raises(UsageError) as caught:
        parse_grid(["model.units=5", "model.units=6"])
    assert str(caught.value) == "--grid model.units is given twice; give all of its values at once: --grid model.units=V1,V2"


def test_values_are_yaml():
    assert parse_grid(["a.b=tanh, relu,null,1e-4,true,'5'"]) == {"a.b": ["tanh", "relu", None, 1e-4, True, "5"]}


def test_value_that_is_wrong_is_named(plan_of, workflow_file):
    message = refused(WorkflowError, plan_of, ["model.units=5,-1", "model.embedding_dim=8"])
    combination = "model.units=-1 model.embedding_dim=8"
    assert message == f"{workflow_file}: the sweep's {combination}: key 'model.units': expected an integer of at least 1. Received: -1"


def test_key_that_is_unknown_is_named(plan_of, workflow_file):
    message = refused(WorkflowError, plan_of, ["model.unitz=5"])
    assert message.startswith(f"{workflow_file}: the sweep's model.unitz=5: unknown key 'model.unitz'. Did you mean 'model.units'?")


def test_rule_that_one_combination_breaks_is_named(plan_of, workflow_file):
    grid = ["train.epochs=3,1", "train.learning_rate_schedule.factor=0.1"]
    message = refused(WorkflowError, plan_of, grid, train__learning_rate_schedule={"type": "step", "epochs": [2]})
    assert message == (
        f"{workflow_file}: the sweep's train.epochs=1 train.learning_rate_schedule.factor=0.1: "
        "key 'train.learning_rate_schedule.epochs': expected epochs below train.epochs (1), counted from 0. Received: 2"
    )


@pytest.mark.parametrize(
    ("grid", "key", "expected", "received"),
    [
        (["model.units=5,16,5"], "model.units", "values that differ", "5 twice"),
        (["model.dropout=0,0.0"], "model.dropout", "values that differ", "0.0 twice"),
        (["scaling.workers=1,2"], "scaling.workers", "a key of data, model, train, for instance model.units", "scaling.workers"),
        (["train.tensorboard=true"], "train.tensorboard", "a key that changes what is learned", "train.tensorboard"),
        (["model=1"], "model", "a key of data, model, train, for instance model.units", "model"),
        (
            ["train.optimizer=adam", "train.optimizer.name=sgd"],
            "train.optimizer.name",
            "nothing beside sweep.grid.train.optimizer, which holds it",
            '["sgd"]',
        ),
    ],
)
def test_grid_that_makes_no_sense(plan_of, workflow_file, grid, key, expected, received):
    message = f"{workflow_file} with --grid: key 'sweep.grid.{key}': expected {expected}. Received: {received}"
    assert refused(WorkflowError, plan_of, grid) == message


def test_too_many_combinations(plan_of, workflow_file):
    section = {"grid": {"model.units": list(range(1, 102)), "model.embedding_dim": list(range(1, 11))}}
    message = f"{workflow_file}: key 'sweep.grid': expected at most 1,000 combinations. Received: 1,010"
    assert refused(WorkflowError, plan_of, sweep=section) == message


def test_section_without_a_grid(plan_of, workflow_file):
    scalar = "a text, or an integer, or a number, or true or false"
    expected = f"a mapping from values to a list of 1 or more, each {scalar}, or a mapping from values to {scalar}"
    message = f"{workflow_file}: key 'sweep.grid': expected {expected}; the key is required. Received: nothing"
    assert refused(WorkflowError, plan_of, sweep={"metric": "loss"}) == message


def test_combinations_that_mean_the_same(plan_of, workflow_file):
    message = refused(WorkflowError, plan_of, ["data.validation_fraction=0.2,null"])
    assert message == (
        f"{workflow_file}: expected combinations that differ. Received: data.validation_fraction=0.2, and data.validation_fraction=null, "
        "which mean the same workflow. Leave one of these values out."
    )


def test_without_a_validation_split_nothing_can_rank(plan_of, workflow_file):
    message = refused(WorkflowError, plan_of, ["model.units=5"], data__validation_fraction=0)
    assert message == (
        f"{workflow_file}: key 'data.validation_fraction': expected a number above 0: a sweep ranks its trials by the validation split "
        "and leaves the test split alone. Received: 0, with model.units=5"
    )


def test_several_workers_a_trial(plan_of, workflow_file):
    message = refused(WorkflowError, plan_of, ["model.units=5"], ["scaling.workers=2"])
    assert message == f"{workflow_file}: key 'scaling.workers': expected 1 for a sweep, whose trials have one worker each. Received: 2"


def test_paths_of_the_file_are_seen_from_its_folder_and_others_from_here(plan_of, workflow_file, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    plan = plan_of(sweep={"grid": {"data.path": ["a", "b"]}})
    assert plan.grid == {"data.path": [str(tmp_path / "a"), str(tmp_path / "b")]}
    plan = plan_of(["data.path=a,b"])
    assert plan.trials[1].loaded.workflow.data.path == str(tmp_path / "elsewhere" / "b")


def test_a_value_may_be_a_section(plan_of):
    tried = [None, {"type": "identity"}]
    plan = plan_of(sweep={"grid": {"model.initializers.recurrent": tried}})
    begin = [trial.loaded.workflow.model.initializers.recurrent for trial in plan.trials]
    assert [one and one.type for one in begin] == [None, "identity"]


def test_names_are_as_short_as_they_can_be():
    assert short_names(["model.units", "train.optimizer.name", "data.name", "train.seed"]) == {
        "model.units": "units",
        "train.optimizer.name": "optimizer.name",
        "data.name": "data.name",
        "train.seed": "seed",
    }


def test_a_combination_is_named_by_what_differs():
    narrow = {"type": "normal", "stddev": 0.001}
    values = {"model.activation": "relu", "model.initializers.kernel": None, "model.mask_zero": True, "model.units": 5}
    grid = {"model.activation": ["relu", "tanh"], "model.initializers.kernel": [None, narrow], "model.mask_zero": [True, False]}
    assert label(values, {**grid, "model.units": [5]}) == "activation=relu, kernel=default, mask_zero=true"
    assert label({**values, "model.initializers.kernel": narrow}, grid) == "activation=relu, kernel=normal 0.001, mask_zero=true"
    assert label({"model.units": 5}, {"model.units": [5]}) == "units=5"
