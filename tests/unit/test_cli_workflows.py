"""`init`, `plan`, `run` and `prepare`; what starts Ray is stood in for."""

import json
import sys
from types import SimpleNamespace

import pytest

from distrnn import errors
from distrnn.cli import init, workflows
from distrnn.cluster.result import RunResult
from distrnn.progress import Event
from distrnn.workflow import json_schema, load_workflow

SUMMARY = """run              reviews-20261121-015300-ab12
workflow         reviews
dataset          5c5c5c5c5c5c5c5c (prepared now)
distinct tokens  8,018
dataset path     /storage/datasets/5c5c5c5c5c5c5c5c
model            reviews@v1 (sha256:333333333333)
report           /storage/runs/reviews-20261121-015300-ab12/report.html
took             1 min 29 s (start 3.9 s, prepare 2.0 s, train 1 min 24 s)

SPLIT     FIGURE     VALUE
test      accuracy  0.9860
test      loss      0.0489
test      auc       0.9985
test      examples   3,000
training  loss      0.0040
training  accuracy  0.9998

production: promoted
RULE      CANDIDATE  HOLDER  REQUIRED  PASSED
accuracy     0.9860  –         0.9000  yes
"""


@pytest.mark.parametrize("template", init.templates())
def test_template_becomes_a_workflow_of_its_own(cli, tmp_path, template):
    done = cli("init", "mine", "--from", template)
    assert (done.exit_code, done.stdout) == (0, f"Wrote mine.yaml, from {template}.\n")
    loaded = load_workflow(tmp_path / "mine.yaml").workflow
    assert (loaded.name, loaded.register_.name) == ("mine", "mine")
    assert f"{template}.yaml" not in (tmp_path / "mine.yaml").read_text(encoding="utf-8")


def test_init_says_what_to_do_next(cli):
    expected = "Next: edit it, see what it would do with `distrnn plan mine.yaml`, then `distrnn run mine.yaml`.\n"
    assert cli("init", "mine.yaml").stderr == expected


def test_editors_complete_from_the_schema_beside_it(cli, tmp_path):
    cli("init", "mine")
    first = (tmp_path / "mine.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=distrnn.schema.json"
    assert json.loads((tmp_path / "distrnn.schema.json").read_text(encoding="utf-8")) == json.loads(json.dumps(json_schema()))


def test_init_does_not_overwrite(cli, tmp_path):
    (tmp_path / "mine.yaml").write_text("precious")
    done = cli("init", "mine")
    message = "error: mine.yaml exists already and is not overwritten. Choose another name, or remove it.\n"
    assert (done.exit_code, done.stderr, (tmp_path / "mine.yaml").read_text()) == (6, message, "precious")


def test_init_names_the_templates(cli):
    done = cli("init", "mine", "--from", "imbd")
    assert (done.exit_code, done.stderr) == (3, f"error: no template 'imbd'. Choose one of: {', '.join(init.templates())}\n")


def test_init_prints_one_document(cli):
    document = json.loads(cli("init", "mine", "--json").stdout)
    assert document == {"workflow": "mine", "file": "mine.yaml", "template": "imdb-lstm", "schema": "distrnn.schema.json"}


def test_run_shows_result_on_stdout_and_the_rest_on_stderr(cli, fake_pipeline, workflow_file):
    fake_pipeline.events = [Event("prepare", 1, 1, "chunks")]
    done = cli("run", workflow_file)
    assert (done.exit_code, done.stdout) == (0, SUMMARY)
    assert done.stderr == 'prepare: started\nNext: distrnn predict reviews@v1 "some text"\n'


def test_run_prints_one_document_that_holds_for_the_schema(cli, fake_pipeline, workflow_file, finished_run, holds_for_schema):
    done = cli("run", workflow_file, "--json", "--quiet")
    document = json.loads(done.stdout)
    holds_for_schema(document, "run")
    assert (done.exit_code, done.stderr, document) == (0, "", finished_run)


def test_schema_of_run_has_the_fields_of_the_result(finished_run, holds_for_schema):
    holds_for_schema(RunResult(**finished_run).to_json(), "run")
    assert list(finished_run) == list(RunResult.__dataclass_fields__)


@pytest.mark.parametrize("metrics", [{"loss_nats": 1.4, "bits_per_character": 2.0, "perplexity": 4.0, "tokens": 46_493}, None])
def test_schema_of_run_takes_a_language_model_that_is_not_registered(finished_run, holds_for_schema, metrics):
    holds_for_schema({**finished_run, "metrics": metrics, "version": None, "promotion": None}, "run")


def test_options_of_run_reach_the_pipeline(cli, fake_pipeline, workflow_file):
    cli(
        "run",
        workflow_file,
        "--set",
        "train.epochs=2",
        "--set",
        "model.units=8",
        "--run-id",
        "mine",
        "--address",
        "auto",
        "--registry",
        "r",
        "--lock",
        "/shared/lock",
    )
    (arguments, options) = fake_pipeline.calls[0]
    assert arguments == (str(workflow_file), ["train.epochs=2", "model.units=8"])
    named = {"address": "auto", "run_id": "mine", "resume": None, "registry": "r", "lock": "/shared/lock"}
    assert options == {**named, "shared_filesystem": False}


def test_registry_comes_from_the_environment(cli, fake_pipeline, workflow_file, monkeypatch):
    monkeypatch.setenv("DISTRNN_REGISTRY", "s3://bucket/models")
    cli("run", workflow_file)
    assert fake_pipeline.calls[0][1]["registry"] == "s3://bucket/models"


def refuse(document, **rule):
    document["promotion"]["decision"] = "refused"
    document["promotion"]["rules"][0] |= {"passed": False, **rule}


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"required": 0.99}, "accuracy was 0.9860 against the required 0.9900"),
        ({"required": 0.99, "holder": 0.99}, "accuracy was 0.9860 against the holder's 0.9900"),
        ({"candidate": None}, "accuracy was no finite value against the required 0.9000"),
        ({"candidate": None, "required": None}, "accuracy was no finite value"),
    ],
)
def test_refused_promotion_exits_4_after_the_result(cli, fake_pipeline, workflow_file, rule, why):
    refuse(fake_pipeline.result, **rule)
    done = cli("run", workflow_file)
    message = f"reviews@v1 is published, but production was not moved to it: {why}. See the report: {fake_pipeline.result['report']}"
    assert (done.exit_code, done.stderr) == (4, f"error: {message}\n")
    assert "production: refused" in done.stdout


