"""Network definitions, in Keras only: they run under any Keras backend."""

from distrnn.models.cells import KERAS_LAYERS, RecurrentLayers
from distrnn.models.classifiers import build_classifier
from distrnn.models.language import build_language_model

__all__ = ["KERAS_LAYERS", "RecurrentLayers", "build_classifier", "build_language_model"]
