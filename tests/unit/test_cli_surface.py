"""The verbs that exist are the verbs that are documented, and finding out about them is quick."""

import re
import subprocess
import sys

import pytest
import typer.main

from command_lines import parse
from distrnn.cli.main import app

VERBS = {
    "init",
    "plan",
    "run",
    "prepare",
    "submit",
    "jobs list",
    "jobs status",
    "jobs logs",
    "jobs stop",
    "schedule run",
    "schedule list",
    "schedule next",
    "schedule history",
    "schedule manifests",
    "sweep",
    "datasets list",
    "datasets show",
    "datasets verify",
    "datasets delete",
    "runs list",
    "runs show",
    "runs report",
    "models list",
    "models show",
    "models history",
    "models alias set",
    "models alias delete",
    "models alias guard",
    "models promote",
    "models rollback",
    "models tag",
    "models card",
    "models sign",
    "models verify",
    "models delete",
    "models gc",
    "models bundle",
    "models unbundle",
    "compare",
    "pull",
    "predict",
    "generate",
    "complete",
    "convert",
    "score",
    "tokenize",
    "neighbors",
    "analogy",
    "cache list",
    "cache verify",
    "cache prune",
    "serve",
    "doctor",
}
WITHOUT_REGISTRY = {
    *("init", "plan", "prepare", "sweep"),
    *(f"jobs {verb}" for verb in ("list", "status", "logs", "stop")),
    "schedule next",
    *(f"datasets {verb}" for verb in ("list", "show", "verify", "delete")),
    *(f"runs {verb}" for verb in ("list", "show", "report")),
    *(f"cache {verb}" for verb in ("list", "verify", "prune")),
}
WRITE = {
    "run",
    "submit",
    "schedule run",
    "serve",
    *(f"models {verb}" for verb in ("promote", "rollback", "tag", "card", "sign", "delete", "gc", "unbundle")),
    *(f"models alias {verb}" for verb in ("set", "delete", "guard")),
}
DESTROY = {"datasets delete", "models alias delete", "models delete", "models gc", "cache prune"}


def leaves(command, path=()):
    """Every verb with its words, below a group."""
    for name, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "commands", None):
            yield from leaves(inner, (*path, name))
        else:
            yield " ".join((*path, name)), inner


def verbs():
    return dict(leaves(typer.main.get_command(app)))


def test_verbs_are_these():
    assert set(verbs()) == VERBS


def test_help_of_the_program_leads_to_a_prediction_and_further(cli):
    shown = re.findall(r"^ +(distrnn .*?) *$", cli("--help").stdout, flags=re.MULTILINE)
    for command in shown:
        parse(command)
    assert [command.split()[1] for command in shown] == ["init", "run", "predict", "submit", "schedule", "serve"]


def test_readme_shows_every_verb_and_no_other(repo_root):
    lines = re.findall(r"^ {4}distrnn (.*)$", (repo_root / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    shown = {verb for line in lines for verb in VERBS if f"{line} ".startswith(f"{verb} ")}
    assert shown == VERBS
    assert [line for line in lines if not any(f"{line} ".startswith(f"{verb} ") for verb in VERBS)] == []


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_verb_takes_json_and_debug_and_has_a_help(cli, verb):
    options = {option for parameter in verbs()[verb].params for option in parameter.opts}
    assert {"--json", "--debug"} <= options
    done = cli(*verb.split(), "--help")
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"Usage: distrnn {verb}" in done.stdout


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_option_says_what_it_does(verb):
    assert [parameter.name for parameter in verbs()[verb].params if not parameter.help] == []


def with_option(option):
    """The verbs that take an option, and the environment variables that it is read from."""
    found = {verb: {name: parameter for parameter in command.params for name in parameter.opts} for verb, command in verbs().items()}
    return {verb: options[option].envvar for verb, options in found.items() if option in options}


def test_registry_can_be_named_where_there_is_one():
    assert with_option("--registry") == dict.fromkeys(VERBS - WITHOUT_REGISTRY, "DISTRNN_REGISTRY")


def test_whoever_writes_can_name_a_lock():
    assert {verb for verb, variable in with_option("--lock").items() if variable == "DISTRNN_LOCK"} == WRITE


def test_whatever_destroys_asks_first():
    assert set(with_option("--yes")) == DESTROY


def test_overruling_a_gate_is_possible_with_a_reason_only():
    trains_all_the_same = {"schedule run"}
    assert set(with_option("--force")) - trains_all_the_same <= set(with_option("--reason"))


def test_version(cli):
    assert cli("--version").stdout == "distrnn 0.1.0\n"


def test_help_loads_nothing_but_the_terminal_libraries():
    code = (
        "import sys\nfrom distrnn.cli.main import app\n"
        "print(*sorted({'numpy', 'pydantic', 'yaml', 's3fs', 'ray', 'tensorflow', 'keras', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"


LIGHT = [
    "models list",
    "models list --versions --where accuracy>0",
    "models show reviews@v1",
    "models history reviews",
    "models tag reviews@v1 stage=tested",
    "models alias set reviews candidate 1",
    "models verify",
    "models gc",
    "pull reviews@candidate",
]


def test_verbs_over_a_folder_load_no_arrays_and_no_object_stores(published):
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom distrnn.cli.main import app\n"
        f"print([CliRunner().invoke(app, line.split()).exit_code for line in {LIGHT!r}])\n"
        "print(sorted({'numpy', 's3fs', 'aiohttp', 'yaml', 'cryptography', 'ray', 'keras', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == f"{[0] * len(LIGHT)}\n[]\n"
