"""The drawing of a model before it is built: its stages follow from the workflow alone, and their counts are the whole model's."""

import pytest

from distrnn.training.architecture import BATCH, architecture
from distrnn.training.model_facts import parameter_counts
from distrnn.workflow.sections import ClassifierModel, LanguageModel

VOCABULARY = 50
CLASSIFIERS = {
    "mlp": {"type": "mlp", "embedding_dim": 8},
    "mlp with hidden layers": {"type": "mlp", "embedding_dim": 8, "units": 4, "layers": 2, "output_dropout": 0.5},
    "stacked": {"type": "simple-rnn", "embedding_dim": 8, "units": 4, "layers": 3},
    "both directions": {"type": "gru", "embedding_dim": 8, "units": 4, "bidirectional": True, "pooling": "attention"},
    "convolutions": {"type": "conv", "embedding_dim": 8, "units": 4, "kernel_sizes": [2, 3], "embedding_normalization": "layer"},
    "all steps": {"type": "lstm", "embedding_dim": 8, "units": 4, "pooling": "flatten"},
    "bag": {"type": "bag"},
    "bag with hidden layers": {"type": "bag", "units": 4, "layers": 2},
}
LANGUAGE = LanguageModel(task="language-model", type="lstm", window=5, embedding_dim=8, units=4)


def classifier(name: str) -> ClassifierModel:
    return ClassifierModel(sequence_length=12, **CLASSIFIERS[name])


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_layer_with_parameters_is_drawn(name, classes):
    stages = architecture(classifier(name), VOCABULARY, classes)
    drawn = {stage.layer: stage.parameters for stage in stages if stage.parameters is not None}
    assert drawn == parameter_counts(classifier(name), VOCABULARY, classes)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_document_goes_in_and_its_labels_come_out(name, classes):
    first, *_, last = architecture(classifier(name), VOCABULARY, classes)
    assert (first.layer, first.output) == ("tokens", (BATCH, 12))
    assert (last.layer, last.output) == ("output", (BATCH, 1 if classes == 2 else classes))


def test_convolutions_stand_side_by_side():
    beside = {stage.layer: stage.beside for stage in architecture(classifier("convolutions"), VOCABULARY)}
    assert [layer for layer, is_beside in beside.items() if is_beside] == ["conv_3"]
    assert {stage.layer: stage.output for stage in architecture(classifier("convolutions"), VOCABULARY)}["pooling"] == (BATCH, 8)


def test_steps_side_by_side_are_many_features():
    stages = architecture(classifier("all steps"), VOCABULARY)
    assert [(stage.layer, stage.output) for stage in stages[-3:]] == [
        ("lstm", (BATCH, 12, 4)),
        ("flatten", (BATCH, 48)),
        ("output", (BATCH, 1)),
    ]


def test_what_a_cell_does_is_said():
    (cell,) = [stage for stage in architecture(classifier("both directions"), VOCABULARY) if stage.layer == "gru"]
    assert (cell.does, cell.output) == ("tanh, both directions, all states", (BATCH, 12, 8))


def test_a_language_model():
    assert [(stage.layer, stage.output) for stage in architecture(LANGUAGE, VOCABULARY)] == [
        ("tokens", (BATCH, 5)),
        ("embedding", (BATCH, 5, 8)),
        ("batch_normalization", (BATCH, 5, 8)),
        ("lstm", (BATCH, 5, 4)),
        ("output", (BATCH, 5, 50)),
    ]
