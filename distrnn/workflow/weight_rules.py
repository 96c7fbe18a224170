"""What must hold of how weights begin, what they cost and what they may be."""

from collections.abc import Iterator

from distrnn.workflow.model_sections import ClassifierModel, LanguageModel
from distrnn.workflow.problems import Problem, show
from distrnn.workflow.weight_sections import INITIALIZER_PARAMETERS, KINDS, Constraint, Initializer, Regularizer

LACKING = {"recurrent": "recurrent cell", "embeddings": "embedding"}
FOR_A_ROW = ("zeros", "ones", "uniform", "normal")


def weight_problems(model: ClassifierModel | LanguageModel) -> Iterator[Problem]:
    """Every rule about `initializers` and, of a classifier, `regularizers` and `constraints` that `model` breaks."""
    for section in ("initializers", "regularizers", "constraints"):
        for kind in KINDS:
            value, at = getattr(getattr(model, section, None), kind, None), f"model.{section}.{kind}"
            if value is None:
                continue
            if kind not in model.weights:
                lacking = LACKING.get(kind, "hidden layer")
                yield Problem(at, f"nothing for model.type {model.type}, which has no {lacking}", show(value.model_dump(exclude_none=True)))
            elif isinstance(value, Initializer):
                yield from _initializer(value, kind, at)
            elif isinstance(value, Regularizer) and value.l1 is None and value.l2 is None:
                yield Problem(at, "l1, l2 or both", "neither")
            elif isinstance(value, Constraint) and value.type != "max-norm" and value.max_norm is not None:
                yield Problem(f"{at}.max_norm", f"nothing for {value.type}", show(value.max_norm))


def _initializer(initializer: Initializer, kind: str, at: str) -> Iterator[Problem]:
    own, _ = INITIALIZER_PARAMETERS.get(initializer.type, (None, 0.0))
    for key in ("limit", "stddev", "gain"):
        if key != own and (value := getattr(initializer, key)) is not None:
            yield Problem(f"{at}.{key}", f"nothing for {initializer.type}", show(value))
    if initializer.type == "identity" and kind != "recurrent":
        yield Problem(f"{at}.type", "another one: identity is for recurrent weights", show(initializer.type))
    elif kind == "bias" and initializer.type not in FOR_A_ROW:
        yield Problem(f"{at}.type", f"one of {', '.join(FOR_A_ROW)} for a bias, which is no matrix", show(initializer.type))
