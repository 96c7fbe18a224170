"""The workflow file: the one place where a run is configured.

Every key is declared below with its type, its bounds and its meaning; unknown keys are errors, and so are keys that would do
nothing for the model at hand. `Workflow.resolved` fills in what depends on other keys, so that two files that mean the same give
the same resolved workflow.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from distrnn.refs import NAME_PATTERN
from distrnn.text import TokenizerSpec

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
TABLE_SOURCES = ("csv", "jsonl", "parquet")
FILE_SOURCES = (*TABLE_SOURCES, "text")
DOCUMENT_SOURCES = ("imdb", "synthetic-reviews", *FILE_SOURCES)
CORPUS_SOURCES = ("nietzsche", "python-docs", *FILE_SOURCES)


class Section(BaseModel):
    """A section of the file; unknown keys are refused, and so are values of another type ("3" is no number)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Tokenizer(Section):
    """How text becomes tokens."""

    level: Literal["word", "char"] = Field("word", description="Unit of a token.")
    vocabulary_size: Annotated[int, Field(ge=4)] | None = Field(
        None, description="Ids in use, reserved ones included; the most frequent tokens are kept. Default: 20000 words, all characters."
    )
    buckets: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Hash tokens to that many ids in place of a vocabulary; `distrnn datasets show` tells how many share one."
    )
    ngrams: Annotated[int, Field(ge=1, le=8)] = Field(1, description="1 to so many neighbouring tokens make a token.")
    layout: Literal["sequence", "bag"] = Field(
        "sequence", description="Tokens in their order, or the distinct ones of a document, for models that are blind to order."
    )
    boundaries: bool = Field(False, description="Each document of a corpus begins with a start id. Language models only.")
    case: Literal["fold", "keep"] | None = Field(None, description="Lower every token, or keep it. Default: fold words, keep characters.")
    html: Literal["strip", "keep"] | None = Field(
        None, description="Remove `<br />` before splitting into words. Default: strip. Words only."
    )

    def spec(self) -> TokenizerSpec:
        """The tokenizer's rules with every default filled in."""
        word = self.level == "word"
        return TokenizerSpec(
            level=self.level,
            case=self.case or ("fold" if word else "keep"),
            html=self.html or ("strip" if word else "keep"),
            vocabulary_size=self.vocabulary_size or (20_000 if word and self.buckets is None else None),
            ngrams=self.ngrams,
            layout=self.layout,
            buckets=self.buckets,
            boundaries=self.boundaries,
        )


class Data(Section):
    """Where the text comes from and how it is split."""

    source: Literal["imdb", "nietzsche", "synthetic-reviews", "python-docs", "csv", "jsonl", "parquet", "text"] = Field(
        description="What the text is: one of the known ones, or your own files of that format, perhaps within gzip or zstd."
    )
    path: str | None = Field(
        None,
        description="Where the text is, relative to this file: a file or folder; for csv, jsonl, parquet and text also a glob, or an "
        "s3:// URL of any of them. A folder of train and test files, or of folders of those names, brings its own test split. "
        "Default: download (imdb, nietzsche).",
    )
    test_path: str | None = Field(None, description="The test split's own files, for csv, jsonl, parquet, text and an imdb CSV.")
    text_column: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Column or field of the text, for csv, jsonl and parquet. Default: text."
    )
    label_column: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Column or field of the label, for csv, jsonl and parquet. Default: label."
    )
    labels: Literal["none"] | Annotated[list[str | int], Field(min_length=2)] | dict[str | int | float | bool, str] | None = Field(
        None,
        description="Names of the labels, which stand in the label column or are counted there from 0; or the name of each value that "
        "stands there; or none for documents without labels. Of text files the label is the name of the folder. "
        "Default: negative and positive.",
    )
    document: Literal["file", "line", "paragraph"] | None = Field(
        None, description="What one document of a text file is; paragraphs are apart by empty lines. Default: file."
    )
    invalid_utf8: Literal["replace", "refuse"] | None = Field(
        None, description="Bytes that are no UTF-8 become U+FFFD and are counted, or are an error. Default: replace."
    )
    test_fraction: Fraction | None = Field(
        None,
        description="Share held out for testing: documents by hash of the text, a corpus by its contiguous tail. 0 is allowed for a "
        "language model. Default: the source's own split; 0.1 of a corpus.",
    )
    validation_fraction: Fraction | None = Field(
        None,
        description="Share of the training split held out for validation, by hash of the text, or the tail of a corpus. "
        "Default: 0.2, 0 for a corpus.",
    )
    limit: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="That many documents of each split, chosen by the seed; for a corpus, that many characters from its start, or "
        "documents where it is a table or has boundaries.",
    )
    duplicates: Literal["keep", "exact", "near"] = Field(
        "keep",
        description="Leave out documents that stand elsewhere too, exactly or nearly, so that none of a test document is trained on. "
        "Classifiers only.",
    )
    tokenizer: Tokenizer = Field(default_factory=Tokenizer)