LONG = {"slice": {"min_tokens": 401, "max_tokens": None, "label": None}, "examples": 12}


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({**LONG, "required": 0.99}, "accuracy (401 tokens or more) was 0.9860 against the required 0.9900"),
        (
            {**LONG, "candidate": None, "examples": 0},
            "accuracy (401 tokens or more) was not measured, because the evaluation set has no such document",
        ),
        ({"required": None}, "accuracy was 0.9860, and the holder's is not known"),
    ],
)
def test_refusal_on_a_slice_says_which_documents(fake_pipeline, rule, why):
    refuse(fake_pipeline.result, **rule)
    assert f"was not moved to it: {why}. See" in workflows.refusal(fake_pipeline.result).message


def test_a_run_that_made_nothing_new_says_so(finished_run):
    finished_run["version"]["unchanged"] = True
    fields = next(workflows.run_blocks(finished_run))
    assert fields.pairs["model"] == "reviews@v1 (sha256:333333333333), unchanged: another run published the same before"


def test_rules_that_a_promotion_replaced_are_shown(finished_run):
    finished_run["promotion"]["replaced_rules"] = ["accuracy min=0.95"]
    assert list(workflows.run_blocks(finished_run))[-1] == "The alias had other rules until now: accuracy min=0.95"


def test_refused_promotion_leaves_one_document_on_stdout(cli, fake_pipeline, workflow_file):
    refuse(fake_pipeline.result)
    done = cli("run", workflow_file, "--json")
    assert (done.exit_code, json.loads(done.stdout)["promotion"]["decision"]) == (4, "refused")


def test_interrupted_run_says_how_to_go_on(cli, fake_pipeline, workflow_file):
    fake_pipeline.error = errors.InterruptedRunError("run a was stopped; go on with: distrnn run w --resume a", signal=15)
    done = cli("run", workflow_file)
    assert (done.exit_code, done.stdout, done.stderr) == (143, "", "error: run a was stopped; go on with: distrnn run w --resume a\n")


@pytest.mark.parametrize("verb", ["plan", "run", "prepare"])
def test_mistake_in_the_workflow_is_found_before_anything_is_loaded(cli, workflow_file, verb, monkeypatch):
    monkeypatch.setitem(sys.modules, "distrnn.cluster.pipeline", None)
    done = cli(verb, workflow_file, "--set", "tran.epochs=3")
    assert done.exit_code == 2
    assert "unknown key 'tran'. Did you mean 'train'?" in done.stderr


