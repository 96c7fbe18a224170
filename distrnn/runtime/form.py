"""The NumPy form of a published model, as files.

    model.json      {"format": 1, "layers": [{"type": …, "name": …, …}, …]}, the layers in order; of a language model that learned from
                    windows by themselves also "window", the tokens of one
    weights.npz     "<layer name>/<weight>": float32, not compressed

The folder may come from anywhere, so nothing in it is trusted: pickled objects are refused, a header is checked against the bytes that
are there before memory is asked for, and compressed arrays are refused because a small file could become a huge one.

Source: numpy.lib.format (the .npy format), https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import json
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from distrnn.errors import IntegrityError, NotFoundError, StorageError

MODEL_FILE, WEIGHTS_FILE = "model.json", "weights.npz"
FORMAT = 1
MODEL_LIMIT_BYTES = 1 << 20
MAX_LAYERS = 256
MAX_WINDOW = 1 << 20

FloatArray = npt.NDArray[np.float32]


def damaged(file: str, expected: str, received: object) -> IntegrityError:
    """The error for a published file that is not what it must be."""
    return IntegrityError(f"{file}: expected {expected}. Received: {received}. Pull the model again, or publish it again.", file=file)


def absent(path: Path) -> NotFoundError:
    """The error for a published file that is not there."""
    return NotFoundError(f"no model here: expected the file {path}. Name a folder that `distrnn pull REF --dest FOLDER` has filled.")


def read_json(path: Path, limit_bytes: int) -> dict[str, Any]:
    """Read a published JSON object and check its `format`.

    Raises:
        NotFoundError: there is no such file.
        StorageError: it cannot be read.
        IntegrityError: it is too large, no JSON object, or of another format.
    """
    try:
        with path.open("rb") as stream:
            body = stream.read(limit_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise absent(path) from None
    except OSError as error:
        raise StorageError(f"{path}: expected a readable file. Received: {error.strerror}. Check its permissions.") from None
    if len(body) > limit_bytes:
        raise damaged(path.name, f"at most {limit_bytes} bytes", "more")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise damaged(path.name, "JSON", error) from None
    if not isinstance(document, dict):
        raise damaged(path.name, "a JSON object", type(document).__name__)
    found = document.get("format")
    if type(found) is int and found > FORMAT:
        raise IntegrityError(
            f"{path.name}: expected format {FORMAT}. Received: {found}. A newer distrnn published this model; upgrade this one.",
            file=path.name,
        )
    if type(found) is not int or found != FORMAT:
        raise damaged(path.name, f"format {FORMAT}", repr(found))
    return document


def read_layers(folder: Path) -> list[dict[str, Any]]:
    """The layers that `model.json` lists: JSON objects with a `type` and a `name` that no other has.

    Raises:
        NotFoundError: there is no such file.
        IntegrityError: it is not of this form.
    """
    document = read_json(folder / MODEL_FILE, MODEL_LIMIT_BYTES)
    layers = document.get("layers")
    if not isinstance(layers, list) or not 1 <= len(layers) <= MAX_LAYERS:
        raise damaged(MODEL_FILE, f"'layers', a list of 1 to {MAX_LAYERS} layers", brief(layers))
    names = set()
    for position, layer in enumerate(layers):
        if not isinstance(layer, dict) or not isinstance(layer.get("type"), str) or not isinstance(layer.get("name"), str):
            raise damaged(MODEL_FILE, f"layer {position} with a 'type' and a 'name'", brief(layer))
        if layer["name"] in names:
            raise damaged(MODEL_FILE, "layers with different names", f"{layer['name']!r} twice")
        names.add(layer["name"])
    return layers


def read_window(folder: Path) -> int | None:
    """The last so many tokens that each output follows from; None where the state is carried, or where whole rows are read.

    Raises:
        NotFoundError: there is no such file.
        IntegrityError: it is not of this form.
    """
    window = read_json(folder / MODEL_FILE, MODEL_LIMIT_BYTES).get("window")
    if window is not None and (type(window) is not int or not 1 <= window <= MAX_WINDOW):
        raise damaged(MODEL_FILE, f"'window' from 1 to {MAX_WINDOW}", brief(window))
    return window


def read_weights(folder: Path, keys: Iterable[str]) -> dict[str, FloatArray]:
    """Read `weights.npz`.

    Args:
        folder: of the NumPy form.
        keys: the arrays that must be there; no other may.
    Raises:
        NotFoundError: there is no such file.
        StorageError: it cannot be read.
        IntegrityError: an array is missing, unknown, damaged, compressed, pickled, not float32 or not finite.
    """
    path, wanted = folder / WEIGHTS_FILE, sorted(keys)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if sorted(members) != wanted or len(archive.infolist()) != len(wanted):
                raise damaged(WEIGHTS_FILE, f"the arrays {', '.join(wanted)}", ", ".join(sorted(members)) or "none")
            return {key: _read_array(archive, members[key], key) for key in wanted}
    except FileNotFoundError:
        raise absent(path) from None
    except (zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise damaged(WEIGHTS_FILE, "a NumPy archive", error) from None
    except OSError as error:
        raise StorageError(f"{path}: expected a readable file. Received: {error.strerror}. Check its permissions.") from None


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, key: str) -> FloatArray:
    what = f"{WEIGHTS_FILE} {key}"
    if member.compress_type != zipfile.ZIP_STORED:
        raise damaged(what, "an array that is not compressed", "a compressed one")
    with archive.open(member) as stream:
        try:
            read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, fortran, dtype = read_header[np.lib.format.read_magic(stream)](stream)
        except (ValueError, KeyError) as error:
            raise damaged(what, "a NumPy array", error) from None
        if dtype != np.dtype("<f4"):
            raise damaged(what, "float32", dtype)
        body = stream.read()
    if len(body) != 4 * math.prod(shape):
        raise damaged(what, f"{4 * math.prod(shape)} bytes for the shape {list(shape)}", f"{len(body)} bytes")
    array = np.frombuffer(body, "<f4").reshape(shape, order="F" if fortran else "C").astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise damaged(what, "finite numbers", "infinities, or what is no number")
    return array


def brief(value: object) -> str:
    """A value as a message shows it, cut to a length that can be read."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
