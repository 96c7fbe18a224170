"""What a workflow says of weights, as arguments of Keras' layers.

Only a model that is trained is given them: how weights began and what was asked of them is of no use to who loads a published one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from distrnn.models.initializers import IdentityGates
from distrnn.models.layers import Head
from distrnn.workflow.model_sections import ClassifierModel, LanguageModel
from distrnn.workflow.weight_sections import Constraint, Initializer, Regularizer

INITIALIZERS: Mapping[str, Callable[[Initializer], Any]] = {
    "zeros": lambda _: keras.initializers.Zeros(),
    "ones": lambda _: keras.initializers.Ones(),
    "uniform": lambda given: keras.initializers.RandomUniform(-given.limit, given.limit),  # type: ignore[operator]
    "normal": lambda given: keras.initializers.RandomNormal(stddev=given.stddev),
    "glorot-uniform": lambda _: keras.initializers.GlorotUniform(),
    "glorot-normal": lambda _: keras.initializers.GlorotNormal(),
    "he-uniform": lambda _: keras.initializers.HeUniform(),
    "he-normal": lambda _: keras.initializers.HeNormal(),
    "orthogonal": lambda given: keras.initializers.Orthogonal(gain=given.gain),
    "identity": lambda given: IdentityGates(given.gain or 1.0),
}


def weight_arguments(model: ClassifierModel | LanguageModel, head: Head, **names: str) -> dict[str, Any]:
    """Arguments of one layer.

    Args:
        model: resolved.
        head: nothing is said to a layer of a published model.
        names: for each kind of weight the layer's own word for it, for instance kernel="embeddings" where it is looked up.
    Returns:
        `<word>_initializer`, `<word>_regularizer` and `<word>_constraint`, as far as anything is asked for.
    """
    if head != "logits":
        return {}
    arguments: dict[str, Any] = {}
    for kind, word in names.items():
        initializer, regularizer, constraint = (
            getattr(getattr(model, section, None), kind, None) for section in ("initializers", "regularizers", "constraints")
        )
        if initializer is not None:
            arguments[f"{word}_initializer"] = INITIALIZERS[initializer.type](initializer)
        if regularizer is not None:
            arguments[f"{word}_regularizer"] = _regularizer(regularizer)
        if constraint is not None:
            arguments[f"{word}_constraint"] = _constraint(constraint, _axes_of_a_norm(model, kind))
    return arguments


def _regularizer(given: Regularizer) -> Any:
    return keras.regularizers.L1L2(l1=given.l1 or 0.0, l2=given.l2 or 0.0)


def _constraint(given: Constraint, axes: int | list[int]) -> Any:
    if given.type == "max-norm":
        return keras.constraints.MaxNorm(given.max_norm, axis=axes)
    return keras.constraints.UnitNorm(axis=axes) if given.type == "unit-norm" else keras.constraints.NonNeg()


def _axes_of_a_norm(model: ClassifierModel | LanguageModel, kind: str) -> int | list[int]:
    """Over what a norm is taken: a unit's incoming weights, a token's vector, or all of a bias."""
    if kind in ("embeddings", "bias"):
        return -1
    return [0, 1] if model.type == "conv" else 0
