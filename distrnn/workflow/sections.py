"""The workflow file: the one place where a run is configured.

Every key is declared below with its type, its bounds and its meaning; unknown keys are errors, and so are keys that would do
nothing for the model at hand. `Workflow.resolved` fills in what depends on other keys, so that two files that mean the same give
the same resolved workflow.
"""

from typing import Any

from pydantic import Field

from distrnn.workflow.data_sections import CORPUS_SOURCES, DOCUMENT_SOURCES, FILE_SOURCES, TABLE_SOURCES, Data, Tokenizer
from distrnn.workflow.model_sections import GATED_TYPES, RECURRENT_TYPES, ClassifierModel, EmbeddingModel, LanguageModel, Model
from distrnn.workflow.register_sections import Promote, PromotionRule, Register
from distrnn.workflow.schedule_sections import Notify, Schedule
from distrnn.workflow.section import Name, Section
from distrnn.workflow.sweep_sections import Sweep
from distrnn.workflow.train_sections import (
    CosineSchedule,
    EarlyStopping,
    OneCycleSchedule,
    Optimizer,
    PseudoLabels,
    Scaling,
    StepSchedule,
    Train,
)

__all__ = [
    "CORPUS_SOURCES",
    "DOCUMENT_SOURCES",
    "FILE_SOURCES",
    "GATED_TYPES",
    "RECURRENT_TYPES",
    "TABLE_SOURCES",
    "ClassifierModel",
    "CosineSchedule",
    "Data",
    "EarlyStopping",
    "EmbeddingModel",
    "LanguageModel",
    "Notify",
    "OneCycleSchedule",
    "Optimizer",
    "Promote",
    "PromotionRule",
    "PseudoLabels",
    "Register",
    "Scaling",
    "Schedule",
    "StepSchedule",
    "Sweep",
    "Tokenizer",
    "Train",
    "Workflow",
]


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
    sweep: Sweep | None = Field(None, exclude=True, description="What `distrnn sweep` tries; a run goes by the other sections.")
    schedule: Schedule | None = Field(None, exclude=True, description="When `distrnn schedule run` runs it again.")
    notify: Notify | None = Field(None, exclude=True, description="A webhook that is told what came of each tick of the schedule.")

    @property
    def test_fraction(self) -> float | None:
        """Share held out for testing; None where the source brings its own test split."""
        if self.data.test_fraction is None and self.model.task != "classifier":
            return 0.1 if self.model.task == "language-model" else 0.0
        return self.data.test_fraction

    @property
    def validation_fraction(self) -> float:
        """Share of the training split held out for validation."""
        if self.data.validation_fraction is None:
            return 0.2 if self.model.task == "classifier" else 0.0
        return self.data.validation_fraction

    @property
    def validates(self) -> bool:
        """Whether each epoch is measured on the validation split, which must not be trained on then."""
        return self.validation_fraction > 0.0 and self.train.validation_rows is None

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
        return self.model_copy(update={"data": self.data.model_copy(update=data), "model": self.model.resolved(), "register_": register})

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
