"""What can be said of a model before it is built: its parameters, and what keeps a GPU from its fastest kernels."""

from distrnn.workflow.sections import ClassifierModel, LanguageModel

GATES = {"simple-rnn": 1, "gru": 3, "lstm": 4}


def parameter_counts(model: ClassifierModel | LanguageModel, vocabulary_size: int) -> dict[str, int]:
    """Parameters of each layer, statistics of a normalisation included; layers that have none are left out.

    Shapes: F features of a token, L tokens of a document, U units, V ids.
    """
    features = model.embedding_dim
    counts = {"embedding": vocabulary_size * features}
    if isinstance(model, LanguageModel):
        if model.embedding_normalization == "batch":
            counts["batch_normalization"] = 4 * features
        counts[model.type] = cell_parameters(model.type, features, model.units)
        return {**counts, "output": (model.units + 1) * vocabulary_size}
    model = model.resolved()
    if model.type == "mlp":
        features *= model.sequence_length
    if model.units is None:
        return {**counts, "output": features + 1}
    if model.type == "mlp":
        counts["hidden"] = (features + 1) * model.units
    elif model.type == "conv":
        counts["conv"] = ((model.kernel_size or 0) * features + 1) * model.units
    else:
        counts[model.type.replace("-", "_")] = cell_parameters(model.type, features, model.units)
    return {**counts, "output": model.units + 1}


def cell_parameters(kind: str, features: int, units: int) -> int:
    """Parameters of a recurrent layer.

    Shapes: with G gates a kernel [F, G·U], a recurrent kernel [U, G·U] and a bias [G·U]; a GRU has two biases.

    Args:
        kind: `simple-rnn`, `gru` or `lstm`.
        features: F.
        units: U.
    """
    return GATES[kind] * units * (features + units + (2 if kind == "gru" else 1))


def cudnn_obstacles(model: ClassifierModel | LanguageModel) -> list[str]:
    """The settings that keep cuDNN's fused kernels from being used on a GPU; empty when they can be, or where nothing is recurrent.

    Source: the conditions in Keras' documentation of LSTM and GRU; its SimpleRNN has no such kernel.
    """
    if isinstance(model, ClassifierModel) and not model.is_recurrent:
        return []
    if model.type == "simple-rnn":
        return ["model.type simple-rnn has no fused kernel"]
    obstacles = []
    if isinstance(model, ClassifierModel) and model.activation not in (None, "tanh"):
        obstacles.append("model.activation is not tanh")
    if model.recurrent_dropout > 0:
        obstacles.append("model.recurrent_dropout is not 0")
    if isinstance(model, ClassifierModel) and model.mask_zero and model.padding == "pre":
        obstacles.append("model.mask_zero with model.padding pre (the mask must be right-padded)")
    return obstacles
