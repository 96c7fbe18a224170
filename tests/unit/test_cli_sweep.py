"""`distrnn sweep`; what starts Ray is stood in for."""

import json
import sys
from types import SimpleNamespace

import pytest

from distrnn.cluster.sweep_record import SweepOptions
from distrnn.errors import DistrnnError, InterruptedRunError
from distrnn.progress import Event
from fixtures_workflow import changed

TABLE = """UNITS  LEARNING_RATE  VALIDATION ACCURACY  BEST EPOCH  EPOCHS  SECONDS  PARAMETERS  ERROR
    8           0.01               0.9000           2       3      4.2       8,000  –
    4           0.01               0.7500           3       3      4.2       4,000  –
    4          1e+30                    –           –       0      4.2           –  the training loss is nan in epoch 1, step 3.
    8          1e+30                    –           –       0        –           –  the trial's process died: killed

sweep    reviews-20261126-142609-2ce0
best     /models/reviews-best.yaml
picture  /storage/sweeps/reviews-20261126-142609-2ce0/sweep.png
took     1 min 06 s (start 3.9 s, prepare 2.0 s, trials 1 min 00 s)
"""


@pytest.fixture
def fake_sweep(monkeypatch, finished_sweep):
    """Stands in for `distrnn.cluster.sweep`, which imports Ray; `calls` are the arguments it was called with."""
    module = SimpleNamespace(calls=[], document=finished_sweep, error=None, events=[])

    def answer(*arguments, progress, **options):
        module.calls.append((*arguments, options))
        for event in module.events:
            progress(event)
        return SimpleNamespace(document=module.document, error=module.error)

    module.sweep_workflow = answer
    monkeypatch.setitem(sys.modules, "distrnn.cluster.sweep", module)
    monkeypatch.setattr("distrnn.cli.extras.find_spec", lambda name: name)
    return module


def test_table_is_sorted_best_first_and_the_rest_is_on_stderr(cli, fake_sweep, workflow_file):
    line = "sweep: 1/4 trials, units=8: validation accuracy 0.9000 at epoch 2 of 3 (4.2 s)"
    fake_sweep.events = [Event("sweep", 0, 4, "trials", {"message": "starting"}), Event("sweep", 1, 4, "trials", {"line": line})]
    done = cli("sweep", workflow_file, "--grid", "model.units=4,8")
    assert (done.exit_code, done.stdout) == (0, TABLE)
    assert done.stderr == f"sweep: started\n{line}\nNext: distrnn run /models/reviews-best.yaml\n"


def test_quiet_says_nothing_more(cli, fake_sweep, workflow_file):
    fake_sweep.events = [Event("sweep", 1, 4, "trials", {"line": "sweep: 1/4"})]
    assert cli("sweep", workflow_file, "--grid", "model.units=4,8", "--quiet").stderr == ""


def test_one_document_that_holds_for_the_schema(cli, fake_sweep, workflow_file, finished_sweep, holds_for_schema):
    done = cli("sweep", workflow_file, "--grid", "model.units=4,8", "--json")
    document = json.loads(done.stdout)
    holds_for_schema(document, "sweep")
    assert (done.exit_code, document) == (0, finished_sweep)


def test_a_best_workflow_in_the_working_folder_is_named_from_there(cli, fake_sweep, workflow_file, tmp_path):
    fake_sweep.document["best"]["file"] = str(tmp_path / "reviews-best.yaml")
    done = cli("sweep", workflow_file, "--grid", "model.units=4,8")
    assert done.stderr == "Next: distrnn run reviews-best.yaml\n"


def test_options_reach_the_sweep(cli, fake_sweep, workflow_file, tmp_path):
    cli(
        "sweep",
        workflow_file,
        *("--grid", "model.units=4,8", "--grid", "model.dropout=0,0.5", "--metric", "loss", "--set", "train.epochs=2"),
        *("--concurrent", "1", "--output", "best.yaml", "--address", "head:6379", "--shared-filesystem"),
    )
    options = SweepOptions(
        {"train.epochs": 2},
        {"model.units": [4, 8], "model.dropout": [0, 0.5]},
        metric="loss",
        address="head:6379",
        concurrent=1,
        shared_filesystem=True,
        output=str(tmp_path / "best.yaml"),
    )
    assert fake_sweep.calls == [(str(workflow_file), options, {"resume": None})]


def test_going_on_takes_grid_and_settings_from_the_record(cli, fake_sweep, workflow_file, classifier):
    workflow_file.write_text(json.dumps(changed(classifier, "train.epochs", ...)))
    assert cli("sweep", workflow_file, "--resume", "last").exit_code == 0
    assert fake_sweep.calls == [(str(workflow_file), SweepOptions({}, {}), {"resume": "last"})]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InterruptedRunError("sweep reviews was interrupted by SIGTERM", signal=15), 143),
        (DistrnnError("none of the 4 trials came to its end"), 1),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_what_there_is_is_shown_before_the_error(cli, fake_sweep, workflow_file, error, code, as_json):
    fake_sweep.error, fake_sweep.document = error, {**fake_sweep.document, "best": None, "left": 2, "status": "interrupted"}
    done = cli("sweep", workflow_file, "--grid", "model.units=4,8", *(["--json"] if as_json else []))
    assert (done.exit_code, done.stderr) == (code, f"error: {error}\n")
    assert json.loads(done.stdout)["left"] == 2 if as_json else "not tried yet  2\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "model.units=4", "--metric", "auc"], "--metric must be accuracy or loss, of the validation split. Received: 'auc'"),
        (
            ["--grid", "model.units=4", "--resume", "last"],
            "--resume goes on with the grid and the metric that the sweep began with; leave --grid and --metric out.",
        ),
        (
            [],
            "nothing to try: give --grid KEY=V1,V2, for instance --grid model.units=5,16,32, or a sweep section in the workflow.",
        ),
        (["--grid", "model.units"], "--grid must be KEY=V1,V2, for instance model.units=5,16,32; values are YAML. Received: 'model.units'"),
    ],
)
def test_mistakes_are_found_before_anything_is_started(cli, fake_sweep, workflow_file, arguments, message):
    done = cli("sweep", workflow_file, *arguments)
    assert (done.exit_code, done.stderr, fake_sweep.calls) == (2, f"error: {message}\n", [])


def test_a_grid_value_that_is_wrong_is_found_before_anything_is_started(cli, fake_sweep, workflow_file):
    done = cli("sweep", workflow_file, "--grid", "model.units=4,0")
    message = f"error: {workflow_file}: the sweep's model.units=0: key 'model.units': expected an integer of at least 1. Received: 0\n"
    assert (done.exit_code, done.stderr, fake_sweep.calls) == (2, message, [])


def test_extra_that_is_missing(cli, workflow_file, monkeypatch):
    monkeypatch.setattr("distrnn.cli.extras.find_spec", lambda name: None if name == "ray" else name)
    done = cli("sweep", workflow_file, "--grid", "model.units=4,8")
    message = "error: distrnn sweep needs packages that are not installed: ray. Install them with: pip install 'distrnn[train]'\n"
    assert (done.exit_code, done.stderr) == (1, message)
