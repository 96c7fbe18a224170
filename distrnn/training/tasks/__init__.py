"""What differs between a classifier and a language model, behind one interface; everything else in the engine is common."""

from distrnn.training.tasks.classifier import ClassifierTask
from distrnn.training.tasks.language import LanguageTask
from distrnn.training.tasks.task import Task

__all__ = ["ClassifierTask", "LanguageTask", "Task"]
