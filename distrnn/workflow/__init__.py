"""The workflow file: what it may say (`sections`), what must hold between its keys (`rules`), how it is read (`load`)."""

from distrnn.workflow.load import NOT_OF_A_RUN, LoadedWorkflow, json_schema, load_workflow, overrides_as_mapping, storage_root, validate
from distrnn.workflow.sections import ClassifierModel, EmbeddingModel, LanguageModel, Workflow

__all__ = [
    "NOT_OF_A_RUN",
    "ClassifierModel",
    "EmbeddingModel",
    "LanguageModel",
    "LoadedWorkflow",
    "Workflow",
    "json_schema",
    "load_workflow",
    "overrides_as_mapping",
    "storage_root",
    "validate",
]
