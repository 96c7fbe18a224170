"""What differs between classifiers, language models and vectors of words, behind one interface; all else in the engine is common."""

from distrnn.training.tasks.classifier import ClassifierTask
from distrnn.training.tasks.embedding import EmbeddingTask
from distrnn.training.tasks.language import LanguageTask
from distrnn.training.tasks.task import Task

__all__ = ["ClassifierTask", "EmbeddingTask", "LanguageTask", "Task"]