@pytest.mark.parametrize("verb", ["plan", "run", "prepare"])
def test_missing_extra_is_named_with_the_command_that_installs_it(cli, workflow_file, verb, monkeypatch):
    monkeypatch.setattr("distrnn.cli.extras.find_spec", lambda name: None if name in ("ray", "tensorflow") else name)
    done = cli(verb, workflow_file)
    expected = (
        f"error: distrnn {verb} needs packages that are not installed: ray, tensorflow. Install them with: pip install 'distrnn[train]'\n"
    )
    assert (done.exit_code, done.stderr) == (1, expected)


def test_prepare_shows_the_dataset(cli, fake_pipeline, workflow_file, finished_run):
    fake_pipeline.result = {"dataset": {**finished_run["dataset"], "cache": "hit"}, "seconds": {"prepare": 0.31}}
    expected = (
        "dataset          5c5c5c5c5c5c5c5c (already prepared)\n"
        "distinct tokens  8,018\n"
        "dataset path     /storage/datasets/5c5c5c5c5c5c5c5c\n"
        "took             0.31 s\n"
    )
    assert cli("prepare", workflow_file).stdout == expected


def test_prepare_prints_one_document_that_holds_for_the_schema(cli, fake_pipeline, workflow_file, finished_run, holds_for_schema):
    fake_pipeline.result = {"dataset": finished_run["dataset"], "seconds": {"prepare": 0.31}}
    holds_for_schema(json.loads(cli("prepare", workflow_file, "--json").stdout), "prepare")


PLAN = {
    "workflow": {"name": "reviews", "train": {"epochs": 4}},
    "storage": "/storage",
    "dataset": {"cache": "miss", "reason": "the tokenizer changed", "shards": None},
    "batches": {"steps_per_epoch": 12, "learning_rates": [0.003, 0.003, 0.003, 0.0006]},
    "parameters": {"total": 9301},
    "architecture": [
        {"layer": "tokens", "does": "padding pre", "output": ["B", 60], "parameters": None, "beside": False},
        {"layer": "embedding", "does": "vectors", "output": ["B", 60, 8], "parameters": 8000, "beside": False},
        {"layer": "conv_2", "does": "filters", "output": ["B", 60, 4], "parameters": 500, "beside": False},
        {"layer": "conv_3", "does": "filters", "output": ["B", 60, 4], "parameters": 800, "beside": True},
        {"layer": "output", "does": "sigmoid", "output": ["B", 1], "parameters": 1, "beside": False},
    ],
    "cudnn": {"usable": True, "prevented_by": []},
}


@pytest.fixture
def planned(monkeypatch, fake_pipeline):
    calls = []
    plan = SimpleNamespace(plan=lambda *arguments, **options: calls.append((arguments, options)) or PLAN)
    monkeypatch.setitem(sys.modules, "distrnn.cluster.planning", plan)
    return calls


def test_plan_shows_the_workflow_and_each_decision(cli, planned, workflow_file):
    assert cli("plan", workflow_file).stdout == (
        "# the workflow, with everything that was left to defaults\nname: reviews\ntrain:\n  epochs: 4\n\n"
        "storage  /storage\n\n"
        "dataset\ncache   miss\nreason  the tokenizer changed\n\n"
        "batches\nsteps per epoch  12\nlearning rates   0.0030 (3 times), 0.0006\n\n"
        "parameters\ntotal  9,301\n\n"
        "cudnn\nusable        yes\nprevented by  –\n\n"
        "MODEL         WHAT IT DOES  OUTPUT      PARAMETERS\n"
        "   tokens     padding pre   B × 60               –\n"
        "│  embedding  vectors       B × 60 × 8       8,000\n"
        "├─ conv_2     filters       B × 60 × 4         500\n"
        "└─ conv_3     filters       B × 60 × 4         800\n"
        "▼  output     sigmoid       B × 1                1\n"
    )


def test_plan_is_json_with_the_resolved_workflow(cli, planned, workflow_file):
    assert json.loads(cli("plan", workflow_file, "--set", "train.epochs=4", "--json").stdout) == PLAN
    assert planned == [((str(workflow_file), ["train.epochs=4"]), {"address": None})]


@pytest.mark.parametrize(
    ("document", "step"),
    [
        ({"version": None, "run_id": "r"}, "distrnn runs report r"),
        ({"version": {"name": "docs", "number": 2}, "task": "language-model"}, "distrnn generate docs@v2"),
        ({"version": {"name": "words", "number": 2}, "task": "embedding"}, "distrnn neighbors words@v2 film"),
    ],
)
def test_next_step_suits_what_was_made(document, step):
    assert workflows.next_step(document) == step
