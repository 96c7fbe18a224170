"""Names for Kubernetes: whatever a workflow is called, KubeRay takes the name, and two long ones stay two."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.refs import NAME_PATTERN
from distrnn.retraining.ray_jobs import LONGEST_NAME, name_of
from distrnn.workflow import load_workflow

LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"


@pytest.fixture(scope="module")
def named(repo_root):
    workflow = load_workflow(repo_root / "workflows/imdb-lstm-weekly.yaml").workflow
    return lambda name: name_of(workflow.model_copy(update={"name": name}))


@given(name=st.from_regex(NAME_PATTERN, fullmatch=True))
def test_kubernetes_takes_the_name_of_every_workflow(named, name):
    made = named(name)
    assert re.fullmatch(LABEL, made)
    assert len(made) <= LONGEST_NAME


@pytest.mark.parametrize(("name", "expected"), [("imdb-lstm", "distrnn-imdb-lstm"), ("a_b.c", "distrnn-a-b-c"), ("a-", "distrnn-a")])
def test_a_short_name_is_recognised(named, name, expected):
    assert named(name) == expected


def test_long_names_that_begin_alike_stay_apart(named):
    names = [named(f"{'reviews-of-films-' * 3}{end}") for end in ("monday", "tuesday")]
    assert [name[:26] for name in names] == ["distrnn-reviews-of-films-r"] * 2
    assert len(set(names)) == 2
