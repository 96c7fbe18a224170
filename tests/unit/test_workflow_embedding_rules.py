"""What a workflow for vectors of words may say."""

import json

import pytest

from distrnn.errors import WorkflowError
from distrnn.training.architecture import architecture
from distrnn.training.kernel_plan import kernels_for
from distrnn.training.model_facts import cudnn_obstacles, is_recurrent
from distrnn.training.plan import Placement
from distrnn.workflow import validate
from fixtures_workflow import changed

WORDS = {
    "name": "words",
    "data": {"source": "parquet", "path": "/texts.parquet", "tokenizer": {"level": "word", "boundaries": True}},
    "model": {"task": "embedding", "type": "skip-gram", "embedding_dim": 10},
    "train": {"epochs": 1, "global_batch_size": 64},
}


def refusal(key, value):
    with pytest.raises(WorkflowError) as caught:
        validate(changed(WORDS, key, value), "w.yaml")
    return str(caught.value)


def test_nothing_is_held_out():
    workflow = validate(WORDS, "w.yaml")
    assert (workflow.test_fraction, workflow.validation_fraction) == (0.0, 0.0)


@pytest.mark.parametrize("key", ["test_fraction", "validation_fraction"])
def test_a_part_that_is_held_out_is_refused(key):
    assert refusal(f"data.{key}", 0.1) == (
        f"w.yaml: key 'data.{key}': expected nothing or 0 for an embedding, whose loss depends on the words that are drawn: judge it by "
        "what it is used for. Received: 0.1"
    )


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("data.tokenizer.level", "char", "expected word for an embedding (model.task)"),
        ("data.tokenizer.ngrams", 2, "expected nothing for an embedding, which has a vector for each word"),
        ("data.source", "imdb", "expected one of nietzsche, python-docs, csv, jsonl, parquet, text for an embedding (model.task)"),
        ("train.length_buckets", 4, "expected nothing for an embedding, whose text is one stream"),
        ("train.validation_rows", 4, "expected nothing for an embedding, whose text is one stream"),
        ("data.train_limit", 400, "expected nothing for an embedding, whose text is one stream: use data.limit"),
    ],
)
def test_keys_of_other_tasks_are_refused(key, value, line):
    assert f"w.yaml: key '{key}': {line}. Received: {json.dumps(value)}" in refusal(key, value).splitlines()


def test_there_is_no_gate_without_a_measure():
    promote = {"name": "words", "promote": {"alias": "production", "metric": "loss", "max": 1}}
    assert refusal("register", promote) == (
        "w.yaml: key 'register.promote': expected nothing for an embedding, which is not measured. Received: alias production"
    )


@pytest.mark.parametrize(("kind", "read", "compared"), [("skip-gram", ("B", 10), 15), ("cbow", ("B", 10, 10), 6)])
def test_a_plan_draws_what_is_trained(kind, read, compared):
    model = validate(changed(WORDS, "model.type", kind), "w.yaml").model
    assert [(stage.layer, stage.output, stage.parameters, stage.beside) for stage in architecture(model, 100)] == [
        ("tokens", ("B", 16), None, False),
        ("embedding", read, 1000, False),
        ("predicted", ("B", compared, 10), 1000, True),
        ("output", ("B", compared), None, False),
    ]


def test_nothing_in_it_is_for_cudnn():
    model = validate(WORDS, "w.yaml").model
    assert (is_recurrent(model), cudnn_obstacles(model)) == (False, [])


def test_a_plan_can_say_how_a_step_is_computed():
    workflow = validate(WORDS, "w.yaml")
    kernels = kernels_for(workflow.model, workflow.train, Placement("cpu", 2, 0, 1))
    assert kernels.reason == "XLA compiles the step: type skip-gram has no recurrence, one device."
