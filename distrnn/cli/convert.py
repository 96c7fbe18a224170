"""`distrnn convert`: a published model in a form that other programs load."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distrnn.cli.extras import require
from distrnn.cli.options import Debug, Json, Reference, RegistryUrl
from distrnn.cli.output import Fields, Output
from distrnn.cli.registries import open_registry
from distrnn.cli.versions import named
from distrnn.errors import UsageError

if TYPE_CHECKING:
    from distrnn.client import LoadedModel


class Target(StrEnum):
    """What `convert --to` takes."""

    SAVED_MODEL = "saved-model"
    ONNX = "onnx"
    NPZ = "npz"
    WORD2VEC = "word2vec"


EXTRAS = {Target.SAVED_MODEL: "train", Target.ONNX: "export"}
COMPARED = {Target.NPZ: "outputs", Target.WORD2VEC: "vectors"}


def convert(
    reference: Reference,
    to: Annotated[
        Target,
        typer.Option(
            "--to",
            help="saved-model: a classifier for TensorFlow Serving, from raw strings; onnx: from token ids; npz: plain NumPy "
            "arrays; word2vec: the vectors of the words, as word2vec's text (vectors.txt).",
            show_default=False,
        ),
    ],
    dest: Annotated[
        str | None, typer.Option("--dest", metavar="DIR", help="Folder to make. Default: NAME-vN-FORM in the working folder.")
    ] = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a published model in a form that other programs load, and check that it says the same."""
    from distrnn.client import load_folder

    out = Output(json=json)
    if extra := EXTRAS.get(to):
        require(extra, f"convert --to {to}")
    source = open_registry(registry)
    version = source.resolve(reference)
    out.resolved(reference, version.name, version.number, version.digest)
    target = Path(dest or f"{version.name}-v{version.number}-{to}").expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"--dest must be a folder that is not there, or is empty. Received: {str(target)!r}")
    pulled = source.pull(version)
    model = load_folder(pulled)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".distrnn-convert-", dir=target.parent) as temporary:
        made = Path(temporary, "made")
        made.mkdir()
        if to is Target.NPZ:
            from distrnn.conversion.checks import outputs_apart

            apart = outputs_apart(model, source.pull(version, made))
        elif to is Target.WORD2VEC:
            apart = _write_vectors(model, made / "vectors.txt")
        elif to is Target.ONNX:
            from distrnn.conversion.convert import write_onnx

            apart = write_onnx(model, pulled, made)
        else:
            apart = _write_saved_model(model, lambda: source.pull(version, form="keras") / "keras" / "model.keras", made)
        os.replace(made, target)
    document = {"version": named(version), "form": str(to), "path": str(target.absolute()), "largest_difference": apart}
    shown = f"{apart:.2g} at most from the model's own {COMPARED.get(to, 'probabilities')}"
    out.result(document, Fields({"model": str(version), "form": str(to), "folder": str(target.absolute()), "checked": shown}))


def _write_saved_model(model: "LoadedModel", keras_file: Callable[[], Path], folder: Path) -> float:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with _silenced():
        from distrnn.training.saved_model import check_convertible, write_saved_model

        check_convertible(model.preprocessing)
        return write_saved_model(model, keras_file(), folder)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Nothing on stderr meanwhile: what TensorFlow's C++ has to say while it is loaded goes to the file descriptor itself."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _write_vectors(model: "LoadedModel", file: Path) -> float:
    from distrnn.conversion.checks import vectors_apart
    from distrnn.data.vector_text import write_vectors
    from distrnn.embeddings import ModelVectors

    words, matrix = ModelVectors(model).most_frequent(sys.maxsize)
    write_vectors(file, words, matrix)
    return vectors_apart(file, words, matrix)
