"""Network definitions, in Keras only: they run under any Keras backend."""

from distrnn.models.classifiers import build_classifier
from distrnn.models.language import build_language_model
from distrnn.models.layers import Head

__all__ = ["Head", "build_classifier", "build_language_model"]