class ClassifierModel(Section):
    """Embedding ► LSTM ► sigmoid over one document."""

    task: Literal["classifier"] = Field("classifier", description="What the model does.")
    type: Literal["lstm"] = Field(description="The recurrent cell.")
    sequence_length: Annotated[int, Field(ge=1)] = Field(description="Tokens of a document that the model sees.")
    padding: Literal["pre", "post"] = Field("pre", description="Where a short document is filled with zeros.")
    truncating: Literal["pre", "post"] = Field("pre", description="Which end of a long document is cut.")
    mask_zero: bool = Field(False, description="Skip padding in the recurrence.")
    embedding_dim: Annotated[int, Field(ge=1)] = Field(128, description="Features of a token.")
    units: Annotated[int, Field(ge=1)] = Field(128, description="Features of the recurrent state.")
    dropout: Fraction = Field(0.0, description="Share of the cell's inputs dropped while training.")
    recurrent_dropout: Fraction = Field(0.0, description="Share of the cell's recurrent inputs dropped while training.")


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


class Optimizer(Section):
    """How weights move."""

    name: Literal["adam", "rmsprop", "sgd"] = Field("adam", description="The rule.")
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(0.001, description="Size of a step.")


class StepSchedule(Section):
    """The learning rate is multiplied by `factor` at the start of each epoch named."""

    type: Literal["step"] = Field("step", description="The kind of schedule.")
    epochs: list[Annotated[int, Field(ge=1)]] = Field(description="Epochs (counted from 0) at whose start the rate changes.", min_length=1)
    factor: Annotated[float, Field(gt=0.0)] = Field(0.1, description="What the rate is multiplied by.")


class EarlyStopping(Section):
    """Stop when validation no longer improves, and keep the weights of the best epoch."""

    metric: Literal["loss", "accuracy"] = Field("loss", description="The validation metric that is watched.")
    patience: Annotated[int, Field(ge=1)] = Field(2, description="Epochs in a row without improvement after which training stops.")


class Train(Section):
    """How the model is trained."""

    epochs: Annotated[int, Field(ge=1)] = Field(description="Passes over the training split, at most.")
    global_batch_size: Annotated[int, Field(ge=1)] = Field(32, description="Rows of a step over all replicas.")
    optimizer: Optimizer = Field(default_factory=lambda: Optimizer())
    learning_rate_schedule: StepSchedule | None = Field(None, description="Changes of the learning rate.")
    early_stopping: EarlyStopping | None = Field(None, description="Needs a validation split.")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(0, description="Of the initial weights, the shuffle, dropout and the limit.")
    checkpoint_every_s: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="Seconds between checkpoints within an epoch; one is always written at its end."
    )
    max_failures: Annotated[int, Field(ge=0)] = Field(3, description="How many times a lost worker is replaced.")


class Scaling(Section):
    """What the run uses of the machine or cluster."""

    actors: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="Preprocessing processes; auto: one a CPU, as far as there are chunks."
    )
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="What the replicas run on; auto: GPUs where the cluster has them.")
    replicas_per_worker: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="Copies of the model in the worker; auto: one a GPU, or one on CPU. More than one on CPU are logical devices."
    )
    cpus_per_worker: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="CPUs reserved for the worker; auto: all of the largest node."
    )
    gpus_per_worker: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        "auto", description="GPUs reserved for the worker; auto: all of the largest node."
    )


Metric = Literal["accuracy", "auc", "loss", "loss_nats", "bits_per_character", "perplexity"]
Lowest = Annotated[float | None, Field(description="The candidate must reach it; for a loss or perplexity use max.")]
Highest = Annotated[float | None, Field(description="The candidate must not exceed it.")]
BetterThan = Annotated[Name | None, Field(description="The alias whose holder the candidate must beat; passes where there is none.")]
LeastGain = Annotated[float | None, Field(ge=0.0, description="By how much at least; default: by anything. Needs better_than.")]
MinTokens = Annotated[int | None, Field(ge=1, description="Measure on documents of so many words or more. Classifiers only.")]
MaxTokens = Annotated[int | None, Field(ge=1, description="Measure on documents of so many words or fewer. Classifiers only.")]
OfLabel = Annotated[str | None, Field(min_length=1, description="Measure on documents that truly have this label. Classifiers only.")]


class PromotionRule(Section):
    """One rule: bounds of a figure, on the whole evaluation set or a slice of its documents."""

    metric: Metric = Field(description="The figure on the evaluation set that decides.")
    min: Lowest = None
    max: Highest = None
    better_than: BetterThan = None
    min_delta: LeastGain = None
    min_tokens: MinTokens = None
    max_tokens: MaxTokens = None
    label: OfLabel = None


