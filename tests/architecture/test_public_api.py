"""The Python API is frozen: whoever changes a name or a signature here changes other people's programs."""

import inspect
import tomllib

import pytest

import distrnn


def parameters(function):
    """The parameters of a function as they are written, without annotations and `self`."""
    signature = inspect.signature(function)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def test_names():
    assert sorted(distrnn.__all__) == ["DistrnnError", "ModelVersion", "Registry", "RunResult", "__version__", "load_model", "run"]


def test_every_name_is_there():
    assert [name for name in distrnn.__all__ if getattr(distrnn, name, None) is None] == []


def test_every_name_is_listed():
    assert set(distrnn.__all__) <= set(dir(distrnn))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError) as caught:
        distrnn.regsitry  # noqa: B018 (the access is the test)
    assert str(caught.value) == "module 'distrnn' has no attribute 'regsitry'"


def test_version_is_the_packages(repo_root):
    project = tomllib.loads((repo_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert distrnn.__version__ == project["version"]


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("publish", "(name, folder, *, metadata, before_commit=None)"),
        ("resolve", "(ref, *, offline=False)"),
        ("pull", "(ref, dest=None, *, form='numpy', offline=False, require_signature=None)"),
        ("versions", "(name)"),
        ("aliases", "(name)"),
        ("set_alias", "(name, alias, version, *, reason=None, force=False, run_id=None)"),
        ("rollback", "(name, alias, *, check, reason=None, run_id=None)"),
        ("guard", "(name, alias, rules, *, reason=None, force=False)"),
        ("iter_versions", "(name)"),
        ("summaries", "(pattern='*')"),
    ],
)
def test_registry(method, signature):
    assert parameters(getattr(distrnn.Registry, method)) == signature


def test_model_version_has_its_fields():
    assert {"name", "number", "digest"} <= set(distrnn.ModelVersion.__dataclass_fields__)


def test_load_model():
    assert parameters(distrnn.load_model) == "(ref, registry=None)"


@pytest.mark.parametrize(
    ("kind", "method", "signature"),
    [
        ("Classifier", "predict", "(texts)"),
        ("LanguageModel", "generate", "(prompt, length, *, temperature=1.0, top_k=None, top_p=None, stop=None, seed=None)"),
        ("LanguageModel", "stream", "(prompt, length, *, temperature=1.0, top_k=None, top_p=None, stop=None, seed=None)"),
        ("LanguageModel", "score", "(text, *, window=None, top=10)"),
        ("LanguageModel", "complete", "(text, *, top=10)"),
    ],
)
def test_loaded_model(kind, method, signature):
    assert parameters(getattr(getattr(inspect.getmodule(distrnn.load_model), kind), method)) == signature


def test_run():
    assert parameters(distrnn.run) == "(workflow_path, overrides=(), *, registry=None)"
