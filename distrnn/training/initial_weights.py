"""Weights of another model as those that training begins with: layer by layer, by name."""

import keras
import numpy as np

from distrnn.data.initial_weights import BY_TOKEN, KNOWN, Arrays
from distrnn.errors import WorkflowError
from distrnn.training.numpy_form import named_weights

KEY = "model.weights_from"
OUTPUT, BAG_BIAS = "output", "words_bias/bias"


def begin_with(model: keras.Model, given: Arrays) -> list[str]:
    """Let the layers of a model begin with the weights of layers of the same name.

    The output layer begins with them only where it has the same shape, since what it tells apart may be something else.

    Shapes: V ids, F features of a token; rows of tokens that the other model does not know stay as they were drawn.

    Args:
        model: built.
        given: by `layer/weight`, and of which ids the rows are known: bool [V].
    Returns:
        names of the layers that begin so.
    Raises:
        WorkflowError: a layer has other shapes, or no layer has a namesake.
    """
    if BAG_BIAS in given:  # a bag's bias is a vector when published, and an embedding of one row while it trains
        given = {**given, "words_bias/embeddings": given[BAG_BIAS][None]}
    found = {key: variable for key, variable in named_weights(model).items() if key in given}
    for key, variable in dict(found).items():
        if tuple(variable.shape) == given[key].shape:
            continue
        if key.startswith(f"{OUTPUT}/"):
            found = {other: value for other, value in found.items() if not other.startswith(f"{OUTPUT}/")}
            continue
        expected = f"a model whose {key} has the shape {list(variable.shape)}"
        raise _refusal(expected, f"the shape {list(given[key].shape)}. Give this model the size of that one")
    if not found:
        names = ", ".join(sorted({key.partition("/")[0] for key in given if key != KNOWN}))
        raise _refusal("a model with a layer of this one", f"one with {names}")
    for key, variable in found.items():
        begun = given[key]
        if key in BY_TOKEN:
            begun = np.where(given[KNOWN][:, None], begun, np.asarray(variable))
        variable.assign(begun)
    return list(dict.fromkeys(key.partition("/")[0] for key in found))


def _refusal(expected: str, received: str) -> WorkflowError:
    return WorkflowError(f"key '{KEY}': expected {expected}. Received: {received}", key=KEY)
