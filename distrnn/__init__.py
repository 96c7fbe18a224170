"""Train recurrent text models in batch, keep them in a registry, and predict anywhere.

    registry = distrnn.Registry("s3://bucket/models")
    model = distrnn.load_model("imdb-lstm@production", registry)
    model.predict(["I loved it."])

Names are loaded when they are first used, so that importing this package costs nothing: whoever predicts needs NumPy, whoever trains
TensorFlow and Ray.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distrnn.client import load_model
    from distrnn.cluster.pipeline import run
    from distrnn.cluster.result import RunResult
    from distrnn.errors import DistrnnError
    from distrnn.registry import ModelVersion, Registry

__version__ = "0.1.0"
__all__ = ["DistrnnError", "ModelVersion", "Registry", "RunResult", "__version__", "load_model", "run"]

_HOME = {
    "DistrnnError": "distrnn.errors",
    "ModelVersion": "distrnn.registry",
    "Registry": "distrnn.registry",
    "RunResult": "distrnn.cluster.result",
    "load_model": "distrnn.client",
    "run": "distrnn.cluster.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'distrnn' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
