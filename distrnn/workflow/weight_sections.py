"""How weights begin, what is asked of them while training, and what they may be; each kind of weight for itself.

`kernel` is what a layer multiplies its inputs by, `recurrent` what a cell multiplies its state by, `bias` what it adds, `embeddings` the
vectors of the tokens. All of them are those of the layers that read the document: the output layer begins as Keras begins it, and so do the
scores of an attention.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from distrnn.workflow.section import Section

Positive = Annotated[float, Field(gt=0.0)]
KINDS = ("kernel", "recurrent", "bias", "embeddings")
# The parameter of each type that has one, and its default, which is Keras'.
INITIALIZER_PARAMETERS: dict[str, tuple[str, float]] = {
    "uniform": ("limit", 0.05),
    "normal": ("stddev", 0.05),
    "orthogonal": ("gain", 1.0),
    "identity": ("gain", 1.0),
}
DEFAULT_MAX_NORM = 2.0
WeightsFrom = Annotated[
    Annotated[str, Field(min_length=1)] | None,
    Field(
        description="A published model, as a reference (NAME, NAME@ALIAS, NAME@v3), with whose weights the layers of the same name begin: "
        "what belongs to tokens follows the tokens, and the output layer does so where it tells as many things apart."
    ),
]


class Initializer(Section):
    """Where the first values of a weight come from."""

    type: Literal[
        "zeros", "ones", "uniform", "normal", "glorot-uniform", "glorot-normal", "he-uniform", "he-normal", "orthogonal", "identity"
    ] = Field(description="The distribution, or the matrix. identity is for recurrent weights: each gate then begins as the identity.")
    limit: Positive | None = Field(None, description="Of uniform: values lie between -limit and limit. Default: 0.05.")
    stddev: Positive | None = Field(None, description="Of normal: its standard deviation. Default: 0.05.")
    gain: Positive | None = Field(None, description="Of orthogonal and identity: what the matrix is multiplied by. Default: 1.")

    def resolved(self) -> "Initializer":
        """The same with its parameter written out."""
        key, default = INITIALIZER_PARAMETERS.get(self.type, (None, 0.0))
        return self if key is None or getattr(self, key) is not None else self.model_copy(update={key: default})


class Initializers(Section):
    """How the weights begin."""

    kernel: Initializer | None = Field(None, description="Default: glorot-uniform.")
    recurrent: Initializer | None = Field(None, description="Default: orthogonal.")
    bias: Initializer | None = Field(None, description="Default: zeros; ones for the forget gate of an lstm.")
    embeddings: Initializer | None = Field(None, description="Default: uniform.")

    def resolved(self, kinds: tuple[str, ...]) -> "Initializers":
        """The same with the defaults of `kinds`, the weights that the model has; that of the bias depends on the gate and stays."""
        defaults = {
            "kernel": Initializer(type="glorot-uniform"),
            "recurrent": Initializer(type="orthogonal"),
            "embeddings": Initializer(type="uniform"),
        }
        values: dict[str, Any] = {kind: getattr(self, kind) or (defaults.get(kind) if kind in kinds else None) for kind in KINDS}
        return Initializers(**{kind: value and value.resolved() for kind, value in values.items()})


class Regularizer(Section):
    """What is added to the loss for large weights: l1 times the sum of their sizes, l2 times the sum of their squares."""

    l1: Positive | None = Field(None, description="Times the sum of the absolute values.")
    l2: Positive | None = Field(None, description="Times the sum of the squares.")


class Regularizers(Section):
    """What is added to the training loss."""

    kernel: Regularizer | None = Field(None, description="Default: nothing.")
    recurrent: Regularizer | None = Field(None, description="Default: nothing.")
    bias: Regularizer | None = Field(None, description="Default: nothing.")
    embeddings: Regularizer | None = Field(None, description="Default: nothing.")


class Constraint(Section):
    """What weights are brought back to after each step; a norm is that of a unit's incoming weights, or of a token's vector."""

    type: Literal["max-norm", "unit-norm", "non-negative"] = Field(description="What must hold.")
    max_norm: Positive | None = Field(None, description="Of max-norm: the largest norm. Default: 2.")

    def resolved(self) -> "Constraint":
        """The same with its parameter written out."""
        return self.model_copy(update={"max_norm": self.max_norm or DEFAULT_MAX_NORM}) if self.type == "max-norm" else self


class Constraints(Section):
    """What must hold of the weights."""

    kernel: Constraint | None = Field(None, description="Default: nothing.")
    recurrent: Constraint | None = Field(None, description="Default: nothing.")
    bias: Constraint | None = Field(None, description="Default: nothing.")
    embeddings: Constraint | None = Field(None, description="Default: nothing.")

    def resolved(self) -> "Constraints":
        """The same with the parameters written out."""
        values = {kind: getattr(self, kind) for kind in KINDS}
        return Constraints(**{kind: value and value.resolved() for kind, value in values.items()})


class Pretrained(Section):
    """Vectors that the embedding begins with; tokens without one begin as `initializers.embeddings` says."""

    path: Annotated[str, Field(min_length=1)] = Field(
        description="File of vectors, relative to this file, or its s3:// URL: GloVe or word2vec text, plain or gzip, or word2vec binary."
    )
    format: Literal["glove", "word2vec-text", "word2vec-binary"] | None = Field(None, description="Default: told from the file.")
    trainable: bool = Field(True, description="Whether training changes them.")
