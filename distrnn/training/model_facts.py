"""What can be said of a model before it is built: its parameters, and what keeps a GPU from its fastest kernels."""

from distrnn.workflow.model_sections import ClassifierModel, EmbeddingModel, LanguageModel, Model

GATES = {"simple-rnn": 1, "gru": 3, "lstm": 4}
OF_NORMALIZATION = {"batch": 4, "layer": 2}


def parameter_counts(model: Model, vocabulary_size: int, classes: int = 2) -> dict[str, int]:
    """Parameters of each layer in order, statistics of a normalisation included; layers that have none are left out.

    Shapes: F features of a token, L tokens of a document, U units, V ids, C labels.

    Args:
        model: the workflow's section.
        vocabulary_size: V.
        classes: C, of a classifier.
    """
    if isinstance(model, LanguageModel):
        return _language(model.published, vocabulary_size)
    if isinstance(model, EmbeddingModel):
        return {"embedding": vocabulary_size * model.embedding_dim, "embedding_bias": model.embedding_dim}
    model = model.resolved()
    outputs = 1 if classes == 2 else classes
    if model.type == "bag":
        units = model.units or outputs
        counts = {"words": vocabulary_size * units, "words_bias": units, **_hidden(model, units, first=2)}
        return counts if model.units is None else {**counts, "output": (units + 1) * outputs}
    features = model.embedding_dim or 0
    counts = _embedding(features, model.embedding_normalization, vocabulary_size)
    if model.type == "mlp":
        features *= model.sequence_length
        counts |= _hidden(model, features, first=1)
    elif model.type == "conv":
        counts |= {f"conv_{size}": (size * features + 1) * (model.units or 0) for size in model.kernel_sizes or ()}
    else:
        counts |= _cells(model, features)
    if model.pooling == "attention":
        counts["attention"] = step_features(model)
    return {**counts, "output": (output_features(model) + 1) * outputs}


def step_features(model: ClassifierModel) -> int:
    """Features of each step that a resolved model has read, before a pooling; of a bag, which has no steps, those of the document."""
    if model.type == "mlp":
        return model.embedding_dim or 0
    return (model.units or 0) * (len(model.kernel_sizes or ()) if model.type == "conv" else 1 + model.bidirectional)


def output_features(model: ClassifierModel) -> int:
    """Features of a document that the output layer of a resolved model reads."""
    if model.type == "mlp" and model.units is not None:
        return model.units
    return step_features(model) * (model.sequence_length if model.is_flat else 1)


def trained_counts(model: Model, vocabulary_size: int, classes: int = 2) -> dict[str, int]:
    """Parameters of each layer while it is trained: those of what is published, but for vectors of words, which have a second one each."""
    if isinstance(model, EmbeddingModel):
        return dict.fromkeys(("embedding", "predicted"), vocabulary_size * model.embedding_dim)
    return parameter_counts(model, vocabulary_size, classes)


def _language(model: LanguageModel, vocabulary_size: int) -> dict[str, int]:
    """Of a model as it is published; a one-hot token is a row of an identity matrix."""
    features, layers, width = model.embedding_dim or vocabulary_size, model.layers or 1, model.units
    if model.embedding_dim is None:
        counts = {"one_hot": vocabulary_size * vocabulary_size}
    else:
        counts = _embedding(features, str(model.embedding_normalization), vocabulary_size)
    for number in range(1, layers + 1):
        name = _numbered(model.type.replace("-", "_"), number, layers)
        counts[name] = cell_parameters(model.type, features if number == 1 else width, width)
    if model.hidden_units is not None:
        counts["hidden"] = (width + 1) * model.hidden_units
        width = model.hidden_units
    return {**counts, "output": (width + 1) * vocabulary_size}


def _embedding(features: int, normalization: str, vocabulary_size: int) -> dict[str, int]:
    counts = {"embedding": vocabulary_size * features}
    if normalization != "none":
        counts[f"{normalization}_normalization"] = OF_NORMALIZATION[normalization] * features
    return counts


def _hidden(model: ClassifierModel, features: int, *, first: int) -> dict[str, int]:
    """Dense layers from number `first` on, the first of which reads `features`."""
    layers, units = model.layers or 0, model.units or 0
    names = [_numbered("hidden", number, layers) for number in range(first, layers + 1)]
    return {name: ((units if position else features) + 1) * units for position, name in enumerate(names)}


def _cells(model: ClassifierModel, features: int) -> dict[str, int]:
    layers, units, directions = model.layers or 1, model.units or 0, 1 + model.bidirectional
    names = [_numbered(model.type.replace("-", "_"), number, layers) for number in range(1, layers + 1)]
    return {
        name: directions * cell_parameters(model.type, directions * units if position else features, units)
        for position, name in enumerate(names)
    }


def _numbered(name: str, number: int, count: int) -> str:
    return f"{name}_{number}" if count > 1 else name


def cell_parameters(kind: str, features: int, units: int) -> int:
    """Parameters of a recurrent layer.

    Shapes: with G gates a kernel [F, G·U], a recurrent kernel [U, G·U] and a bias [G·U]; a GRU has two biases.

    Args:
        kind: `simple-rnn`, `gru` or `lstm`.
        features: F.
        units: U.
    """
    return GATES[kind] * units * (features + units + (2 if kind == "gru" else 1))


def is_recurrent(model: Model) -> bool:
    """Whether it has a recurrent layer, which is what cuDNN's fused kernels are for."""
    return not isinstance(model, EmbeddingModel) and (isinstance(model, LanguageModel) or model.is_recurrent)


def cudnn_obstacles(model: Model) -> list[str]:
    """The settings that keep cuDNN's fused kernels from being used on a GPU; empty when they can be, or where nothing is recurrent.

    Source: the conditions in Keras' documentation of LSTM and GRU; its SimpleRNN has no such kernel.
    """
    if isinstance(model, EmbeddingModel) or not is_recurrent(model):
        return []
    if model.type in ("simple-rnn", "dense"):
        return [f"model.type {model.type} has no fused kernel"]
    obstacles = []
    if model.activation not in (None, "tanh"):
        obstacles.append("model.activation is not tanh")
    if isinstance(model, ClassifierModel) and model.recurrent_activation not in (None, "sigmoid"):
        obstacles.append("model.recurrent_activation is not sigmoid")
    if model.recurrent_dropout > 0:
        obstacles.append("model.recurrent_dropout is not 0")
    if isinstance(model, ClassifierModel) and model.mask_zero and model.padding == "pre":
        obstacles.append("model.mask_zero with model.padding pre (the mask must be right-padded)")
    return obstacles
