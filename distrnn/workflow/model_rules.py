"""What must hold between the keys of a model: a key that its type has no use for is an error, not ignored."""

from collections.abc import Iterator

from distrnn.errors import UsageError
from distrnn.refs import ModelRef
from distrnn.workflow.problems import REFERENCE, Problem, show
from distrnn.workflow.sections import GATED_TYPES, RECURRENT_TYPES, ClassifierModel, LanguageModel, Workflow
from distrnn.workflow.weight_rules import weight_problems

EMBEDDING_TYPES = ("mlp", *RECURRENT_TYPES, "conv")
NO_CELL, NO_EMBEDDING = "which has no recurrent cell", "which has no embedding"
# For each key the types that it means something for, and what the others lack.
USES = {
    "kernel_sizes": (("conv",), "which has no convolution"),
    "layers": (("mlp", "bag", *RECURRENT_TYPES), "whose convolutions stand side by side"),
    "bidirectional": (RECURRENT_TYPES, NO_CELL),
    "pooling": (("conv", *RECURRENT_TYPES), "which has no steps to bring together"),
    "recurrent_activation": (GATED_TYPES, "which has no gates"),
    "dropout": (RECURRENT_TYPES, f"{NO_CELL}: before the output it is model.output_dropout"),
    "recurrent_dropout": (RECURRENT_TYPES, NO_CELL),
    "mask_zero": (EMBEDDING_TYPES, "which never counts padding"),
    "embedding_dim": (EMBEDDING_TYPES, NO_EMBEDDING),
    "embedding_normalization": (EMBEDDING_TYPES, NO_EMBEDDING),
    "embedding_dropout": (EMBEDDING_TYPES, NO_EMBEDDING),
    "pretrained": (EMBEDDING_TYPES, NO_EMBEDDING),
}


def model_problems(workflow: Workflow) -> Iterator[Problem]:
    """Every rule about `model` that `workflow` breaks."""
    model = workflow.model
    if isinstance(model, LanguageModel):
        yield from _language(workflow, model)
    if not isinstance(model, ClassifierModel):
        return
    for key, (types, lack) in USES.items():
        value = getattr(model, key)
        if model.type not in types and value != ClassifierModel.model_fields[key].default:
            yield Problem(f"model.{key}", f"nothing for model.type {model.type}, {lack}", show(value))
    yield from _convolution(model)
    yield from _hidden(model)
    yield from _embedding(model)
    yield from _pretrained(workflow, model)
    yield from _begun(model)
    yield from weight_problems(model)
    if model.type == "bag" and workflow.data.tokenizer.layout != "bag":
        received = show(workflow.data.tokenizer.layout)
        yield Problem("data.tokenizer.layout", "bag for model.type bag, which counts a word once", received)


def _convolution(model: ClassifierModel) -> Iterator[Problem]:
    if model.type != "conv":
        return
    sizes = model.resolved().kernel_sizes or []
    received = show(sizes) if model.kernel_sizes else f"{show(sizes)}, the default"
    if max(sizes) > model.sequence_length:
        yield Problem("model.kernel_sizes", f"sizes of at most model.sequence_length ({model.sequence_length})", received)
    if len(set(sizes)) < len(sizes):
        yield Problem("model.kernel_sizes", "sizes that differ: more filters of one size are model.units", received)
    if model.pooling == "last":
        yield Problem(
            "model.pooling", "one of mean, max, attention, flatten for model.type conv, whose steps do not follow each other", show("last")
        )


def _begun(model: ClassifierModel | LanguageModel) -> Iterator[Problem]:
    if model.weights_from is None:
        return
    try:
        ModelRef.parse(model.weights_from)
    except UsageError:
        yield Problem("model.weights_from", f"{REFERENCE} of a published model", show(model.weights_from))
    if isinstance(model, ClassifierModel) and model.pretrained is not None:
        yield Problem("model.pretrained", "nothing beside model.weights_from, which has an embedding", show(model.pretrained.path))


def _hidden(model: ClassifierModel) -> Iterator[Problem]:
    if model.type not in ("mlp", "bag") or model.units is not None:
        return
    for key in ("activation", "layers"):
        if (value := getattr(model, key)) is not None:
            article = "an mlp" if model.type == "mlp" else "a bag"
            yield Problem(f"model.{key}", f"nothing for {article} without model.units, which has no hidden layer", show(value))
    if model.type == "bag" and model.output_dropout:
        expected = "nothing for a bag without model.units, whose output is the sum of its words"
        yield Problem("model.output_dropout", expected, show(model.output_dropout))


def _embedding(model: ClassifierModel) -> Iterator[Problem]:
    if model.embedding_normalization == "batch" and model.mask_zero:
        expected = "none or layer beside model.mask_zero, because the averages of a batch would count padding"
        yield Problem("model.embedding_normalization", expected, show("batch"))


def _pretrained(workflow: Workflow, model: ClassifierModel) -> Iterator[Problem]:
    tokenizer, section = workflow.data.tokenizer, model.pretrained
    if section is None or model.type not in EMBEDDING_TYPES:
        return
    if "://" in section.path and not section.path.startswith("s3://"):
        yield Problem("model.pretrained.path", "a file, or an s3:// URL of one", show(section.path))
    if tokenizer.level != "word":
        yield Problem("data.tokenizer.level", "word beside model.pretrained, whose file holds vectors of words", show(tokenizer.level))
    if tokenizer.buckets is not None:
        yield Problem("data.tokenizer.buckets", "nothing beside model.pretrained: hashed tokens have no words", show(tokenizer.buckets))
    if not section.trainable and (cost := model.regularizers.embeddings) is not None:
        expected = "nothing beside model.pretrained.trainable false: vectors that stay as they are cost nothing"
        yield Problem("model.regularizers.embeddings", expected, show(cost.model_dump(exclude_none=True)))
    if not section.trainable and (bound := model.constraints.embeddings) is not None:
        expected = "nothing beside model.pretrained.trainable false: vectors that stay as they are are never brought back"
        yield Problem("model.constraints.embeddings", expected, show(bound.model_dump(exclude_none=True)))


def _language(workflow: Workflow, model: LanguageModel) -> Iterator[Problem]:
    """Of a language model."""
    if model.type == "dense":
        if model.stateful:
            yield Problem("model.stateful", "false for model.type dense, whose steps begin anew with each window", show(model.stateful))
        if model.layers not in (None, 1):
            yield Problem("model.layers", "1 for model.type dense, which is unrolled by hand", show(model.layers))
        for key in ("dropout", "recurrent_dropout"):
            if value := getattr(model, key):
                yield Problem(f"model.{key}", f"nothing for model.type dense, {NO_CELL}", show(value))
    yield from _begun(model)
    if model.embedding_dim is None:
        if model.weights_from is not None:
            expected = "nothing without an embedding (model.embedding_dim null), whose weights belong to one vocabulary"
            yield Problem("model.weights_from", expected, show(model.weights_from))
        if workflow.data.tokenizer.level == "word":
            yield Problem("model.embedding_dim", "a number for words, of which there are too many for one-hot vectors", show(None))
        if model.embedding_normalization not in (None, "none"):
            expected = "none without an embedding (model.embedding_dim null)"
            yield Problem("model.embedding_normalization", expected, show(model.embedding_normalization))
        if model.embedding_dropout:
            expected = "nothing without an embedding (model.embedding_dim null)"
            yield Problem("model.embedding_dropout", expected, show(model.embedding_dropout))
    yield from weight_problems(model)
