"""How the model is trained, and on what."""

from typing import Annotated, Literal

from pydantic import Field

from distrnn.workflow.section import Section


class Optimizer(Section):
    """How weights move."""

    name: Literal["adam", "rmsprop", "sgd"] = Field("adam", description="The rule.")
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(0.001, description="Size of a step.")


class StepSchedule(Section):
    """The learning rate is multiplied by `factor` at the start of each epoch named."""

    type: Literal["step"] = Field("step", description="The kind of schedule.")
    epochs: list[Annotated[int, Field(ge=1)]] = Field(description="Epochs (counted from 0) at whose start the rate changes.", min_length=1)
    factor: Annotated[float, Field(gt=0.0)] = Field(0.1, description="What the rate is multiplied by.")


class CosineSchedule(Section):
    """The learning rate rises in a line over the first epochs, then falls along half a cosine until the last step."""

    type: Literal["cosine"] = Field(description="The kind of schedule.")
    warmup_epochs: Annotated[float, Field(ge=0.0)] = Field(0.0, description="Epochs, or a part of one, until the full rate.")
    final_factor: Annotated[float, Field(ge=0.0, le=1.0)] = Field(0.0, description="Share of the rate that is left at the end.")


class OneCycleSchedule(Section):
    """The learning rate rises to its full value and falls again, each along half a cosine."""

    type: Literal["one-cycle"] = Field(description="The kind of schedule.")
    peak_at: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.3, description="Share of all steps at which the rate is full.")
    initial_factor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(0.04, description="Share of the rate at the start.")
    final_factor: Annotated[float, Field(ge=0.0, le=1.0)] = Field(0.0001, description="Share of the rate at the end.")


Schedule = Annotated[StepSchedule | CosineSchedule | OneCycleSchedule, Field(discriminator="type")]


class EarlyStopping(Section):
    """Stop when validation no longer improves, and keep the weights of the best epoch."""

    metric: Literal["loss", "accuracy"] = Field("loss", description="The validation metric that is watched.")
    patience: Annotated[int, Field(ge=1)] = Field(2, description="Epochs in a row without improvement after which training stops.")


class PseudoLabels(Section):
    """Unlabelled documents to train on as well, with the answers of a published classifier as their labels."""

    teacher: Annotated[str, Field(min_length=1)] = Field(
        description="The classifier, as a reference: NAME, NAME@ALIAS, NAME@v3. It tells the same labels apart."
    )
    source: Literal["csv", "jsonl", "parquet", "text"] = Field("parquet", description="Format of the documents' files.")
    path: Annotated[str, Field(min_length=1)] = Field(
        description="The documents, relative to this file: a file, a folder, a glob, or an s3:// URL of any of them; labels are not read."
    )
    text_column: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Column or field of the text, for csv, jsonl and parquet. Default: text."
    )
    limit: Annotated[int, Field(ge=1)] | None = Field(None, description="Judge so many of the documents, chosen by the seed.")
    rows: Annotated[int, Field(ge=1)] = Field(description="Such documents in each step, beside train.global_batch_size labelled ones.")
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        None, description="Take a document only where the likeliest label has that probability or more. Default: take all."
    )
    soft: bool = Field(False, description="Learn the teacher's probabilities, not the likeliest label alone.")


class Train(Section):
    """How the model is trained."""

    epochs: Annotated[int, Field(ge=1)] = Field(description="Passes over the training split, at most.")
    global_batch_size: Annotated[int, Field(ge=1)] = Field(32, description="Rows of a step over all replicas.")
    optimizer: Optimizer = Field(default_factory=lambda: Optimizer())
    learning_rate_schedule: Schedule | None = Field(None, description="Changes of the learning rate; none: it is constant.")
    clip_norm: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="Scale the gradients of a step down where their norm, over all weights, is larger than this."
    )
    precision: Literal["float32", "mixed-bfloat16", "mixed-float16"] = Field(
        "float32", description="Of the arithmetic; mixed: weights stay float32, and float16 scales the loss so that no gradient vanishes."
    )
    early_stopping: EarlyStopping | None = Field(None, description="Needs a validation split.")
    keep_best: Literal["loss", "accuracy"] | None = Field(
        None, description="Keep the weights of the epoch with the best validation figure, and go on to the end all the same."
    )
    max_time_s: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="Seconds of training, those before a resumption included, after which it ends as if that epoch were the last."
    )
    pseudo_labels: PseudoLabels | None = Field(None, description="Learn from unlabelled documents that a teacher labels. Classifiers only.")
    validation_rows: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Documents of the validation split, with their true labels, in each step beside train.global_batch_size of the "
        "training split; nothing is validated or selected then. For a last training of fixed length. Classifiers only.",
    )
    length_buckets: Annotated[int, Field(ge=2, le=64)] | None = Field(
        None,
        description="Put documents of about the same length together and pad each batch to the smallest of so many lengths that holds it, "
        "so that little of it is padding. Classifiers with model.mask_zero, or a bag; not mlp, which needs one length.",
    )
    steps_per_call: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto", description="Steps that TensorFlow takes for one call from Python; auto: as many as fit into about a tenth of a second."
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(0, description="Of the initial weights, the shuffle, dropout and the limit.")
    checkpoint_every_s: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="Seconds between checkpoints within an epoch; one is always written at its end."
    )
    checkpoints_kept: Annotated[int, Field(ge=1)] = Field(
        2, description="The last so many checkpoints are kept; where the newest is damaged, the one before it counts."
    )
    tensorboard: bool = Field(False, description="Write event files for TensorBoard into the run's folder.")
    max_failures: Annotated[int, Field(ge=0)] = Field(3, description="How many times a lost worker is replaced.")

    @property
    def rows_of_step(self) -> int:
        """Rows of a step over all replicas: of the training split, of the validation split, and pseudo-labelled ones."""
        return self.global_batch_size + (self.validation_rows or 0) + (self.pseudo_labels.rows if self.pseudo_labels else 0)


class Scaling(Section):
    """What the run uses of the machine or cluster."""

    actors: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="Preprocessing processes; auto: one a CPU, as far as there are chunks."
    )
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="What the replicas run on; auto: GPUs where the cluster has them.")
    workers: Annotated[int, Field(ge=1)] = Field(1, description="Ray Train workers, one a node; each holds its node's replicas.")
    replicas_per_worker: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="Copies of the model in the worker; auto: one a GPU, or one on CPU. More than one on CPU are logical devices."
    )
    cpus_per_worker: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="CPUs reserved for the worker; auto: all of the largest node."
    )
    gpus_per_worker: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        "auto", description="GPUs reserved for the worker; auto: all of the largest node."
    )
