"""What the documents promise about the house is so: Makefile, pins, workflows and their schema, the size of files."""

import itertools
import json
import re
import subprocess
import tomllib

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

from distrnn.workflow import json_schema, load_workflow

LONGEST_FILE = 400
LANGUAGE_SERVER = "# yaml-language-server: $schema=schema.json"


def targets(repo_root):
    return set(re.findall(r"^([a-z][a-z-]*):", (repo_root / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


def workflows(repo_root):
    return sorted((repo_root / "workflows").glob("*.yaml"))


def requirements(repo_root):
    project = tomllib.loads((repo_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for texts in lists for text in texts if not text.startswith("distrnn[")]


def pins(repo_root):
    lines = (repo_root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#"))


def test_help_shows_every_target(repo_root):
    shown = subprocess.run(["make", "--no-print-directory", "help"], cwd=repo_root, check=True, capture_output=True, text=True).stdout
    assert {line.split()[1] for line in shown.splitlines()} == targets(repo_root)


def test_every_make_command_in_the_documents_exists(repo_root):
    text = "".join((repo_root / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    named = set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, flags=re.MULTILINE))
    assert named
    assert named <= targets(repo_root)


def test_every_requirement_is_pinned_within_its_bounds(repo_root):
    pinned = pins(repo_root)
    outside = [str(r) for r in requirements(repo_root) if not r.specifier.contains(pinned.get(r.name.lower().replace("_", "-"), "0"))]
    assert outside == []


def test_pins_are_exact_versions_and_nothing_else(repo_root):
    lines = (repo_root / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line)] == []


def test_torch_is_never_pulled_in(repo_root):
    assert "torch" not in pins(repo_root)


def test_schema_is_in_step_with_the_code(repo_root):
    committed = json.loads((repo_root / "workflows" / "schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(json_schema())), "write it again, CONTRIBUTING.md says how"


def test_workflows_begin_with_the_line_that_editors_complete_from(repo_root):
    assert {file.name: file.read_text(encoding="utf-8").splitlines()[0] for file in workflows(repo_root)} == {
        file.name: LANGUAGE_SERVER for file in workflows(repo_root)
    }


def test_workflows_load_and_are_named_after_their_file(repo_root):
    assert [load_workflow(file).workflow.name for file in workflows(repo_root)] == [file.stem for file in workflows(repo_root)]


def test_workflows_hold_for_the_schema_too(repo_root):
    schema = jsonschema.Draft202012Validator(json_schema())
    wrong = {file.name: [e.message for e in schema.iter_errors(yaml.safe_load(file.read_text()))] for file in workflows(repo_root)}
    assert {name: errors for name, errors in wrong.items() if errors} == {}


@pytest.mark.parametrize("key", ["padding", "truncating", "mask_zero"])
def test_workflows_of_classifiers_say_what_becomes_of_short_and_long_documents(repo_root, key):
    models = {file.name: yaml.safe_load(file.read_text())["model"] for file in workflows(repo_root)}
    classifiers = {name: model for name, model in models.items() if model.get("task", "classifier") == "classifier"}
    assert {"quickstart-reviews.yaml", "topics-csv.yaml", "imdb-lstm.yaml"} < set(classifiers)
    assert [name for name, model in classifiers.items() if key not in model] == []


def test_headers_of_workflows_say_how_to_run_them_on_what_and_what_comes_out(repo_root):
    """A published figure and ours; what is retrained on a schedule, and what is no lesson, says what to expect instead."""
    missing = {}
    for file in workflows(repo_root):
        header = "\n".join(itertools.takewhile(lambda line: line.startswith("#"), file.read_text(encoding="utf-8").splitlines()))
        is_lesson = file.name.startswith(("imdb-", "nietzsche-")) and not file.stem.endswith("-weekly")
        wanted = ["Hardware:", *(["Published:", "Ours:"] if is_lesson else ["Expect:"])]
        missing[file.name] = [word for word in wanted if word not in header]
        if not re.search(rf"^#   distrnn (run|sweep|schedule run) workflows/{file.name}( |$)", header, flags=re.MULTILINE):
            missing[file.name].append("command")
    assert {name: words for name, words in missing.items() if words} == {}


def test_schema_refuses_a_misspelt_key():
    wrong = {"name": "a", "data": {"source": "imdb"}, "model": {"type": "lstm", "sequence_length": 5}, "train": {"epoch": 1}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json_schema())


def test_templates_of_init_are_the_workflows(repo_root):
    assert (repo_root / "distrnn" / "templates").resolve() == repo_root / "workflows"


def test_files_read_in_one_sitting(repo_root):
    sizes = {str(f.relative_to(repo_root)): len(f.read_text(encoding="utf-8").splitlines()) for f in (repo_root / "distrnn").rglob("*.py")}
    assert {name: lines for name, lines in sizes.items() if lines > LONGEST_FILE} == {}
