"""Every error is declared in `distrnn.errors` and crosses a process border with its fields."""

import ast
import pickle

import pytest

from distrnn import errors

ERRORS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.DistrnnError)}


@pytest.mark.parametrize("name", ERRORS)
def test_error_pickles_with_its_fields(name):
    fields = {"signal": 15} if name == "InterruptedRunError" else {"key": "train.epochs", "expected": ("an integer", 1), "received": None}
    error = ERRORS[name]("expected this; received that; do so", **fields)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.fields, again.exit_code) == (type(error), str(error), fields, error.exit_code)


def test_no_other_module_declares_an_error_of_the_tree(repo_root):
    elsewhere = []
    for file in sorted((repo_root / "distrnn").rglob("*.py")):
        if file.name == "errors.py" and file.parent.name == "distrnn":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base).rpartition(".")[2] in ERRORS for base in node.bases):
                elsewhere.append(f"{file.relative_to(repo_root)}: {node.name}")
    assert elsewhere == []
