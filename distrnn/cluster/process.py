"""What a process that trains needs before TensorFlow is imported: where its output goes, and which Keras it is."""

import contextlib
import os
import sys
from pathlib import Path


def prepare_process(log_file: str | None) -> None:
    """Point the process' output at a log, if it can be reached, and choose Keras' backend.

    TensorFlow writes to the file descriptors themselves, so it is those that are pointed elsewhere.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    if log_file is None:
        return
    with contextlib.suppress(OSError), Path(log_file).open("a", encoding="utf-8") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
