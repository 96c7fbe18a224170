"""How fast training is, also as a share of what its devices could do.

That is the floating point operations of training's matrix products in a second, against the rate at which the same devices multiply
matrices and do nothing else (`matrix_rate`). A multiplication and an addition are two operations. The backward pass makes two products of
the same size for each of the forward pass, one for the gradient of the inputs and one for that of the weights; what is not a product
(activations, look-ups, the optimizer) counts nothing.

Source: Goodfellow, Bengio and Courville (2016), Deep Learning, section 6.5.6, for the backward pass.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from distrnn.training.model_facts import GATES, output_features, step_features
from distrnn.workflow.sections import ClassifierModel, LanguageModel

PASSES = 3  # forward, and two products backward


def matrix_flops_of_row(model: ClassifierModel | LanguageModel, vocabulary_size: int, classes: int = 2) -> int:
    """Floating point operations of the matrix products that training makes for one row of a batch, forward and backward.

    Shapes: L tokens of a document, W of a window, F features, U units, G gates, V ids.

    Args:
        model: the workflow's section.
        vocabulary_size: V.
        classes: labels of a classifier.
    """
    if isinstance(model, LanguageModel):
        return 2 * PASSES * _of_window(model, vocabulary_size)
    model = model.resolved()
    length, features, units = model.sequence_length, model.embedding_dim or 0, model.units or 0
    outputs = 1 if classes == 2 else classes
    if model.type == "bag":  # its words are looked up and summed; a bag without a hidden layer has no product at all
        products, outputs = ((model.layers or 1) - 1) * units * units, outputs if units else 0
    elif model.type == "mlp":
        products = length * features * units + max(0, (model.layers or 0) - 1) * units * units
    elif model.type == "conv":
        products = length * sum(model.kernel_sizes or ()) * features * units
    else:
        inputs = [features, *[step_features(model)] * ((model.layers or 1) - 1)]
        products = length * (1 + model.bidirectional) * sum(_cell(model.type, given, units) for given in inputs)
    if model.pooling == "attention":
        products += length * step_features(model)
    return 2 * PASSES * (products + output_features(model) * outputs)


def _of_window(model: LanguageModel, vocabulary_size: int) -> int:
    """Multiplications of the forward pass over one window; a one-hot token is multiplied like any other."""
    cell, units, hidden = model.published, model.units, model.hidden_units
    above = [_cell(cell.type, units, units)] * ((cell.layers or 1) - 1)
    scores = vocabulary_size if model.sampled_softmax is None else model.sampled_softmax + 1
    read = units * hidden + hidden * scores if hidden else units * scores
    cells = _cell(cell.type, model.embedding_dim or vocabulary_size, units) + sum(above)
    return model.window * cells + model.predictions * read


def _cell(kind: str, features: int, units: int) -> int:
    """Multiplications of one step of a recurrent cell: [F]·[F, G·U] and [U]·[U, G·U]."""
    return GATES[kind] * units * (features + units)


def matrix_share(
    model: ClassifierModel | LanguageModel, vocabulary_size: int, samples_per_s: float, rate: float | None, classes: int = 2
) -> float | None:
    """The share, 0 to 1, of a rate of matrix products that training made use of.

    Args:
        model: the workflow's section.
        vocabulary_size: ids in use.
        samples_per_s: rows trained on in a second, over all replicas.
        rate: of all their devices, in floating point operations a second; None where it is not known.
        classes: labels of a classifier.
    """
    return None if rate is None else samples_per_s * matrix_flops_of_row(model, vocabulary_size, classes) / rate


def throughput(history: Sequence[Mapping[str, Any]], share: float | None) -> dict[str, Any]:
    """What a run's report says of its speed: of the last epoch."""
    return {"tokens_per_s": history[-1]["tokens_per_s"], "samples_per_s": history[-1]["samples_per_s"], "matrix_share": share}
