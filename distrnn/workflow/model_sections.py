"""The network: a classifier of documents, or a language model."""

from typing import Annotated, Any, Literal

from pydantic import Field

from distrnn.workflow.section import Fraction, Section

Activation = Literal["tanh", "relu"]
RECURRENT_TYPES = ("simple-rnn", "gru", "lstm")
DEFAULT_UNITS, DEFAULT_KERNEL_SIZE = 128, 5


class ClassifierModel(Section):
    """Embedding ► recurrent cell, convolution or dense layer ► sigmoid over one document."""

    task: Literal["classifier"] = Field("classifier", description="What the model does.")
    type: Literal["mlp", "simple-rnn", "gru", "lstm", "conv"] = Field(
        description="What reads the embedded tokens: a recurrent cell; a convolution of whose outputs the largest count; or mlp, which "
        "sees all tokens side by side."
    )
    sequence_length: Annotated[int, Field(ge=1)] = Field(description="Tokens of a document that the model sees.")
    padding: Literal["pre", "post"] = Field("pre", description="Where a short document is filled with zeros.")
    truncating: Literal["pre", "post"] = Field("pre", description="Which end of a long document is cut.")
    mask_zero: bool = Field(
        False,
        description="Leave padding out: a recurrent cell skips it; an mlp reads zeros in its place; a convolution reads zeros too and "
        "gives nothing where there is no token, so that padding changes nothing.",
    )
    embedding_dim: Annotated[int, Field(ge=1)] = Field(128, description="Features of a token.")
    units: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Features of the recurrent state, filters of a convolution, or units of the hidden layer of an mlp. "
        f"Default: {DEFAULT_UNITS}; none for an mlp, whose output then reads the embedded tokens.",
    )
    kernel_size: Annotated[int, Field(ge=1)] | None = Field(
        None, description=f"Neighbouring tokens that a convolution sees at once. Default: {DEFAULT_KERNEL_SIZE}."
    )
    activation: Activation | None = Field(
        None,
        description="Of the cell (a gru and an lstm keep sigmoid gates), of the filters or of the hidden layer. "
        "Default: tanh; relu for mlp and conv.",
    )
    kernel_stddev: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="Initial input weights of a recurrent cell from a normal distribution this wide. Default: Glorot uniform."
    )
    recurrent_initializer: Literal["orthogonal", "identity"] | None = Field(
        None, description="Initial recurrent weights of a simple-rnn, or of each gate of a gru or lstm. Default: orthogonal."
    )
    dropout: Fraction = Field(0.0, description="Share dropped while training: of the inputs of a cell, or of the output layer of others.")
    recurrent_dropout: Fraction = Field(0.0, description="Share of the cell's recurrent inputs dropped while training.")

    @property
    def is_recurrent(self) -> bool:
        """Whether a cell goes through the document step by step."""
        return self.type in RECURRENT_TYPES

    def resolved(self) -> "ClassifierModel":
        """The same model with the defaults written out that depend on its type; None is left where a key means nothing."""
        units = self.units if self.type == "mlp" else self.units or DEFAULT_UNITS
        keys: dict[str, Any] = {"units": units}
        if self.type == "conv":
            keys["kernel_size"] = self.kernel_size or DEFAULT_KERNEL_SIZE
        if units is not None:
            keys["activation"] = self.activation or ("tanh" if self.is_recurrent else "relu")
        if self.is_recurrent:
            keys["recurrent_initializer"] = self.recurrent_initializer or "orthogonal"
        return self.model_copy(update=keys)


class LanguageModel(Section):
    """Embedding ► normalisation ► stateful LSTM ► softmax per step over a stream."""

    task: Literal["language-model"] = Field(description="What the model does.")
    type: Literal["lstm"] = Field(description="The recurrent cell.")
    window: Annotated[int, Field(ge=1)] = Field(description="Tokens of one training step in each row; the state goes on to the next.")
    embedding_dim: Annotated[int, Field(ge=1)] = Field(42, description="Features of a token.")
    embedding_normalization: Literal["none", "batch"] = Field("batch", description="Normalisation of the embedded tokens.")
    units: Annotated[int, Field(ge=1)] = Field(256, description="Features of the recurrent state.")
    dropout: Fraction = Field(0.0, description="Share of the cell's inputs dropped while training.")
    recurrent_dropout: Fraction = Field(0.0, description="Share of the cell's recurrent inputs dropped while training.")


Model = Annotated[ClassifierModel | LanguageModel, Field(discriminator="task")]
