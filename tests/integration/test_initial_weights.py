"""Layers begin with the weights of another model's layers of the same name."""

import numpy as np
import pytest

from distrnn.errors import WorkflowError
from distrnn.training.initial_weights import begin_with
from distrnn.training.numpy_form import named_weights, numpy_form
from distrnn.training.tasks import ClassifierTask, LanguageTask
from distrnn.workflow.sections import ClassifierModel, LanguageModel

pytestmark = [pytest.mark.usefixtures("two_devices"), pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]

LSTM = {"type": "lstm", "sequence_length": 6, "embedding_dim": 4, "units": 3}
BIDIRECTIONAL = {**LSTM, "bidirectional": True, "pooling": "max"}
BAG = {"type": "bag", "sequence_length": 6, "units": 3}


def built(keys, classes=2):
    task = ClassifierTask(ClassifierModel.model_validate(keys), 8, classes=classes)
    return task.training_model(per_replica_batch_size=4, replicas=1)


def published(keys, known=(True,) * 8, classes=2):
    """Weights as a published model of other random values has them."""
    return {**numpy_form(built(keys, classes))[1], "known": np.array(known)}


def values(model):
    return {key: np.asarray(variable) for key, variable in named_weights(model).items()}


@pytest.mark.parametrize("keys", [LSTM, BIDIRECTIONAL, BAG], ids=["lstm", "bidirectional", "bag"])
def test_all_layers_begin_with_what_the_other_model_has(keys):
    given, model = published(keys), built(keys)
    begin_with(model, given)
    assert sorted(numpy_form(model)[1]) == sorted(set(given) - {"known"})
    assert all((array == given[key]).all() for key, array in numpy_form(model)[1].items())


def test_tokens_that_the_other_model_does_not_know_stay_as_they_were_drawn():
    model = built(LSTM)
    drawn = values(model)["embedding/embeddings"]
    given = published(LSTM, [True] * 5 + [False] * 3)
    begin_with(model, given)
    begun = values(model)["embedding/embeddings"]
    assert (begun[:5] == given["embedding/embeddings"][:5]).all()
    assert (begun[5:] == drawn[5:]).all()


def test_an_output_that_tells_other_things_apart_stays_as_it_was_drawn():
    model = built(LSTM)
    drawn = values(model)["output/kernel"]
    assert begin_with(model, published(LSTM, classes=5)) == ["embedding", "lstm"]
    assert (values(model)["output/kernel"] == drawn).all()


def test_another_size_is_refused():
    with pytest.raises(WorkflowError) as caught:
        begin_with(built(LSTM), published({**LSTM, "units": 5}))
    assert str(caught.value) == (
        "key 'model.weights_from': expected a model whose lstm/kernel has the shape [4, 12]. Received: the shape [4, 20]. "
        "Give this model the size of that one"
    )


def test_a_model_of_other_layers_is_refused():
    given = published({**LSTM, "type": "gru"})
    for key in list(given):
        if not key.startswith("gru"):
            del given[key]
    with pytest.raises(WorkflowError) as caught:
        begin_with(built(LSTM), given)
    assert str(caught.value) == "key 'model.weights_from': expected a model with a layer of this one. Received: one with gru"


LANGUAGE = {"task": "language-model", "type": "lstm", "window": 6, "embedding_dim": 4, "embedding_normalization": "none", "units": 3}


def language(given=None, **keys):
    task = LanguageTask(LanguageModel.model_validate({**LANGUAGE, **keys}), 8, given)
    return task.training_model(per_replica_batch_size=2, replicas=1)


@pytest.mark.parametrize("keys", [{}, {"sampled_softmax": 5}], ids=["all tokens", "sampled"])
def test_a_language_model_begins_with_another_ones_output(keys):
    other = numpy_form(language(**keys))[1]
    model = language({**other, "known": np.ones(8, np.bool_)}, **keys)
    assert all((array == other[key]).all() for key, array in numpy_form(model)[1].items())


def test_the_output_of_a_language_model_stays_as_it_was_drawn_where_the_other_one_does_not_know_the_token():
    other, known = numpy_form(language())[1], np.arange(8) < 5
    begun = values(language({**other, "known": known}))["output/kernel"]
    assert (begun[:, known] == other["output/kernel"][:, known]).all()
    assert (begun[:, ~known] != other["output/kernel"][:, ~known]).all()


def test_a_language_model_begins_with_the_vectors_of_a_classifier_and_not_with_its_output():
    given = published({**LSTM, "units": 3})
    begun = values(language(given))
    assert (begun["embedding/embeddings"] == given["embedding/embeddings"]).all()
    assert begun["output/kernel"].shape == (3, 8)
