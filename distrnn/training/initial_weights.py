"""Weights of another model as those that training begins with: layer by layer, by name."""

from collections.abc import Mapping

import keras
import numpy as np

from distrnn.data.initial_weights import BY_TOKEN, KNOWN, Arrays, refusal
from distrnn.training.numpy_form import named_weights

OUTPUT, BAG_BIAS = "output", "words_bias/bias"


def begin_with(model: keras.Model, given: Arrays, by_token: Mapping[str, int] = BY_TOKEN) -> list[str]:
    """Let the layers of a model begin with the weights of layers of the same name.

    The output layer begins with them only where it has the same shape, since what it tells apart may be something else.

    Shapes: V ids; what belongs to tokens that the other model does not know stays as it was drawn.

    Args:
        model: built.
        given: by `layer/weight`, and which ids the other model knows: bool [V].
        by_token: weights that belong to ids, and the axis of the ids.
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
        raise refusal(expected, f"the shape {list(given[key].shape)}. Give this model the size of that one")
    if not found:
        names = ", ".join(sorted({key.partition("/")[0] for key in given if key != KNOWN}))
        raise refusal("a model with a layer of this one", f"one with {names}")
    for key, variable in found.items():
        begun = given[key]
        if (axis := by_token.get(key)) is not None:
            known = given[KNOWN].reshape([-1 if dimension == axis else 1 for dimension in range(begun.ndim)])
            begun = np.where(known, begun, np.asarray(variable))
        variable.assign(begun)
    return list(dict.fromkeys(key.partition("/")[0] for key in found))
