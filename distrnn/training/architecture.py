"""A model drawn before it is built: what each layer does, what comes out of it, and how many parameters it has.

Shapes: L tokens of a document or W of a window, F features of a token, U units, K convolutions side by side, C labels, V ids.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from distrnn.training.model_facts import output_features, step_features, trained_counts
from distrnn.workflow.model_sections import ClassifierModel, EmbeddingModel, LanguageModel, Model

BATCH = "B"


@dataclass(frozen=True)
class Stage:
    """A layer.

    Attributes:
        layer: its name, as in the model that is trained.
        does: in words.
        output: the shape of what comes out; `B` stands for the rows of a batch.
        parameters: of it; None where it can have none.
        beside: it reads what the one before it reads, and both outputs go on together.
    """

    layer: str
    does: str
    output: tuple[int | str, ...]
    parameters: int | None = None
    beside: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "output": list(self.output)}


def architecture(model: Model, vocabulary_size: int, classes: int = 2) -> list[Stage]:
    """The layers in the order in which a batch passes them.

    Args:
        model: the workflow's section.
        vocabulary_size: V.
        classes: C, of a classifier.
    """
    counts = trained_counts(model, vocabulary_size, classes)
    if isinstance(model, EmbeddingModel):
        stages = _vectors(model, vocabulary_size)
    elif isinstance(model, LanguageModel):
        stages = _language(model.resolved(), vocabulary_size)
    else:
        stages = _classifier(model.resolved(), vocabulary_size, classes)
    return [Stage(stage.layer, stage.does, stage.output, counts.get(stage.layer), stage.beside) for stage in stages]


def _vectors(model: EmbeddingModel, vocabulary_size: int) -> Iterator[Stage]:
    """As trained; what is published has the vectors of `embedding` alone."""
    around, random = 2 * model.window, model.negatives
    read, compared = ((), around + random) if model.type == "skip-gram" else ((around,), 1 + random)
    yield Stage("tokens", f"a word, {around} at most around it, {random} random ones", (BATCH, 1 + around + random))
    yield from _embedding("none", vocabulary_size, (BATCH, *read, model.embedding_dim))
    does = f"another for each of {vocabulary_size:,} ids, for when it is predicted; not published"
    yield Stage("predicted", does, (BATCH, compared, model.embedding_dim), beside=True)
    yield Stage("output", "products of both", (BATCH, compared))


def _language(model: LanguageModel, vocabulary_size: int) -> Iterator[Stage]:
    steps, layers, kind = model.window, model.layers or 1, model.published.type
    features = model.embedding_dim or vocabulary_size
    yield Stage("tokens", "window of a stream" if model.carries_state else "window by itself", (BATCH, steps))
    if model.embedding_dim is None:
        yield Stage("one_hot", f"one of {vocabulary_size:,}", (BATCH, steps, features))
    else:
        yield from _embedding(str(model.embedding_normalization), vocabulary_size, (BATCH, steps, features))
    if model.embedding_dropout:
        yield Stage("embedding_dropout", f"drops {model.embedding_dropout:g} of the features", (BATCH, steps, features))
    state = "state carried on" if model.carries_state else "from zeros"
    given: tuple[int, ...] = ()
    for number in range(1, layers + 1):
        given = (steps,) if model.predict == "every" or number < layers else ()
        name = kind.replace("-", "_") + (f"_{number}" if layers > 1 else "")
        does = _words(str(model.activation), "unrolled by hand" if model.type == "dense" else "", state, **_dropouts(model))
        yield Stage(name, does, (BATCH, *given, model.units))
    if model.hidden_units:
        yield Stage("hidden", "relu", (BATCH, *given, model.hidden_units))
    if model.output_dropout:
        yield Stage("output_dropout", f"drops {model.output_dropout:g}", (BATCH, *given, model.hidden_units or model.units))
    yield Stage("output", f"softmax over {vocabulary_size:,} ids", (BATCH, *given, vocabulary_size))


def _classifier(model: ClassifierModel, vocabulary_size: int, classes: int) -> Iterator[Stage]:
    length, units = model.sequence_length, model.units or 0
    ends = f"padding {model.padding}, truncating {model.truncating}{', mask_zero' if model.mask_zero else ''}"
    outputs = 1 if classes == 2 else classes
    yield Stage("tokens", "distinct tokens of a document" if model.type == "bag" else ends, (BATCH, length))
    if model.type == "bag":
        yield Stage("words", "sum of a row for each word", (BATCH, units or outputs))
        yield Stage("words_bias", _words("plus a bias", str(model.activation or "")), (BATCH, units or outputs))
        yield from _hidden(model, first=2)
    else:
        features = model.embedding_dim or 0
        yield from _embedding(model.embedding_normalization, vocabulary_size, (BATCH, length, features), model.pretrained)
        if model.embedding_dropout:
            yield Stage("embedding_dropout", f"drops {model.embedding_dropout:g} of the features", (BATCH, length, features))
        read = _recurrent if model.is_recurrent else _convolutions if model.type == "conv" else _side_by_side
        yield from read(model)
    if model.output_dropout:
        yield Stage("output_dropout", f"drops {model.output_dropout:g}", (BATCH, output_features(model)))
    activation = "sigmoid" if classes == 2 else f"softmax over {classes} labels"
    yield Stage("output", activation, (BATCH, outputs))


def _embedding(normalization: str, vocabulary_size: int, output: tuple[int | str, ...], pretrained: Any = None) -> Iterator[Stage]:
    frozen = "" if pretrained is None else "from a file, tuned" if pretrained.trainable else "from a file, frozen"
    yield Stage("embedding", _words(f"a vector for each of {vocabulary_size:,} ids", frozen), output)
    if normalization != "none":
        yield Stage(f"{normalization}_normalization", "of the features", output)


def _recurrent(model: ClassifierModel) -> Iterator[Stage]:
    layers, width = model.layers or 1, step_features(model)
    both = "both directions" if model.bidirectional else ""
    for number in range(1, layers + 1):
        name = model.type.replace("-", "_") + (f"_{number}" if layers > 1 else "")
        last_state = number == layers and model.pooling == "last"
        output = (BATCH, width) if last_state else (BATCH, model.sequence_length, width)
        yield Stage(name, _words(str(model.activation), both, "last state" if last_state else "all states", **_dropouts(model)), output)
    if model.pooling != "last":
        yield _pooling(model)


def _convolutions(model: ClassifierModel) -> Iterator[Stage]:
    for position, size in enumerate(model.kernel_sizes or ()):
        does = f"{model.units} filters over {size} tokens, {model.activation}"
        yield Stage(f"conv_{size}", does, (BATCH, model.sequence_length, model.units or 0), beside=position > 0)
    yield _pooling(model)


def _side_by_side(model: ClassifierModel) -> Iterator[Stage]:
    yield Stage("flatten", "all tokens side by side", (BATCH, model.sequence_length * (model.embedding_dim or 0)))
    yield from _hidden(model, first=1)


def _hidden(model: ClassifierModel, *, first: int) -> Iterator[Stage]:
    layers = model.layers or 0
    for number in range(first, layers + 1):
        name = f"hidden_{number}" if layers > 1 else "hidden"
        yield Stage(name, str(model.activation), (BATCH, model.units or 0))


def _pooling(model: ClassifierModel) -> Stage:
    does = {
        "max": "largest over all steps",
        "mean": "mean over all steps",
        "attention": "learned mean over all steps",
        "flatten": "all steps side by side",
    }
    name = str(model.pooling) if model.pooling in ("attention", "flatten") else "pooling"
    return Stage(name, does[str(model.pooling)], (BATCH, output_features(model)))


def _dropouts(model: ClassifierModel | LanguageModel) -> dict[str, float]:
    return {"dropout": model.dropout, "recurrent dropout": model.recurrent_dropout}


def _words(*said: str, **shares: float) -> str:
    """What is not empty, and shares that are not zero."""
    return ", ".join([*filter(None, said), *(f"{name.replace('_', ' ')} {share:g}" for name, share in shares.items() if share)])