class Promote(Section):
    """The rules under which the new version takes the alias: one beside it, or several as a list."""

    alias: Name = Field(description="The alias to move.")
    metric: Metric | None = Field(None, description="The figure on the evaluation set that decides; or give rules.")
    min: Lowest = None
    max: Highest = None
    better_than: BetterThan = None
    min_delta: LeastGain = None
    min_tokens: MinTokens = None
    max_tokens: MaxTokens = None
    label: OfLabel = None
    rules: Annotated[list[PromotionRule], Field(min_length=1)] | None = Field(
        None, description="Several rules, all of which must pass, in place of the keys of one."
    )
    evaluation_set: Literal["pinned", "own"] = Field(
        "pinned",
        description="What versions are compared on: the set that the alias has pinned (one that has none pins this run's), or this run's "
        "own, which then takes the pinned one's place.",
    )

    @property
    def short_form(self) -> dict[str, Any]:
        """The keys of one rule that stand beside the alias."""
        return {key: value for key in PromotionRule.model_fields if (value := getattr(self, key)) is not None}

    @property
    def gate(self) -> list[PromotionRule]:
        """The rules, whichever way they are written."""
        return [PromotionRule(**self.short_form)] if self.rules is None else self.rules

    def resolved(self) -> "Promote":
        """The same gate as a list of rules."""
        return self.model_copy(update={**dict.fromkeys(PromotionRule.model_fields), "rules": self.gate})


class Register(Section):
    """Where the finished model goes."""

    name: Name = Field(description="The model's name in the registry.")
    promote: Promote | None = Field(None, description="Move an alias to the new version if it is good enough.")


class StorageSection(Section):
    """Where datasets and runs are kept."""

    root: str | None = Field(None, description="Folder or s3:// URL; default DISTRNN_STORAGE, else DISTRNN_HOME.")


class Workflow(Section):
    """One file, one system: its data, its model, how it is trained and where it goes."""

    name: Name = Field(description="The workflow's name; runs are named after it.")
    data: Data = Field(description="Where the text comes from.")
    model: Model = Field(description="The network.")
    train: Train = Field(description="How it is trained.")
    scaling: Scaling = Field(default_factory=lambda: Scaling(), description="Processes and devices.")
    register_: Register | None = Field(None, alias="register", description="Where the finished model goes; none: it stays in the run.")
    storage: StorageSection = Field(default_factory=lambda: StorageSection(), description="Where datasets and runs are kept.")

    @property
    def test_fraction(self) -> float | None:
        """Share held out for testing; None where the source brings its own test split."""
        if self.data.test_fraction is None and self.model.task == "language-model":
            return 0.1
        return self.data.test_fraction

    @property
    def validation_fraction(self) -> float:
        """Share of the training split held out for validation."""
        if self.data.validation_fraction is None:
            return 0.0 if self.model.task == "language-model" else 0.2
        return self.data.validation_fraction

    @property
    def text_column(self) -> str:
        """Column or field of the text."""
        return self.data.text_column or "text"

    @property
    def label_column(self) -> str:
        """Column or field of the label."""
        return self.data.label_column or "label"

    @property
    def has_test_split(self) -> bool:
        """Whether anything is held out for testing."""
        return self.test_fraction != 0.0

    def resolved(self) -> "Workflow":
        """The same workflow with every default written out that depends on another key."""
        spec = self.data.tokenizer.spec()
        rules = {"case": spec.case, "vocabulary_size": spec.vocabulary_size, "html": spec.html if spec.level == "word" else None}
        data = {
            "tokenizer": self.data.tokenizer.model_copy(update=rules),
            "test_fraction": self.test_fraction,
            "validation_fraction": self.validation_fraction,
            **self._file_keys(),
        }
        register = self.register_
        if register is not None and register.promote is not None:
            register = register.model_copy(update={"promote": register.promote.resolved()})
        return self.model_copy(update={"data": self.data.model_copy(update=data), "register_": register})

    def _file_keys(self) -> dict[str, Any]:
        """The keys of csv, jsonl, parquet and text, as far as they mean something."""
        data, is_classifier = self.data, self.model.task == "classifier"
        if data.source not in FILE_SOURCES:
            return {}
        keys: dict[str, Any] = {"invalid_utf8": data.invalid_utf8 or "replace"}
        if is_classifier and data.labels is None:
            keys["labels"] = ["negative", "positive"]
        if data.source in TABLE_SOURCES:
            keys["text_column"] = self.text_column
            if is_classifier and data.labels != "none":
                keys["label_column"] = self.label_column
        elif is_classifier or data.tokenizer.boundaries:
            keys["document"] = data.document or "file"
        return keys
