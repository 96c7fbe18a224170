"""The network: a classifier of documents, a language model, or vectors of words.

A word has one meaning for every type. The four dropouts, in the order in which a text passes them: `embedding_dropout` takes whole
features of the embedding away, `dropout` inputs of the recurrent cells, `recurrent_dropout` what a cell hears of its own state, and
`output_dropout` inputs of the output layer.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from distrnn.workflow.section import Fraction, Section
from distrnn.workflow.weight_sections import KINDS, Constraints, Initializers, Pretrained, Regularizers, WeightsFrom

Activation = Literal["tanh", "relu"]
Normalization = Literal["none", "batch", "layer"]
Count = Annotated[int, Field(ge=1)]
RECURRENT_TYPES = ("simple-rnn", "gru", "lstm")
GATED_TYPES = ("gru", "lstm")
DEFAULT_EMBEDDING_DIM, DEFAULT_UNITS, DEFAULT_KERNEL_SIZES = 128, 128, (5,)


class ClassifierModel(Section):
    """Embedding ► recurrent cells, convolutions or dense layers ► a probability for each label of one document."""

    task: Literal["classifier"] = Field("classifier", description="What the model does.")
    type: Literal["mlp", "simple-rnn", "gru", "lstm", "conv", "bag"] = Field(
        description="What reads the tokens: recurrent cells; convolutions side by side over the same embedded tokens; mlp, a dense layer "
        "that sees all embedded tokens side by side; or bag, a dense layer over which words there are, in no order "
        "(data.tokenizer.layout bag)."
    )
    sequence_length: Count = Field(description="Tokens of a document that the model sees; of a bag, different ones.")
    padding: Literal["pre", "post"] = Field("pre", description="Where a short document is filled with zeros.")
    truncating: Literal["pre", "post"] = Field(
        "pre", description="Which end of a long document is cut. A bag is in the order of the ids: post keeps the most frequent words."
    )
    mask_zero: bool = Field(
        False,
        description="Leave padding out: a recurrent cell skips it; an mlp reads zeros in its place; a convolution reads zeros too and "
        "gives nothing where there is no token, so that padding changes nothing; pooling leaves it out. A bag never counts it.",
    )
    embedding_dim: Count | None = Field(
        None, description=f"Features of a token. Default: {DEFAULT_EMBEDDING_DIM}; none for a bag, which has no embedding."
    )
    embedding_normalization: Normalization = Field("none", description="Normalisation of the embedded tokens.")
    pretrained: Pretrained | None = Field(None, description="Vectors that the embedding begins with, instead of drawn ones.")
    weights_from: WeightsFrom = None
    units: Count | None = Field(
        None,
        description="Features of a recurrent state (of each direction), filters of a convolution (of each width), or units of a hidden "
        f"layer of an mlp or a bag. Default: {DEFAULT_UNITS}; none for an mlp and a bag, whose output then reads the document.",
    )
    layers: Count | None = Field(
        None, description="Recurrent cells one above the other, or hidden layers of an mlp or a bag. Default: 1 where there are units."
    )
    bidirectional: bool = Field(False, description="A second cell reads each layer's input from its end; both states count.")
    kernel_sizes: Annotated[list[Count], Field(min_length=1)] | None = Field(
        None,
        description="Neighbouring tokens that a convolution sees at once, for each of the convolutions side by side. "
        f"Default: {list(DEFAULT_KERNEL_SIZES)}.",
    )
    pooling: Literal["last", "mean", "max", "attention", "flatten"] | None = Field(
        None,
        description="What becomes of the steps: the state after the last one; of each feature the mean or the largest over all steps; a "
        "mean whose weights are learned, the softmax over the steps of a weighted sum of the features; or flatten, all steps side by side, "
        "each with output weights of its own. Default: last; max for conv.",
    )
    activation: Activation | None = Field(
        None, description="Of the cells, of the filters or of the hidden layers. Default: tanh; relu for mlp, conv and bag."
    )
    recurrent_activation: Literal["sigmoid", "hard-sigmoid"] | None = Field(
        None, description="Of the gates of a gru or lstm. Default: sigmoid; hard-sigmoid is straight from -3 to 3."
    )
    embedding_dropout: Fraction = Field(
        0.0, description="Share of the features of the embedding dropped while training, for all tokens alike."
    )
    dropout: Fraction = Field(0.0, description="Share of the inputs of each recurrent cell dropped while training.")
    recurrent_dropout: Fraction = Field(0.0, description="Share of the recurrent inputs of each cell dropped while training.")
    output_dropout: Fraction = Field(0.0, description="Share of the inputs of the output layer dropped while training.")
    initializers: Initializers = Field(default_factory=lambda: Initializers(), description="How the weights begin.")
    regularizers: Regularizers = Field(default_factory=lambda: Regularizers(), description="What is added to the training loss.")
    constraints: Constraints = Field(default_factory=lambda: Constraints(), description="What must hold of the weights.")

    @property
    def is_recurrent(self) -> bool:
        """Whether a cell goes through the document step by step."""
        return self.type in RECURRENT_TYPES

    @property
    def draws_random(self) -> bool:
        """Whether training drops out anything."""
        return any((self.embedding_dropout, self.dropout, self.recurrent_dropout, self.output_dropout))

    @property
    def is_flat(self) -> bool:
        """Whether each position has weights of its own, so that all documents are read at one length."""
        return self.type == "mlp" or self.pooling == "flatten"

    @property
    def ignores_padding(self) -> bool:
        """Whether a document gives the same with any number of zeros around it."""
        return self.type == "bag" or (self.mask_zero and not self.is_flat)

    @property
    def weights(self) -> tuple[str, ...]:
        """The kinds of weights that the layers have that read the document."""
        if self.type == "bag":
            return ("kernel", "bias")
        if self.type == "mlp" and self.units is None:
            return ("embeddings",)
        return KINDS if self.is_recurrent else ("kernel", "bias", "embeddings")

    def resolved(self) -> "ClassifierModel":
        """The same model with the defaults written out that depend on its type; None is left where a key means nothing."""
        units = self.units if self.type in ("mlp", "bag") else self.units or DEFAULT_UNITS
        keys: dict[str, Any] = {
            "units": units,
            "initializers": self.initializers.resolved(self.weights),
            "constraints": self.constraints.resolved(),
        }
        if self.type != "bag":
            keys["embedding_dim"] = self.embedding_dim or DEFAULT_EMBEDDING_DIM
        if self.type == "conv":
            keys |= {"kernel_sizes": self.kernel_sizes or list(DEFAULT_KERNEL_SIZES), "pooling": self.pooling or "max"}
        elif units is not None:
            keys["layers"] = self.layers or 1
        if units is not None:
            keys["activation"] = self.activation or ("tanh" if self.is_recurrent else "relu")
        if self.is_recurrent:
            keys["pooling"] = self.pooling or "last"
        if self.type in GATED_TYPES:
            keys["recurrent_activation"] = self.recurrent_activation or "sigmoid"
        return self.model_copy(update=keys)


class LanguageModel(Section):
    """Embedding or one-hot tokens ► recurrent cells ► a distribution over the next token."""

    task: Literal["language-model"] = Field(description="What the model does.")
    type: Literal["dense", "simple-rnn", "gru", "lstm"] = Field(
        description="The recurrent cell; or dense, a simple-rnn unrolled by hand: dense layers input ► hidden, hidden ► hidden and "
        "hidden ► output, shared by all steps of the window. It is published as the simple-rnn that it is."
    )
    window: Count = Field(description="Tokens of one training step in each row.")
    stateful: bool | None = Field(
        None,
        description="true: the text is laid out in rows, one window of each is a step, and the state goes on to the next. false: windows "
        "that do not overlap, shuffled anew each epoch, each from a state of zeros; what is published then reads the last window alone. "
        "Default: true; false for dense.",
    )
    predict: Literal["every", "last"] = Field(
        "every", description="What is learned of a window: the token after each of its tokens, or only the one after its last."
    )
    embedding_dim: Count | None = Field(42, description="Features of a token; null: none are learned, a token is its one-hot vector.")
    embedding_normalization: Normalization | None = Field(
        None, description="Normalisation of the embedded tokens. Default: batch; none without an embedding."
    )
    weights_from: WeightsFrom = None
    units: Count = Field(256, description="Features of the recurrent state.")
    layers: Count | None = Field(None, description="Recurrent cells one above the other. Default: 1.")
    activation: Activation | None = Field(None, description="Of the cells. Default: tanh.")
    hidden_units: Count | None = Field(
        None, description="Units of a dense layer with relu between the cells and the output, for each step. Default: no such layer."
    )
    embedding_dropout: Fraction = Field(
        0.0, description="Share of the features of the embedding dropped while training, for all tokens of a window alike."
    )
    dropout: Fraction = Field(0.0, description="Share of the inputs of each recurrent cell dropped while training.")
    recurrent_dropout: Fraction = Field(0.0, description="Share of the recurrent inputs of each cell dropped while training.")
    output_dropout: Fraction = Field(0.0, description="Share of the inputs of the output layer dropped while training.")
    sampled_softmax: Count | None = Field(
        None,
        description="Compute the training loss among the true token and so many drawn ones, for a vocabulary of many thousands; training "
        "loss and accuracy are then among those, validation and test figures among all tokens. Default: all tokens.",
    )
    initializers: Initializers = Field(default_factory=lambda: Initializers(), description="How the weights begin.")

    @property
    def carries_state(self) -> bool:
        """Whether the state goes on from one window to the next while training."""
        return self.type != "dense" if self.stateful is None else self.stateful

    @property
    def predictions(self) -> int:
        """What is learned of one window: so many tokens."""
        return self.window if self.predict == "every" else 1

    @property
    def draws_random(self) -> bool:
        """Whether training drops out anything, or draws tokens."""
        dropouts = (self.embedding_dropout, self.dropout, self.recurrent_dropout, self.output_dropout)
        return any(dropouts) or self.sampled_softmax is not None

    @property
    def weights(self) -> tuple[str, ...]:
        """The kinds of weights that the layers have that read the window."""
        return KINDS if self.embedding_dim is not None else ("kernel", "recurrent", "bias")

    @property
    def published(self) -> "LanguageModel":
        """The same function as whoever downloads it has it: a cell that predicts after every token."""
        return self.resolved().model_copy(update={"type": "simple-rnn" if self.type == "dense" else self.type, "predict": "every"})

    def resolved(self) -> "LanguageModel":
        """The same model with the defaults written out that depend on its type."""
        keys: dict[str, Any] = {
            "stateful": self.carries_state,
            "embedding_normalization": self.embedding_normalization or ("none" if self.embedding_dim is None else "batch"),
            "layers": self.layers or 1,
            "activation": self.activation or "tanh",
            "initializers": self.initializers.resolved(self.weights),
        }
        return self.model_copy(update=keys)


class EmbeddingModel(Section):
    """Vectors of words, learned from the words around them (word2vec, with random words to tell them apart from)."""

    task: Literal["embedding"] = Field(description="What the model does.")
    type: Literal["skip-gram", "cbow"] = Field(
        description="What is predicted: skip-gram, each word around a word from its vector; cbow, a word from the mean of the vectors "
        "around it."
    )
    window: Count = Field(5, description="Words on each side at most; how many is drawn for each word anew, so near ones count more.")
    embedding_dim: Count = Field(100, description="Numbers of a vector.")
    negatives: Count = Field(5, description="Random words that each true one is told apart from.")
    subsampling: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        0.001, description="Share of the text from which on a word is too frequent: some of its occurrences are left out. null: none are."
    )

    @property
    def draws_random(self) -> bool:
        """Nothing is dropped out; what is drawn is part of the batches."""
        return False

    def resolved(self) -> "EmbeddingModel":
        """Itself: no default depends on another key."""
        return self


Model = Annotated[ClassifierModel | LanguageModel | EmbeddingModel, Field(discriminator="task")]
