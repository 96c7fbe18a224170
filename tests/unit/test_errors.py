"""The error tree: exit codes, the `--json` document, and nothing lost on the way to another process."""

import pickle

import pytest

from distrnn import errors

EXIT_CODES = {
    "DistrnnError": 1,
    "UsageError": 2,
    "WorkflowError": 2,
    "DataError": 1,
    "StorageError": 1,
    "MissingExtraError": 1,
    "NotFoundError": 3,
    "GateRefusedError": 4,
    "IntegrityError": 5,
    "ConflictError": 6,
    "AccessError": 7,
    "DivergedError": 8,
    "InterruptedRunError": 130,
}


def test_every_error_has_its_exit_code():
    tree = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.DistrnnError)}
    assert {name: kind("what to do").exit_code for name, kind in tree.items()} == EXIT_CODES


def test_tree_in_the_docstring_is_the_code():
    drawn = {}
    for line in errors.__doc__.splitlines():
        words = line.replace("├──", "").replace("└──", "").split()
        if words and words[0].endswith("Error"):
            drawn[words[0]] = int(words[1])
    assert drawn == EXIT_CODES


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)], ids=["SIGINT", "SIGTERM"])
def test_interrupted_run_exits_as_the_signal_does(signal, code):
    assert errors.InterruptedRunError("resume with: distrnn run W --resume last", signal=signal).exit_code == code


def test_json_document_of_an_error():
    assert errors.NotFoundError("no model 'x'", name="x").to_json() == {"error": "NotFound", "message": "no model 'x'", "code": 3}


def test_fields_survive_pickling_twice():
    error = errors.WorkflowError("wrong", file="w.yaml", key="train.epochs", nearest=None)
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(error))))
    assert (type(again), str(again), again.fields) == (errors.WorkflowError, "wrong", error.fields)
