"""The imdb source: whichever of the four common forms of the reviews `data.path` is, or Keras' download."""

from pathlib import Path

from distrnn.data.labels import IMDB, SENTIMENTS
from distrnn.data.sources import imdb_keras
from distrnn.data.sources.base import DocumentSource
from distrnn.data.sources.files import SourceFile, listed, renamed, without_endings
from distrnn.data.sources.form import Form
from distrnn.data.sources.general import document_source
from distrnn.data.splits import SplitRules
from distrnn.errors import DataError, NotFoundError, WorkflowError
from distrnn.workflow import Workflow

_FORMS = "a folder of train.parquet and test.parquet, the aclImdb folder, Keras' imdb.npz, or a CSV file with columns review and sentiment"
_CSV = Form("csv", text_column="review", label_column="sentiment", labels=IMDB)
_PARQUET = Form("parquet", labels=IMDB, id_column="id")
_FOLDER = Form("text", labels=IMDB)
_FOLDERS = ("neg", "pos")


def open_imdb(workflow: Workflow) -> DocumentSource:
    """Open the reviews.

    Raises:
        NotFoundError: `data.path` does not exist.
        DataError: it is none of the forms, or there is no network to download from.
        IntegrityError: Keras' file is not the published one.
    """
    path = Path(workflow.data.path) if workflow.data.path else None
    where = str(path) if path else "Keras' imdb.npz"
    if path is not None and not path.exists():
        raise NotFoundError(
            f"data.path: expected {_FORMS}. Received: {where!r}, which does not exist. Correct it, or leave it out to download."
        )
    if workflow.data.test_path is not None and (path is None or path.suffix != ".csv"):
        raise WorkflowError(
            "key 'data.test_path': expected nothing, only a CSV file has its test split in a file of its own. "
            f"Received: {workflow.data.test_path!r}",
            key="data.test_path",
        )
    rules = SplitRules.of(workflow, seeded=True)
    if path is None or path.name.endswith(".npz") or (path / imdb_keras.REVIEWS.name).exists():
        keras = imdb_keras.KerasFiles.locate(path / imdb_keras.REVIEWS.name if path and path.is_dir() else path)
        return DocumentSource("imdb", where, lambda: imdb_keras.parts(keras), imdb_keras.digest, rules, SENTIMENTS)
    files, form = _files(path, workflow.data.test_path)
    return document_source("imdb", where, files, form, rules)


def _files(path: Path, test_path: str | None) -> tuple[dict[str, list[SourceFile]], Form]:
    if path.suffix == ".csv" and path.is_file():
        paths = {"train": path} | ({"test": _test_file(test_path)} if test_path else {})
        return {split: _called(split, _at(file)) for split, file in paths.items()}, _CSV
    tables = {split: _called(split, _tables(path, split)) for split in ("train", "test")} if path.is_dir() else {}
    if tables.get("train"):
        return {split: files for split, files in tables.items() if files}, _PARQUET
    folder = next((folder for folder in (path, path / "aclImdb") if all((folder / "train" / label).is_dir() for label in _FOLDERS)), None)
    if folder is not None:
        splits = [split for split in ("train", "test") if (folder / split).is_dir()]
        return {split: [file for label in _FOLDERS for file in _reviews(folder, f"{split}/{label}/")] for split in splits}, _FOLDER
    raise DataError(f"data.path: expected {_FORMS}. Received: {str(path)!r}, which is none of them.")


def _at(path: Path) -> list[SourceFile]:
    return [file for file in listed(str(path.parent), path.name) if file.key == path.name]


def _tables(folder: Path, split: str) -> list[SourceFile]:
    return [file for file in listed(str(folder), split) if file.key.endswith(".parquet") and "/" not in file.key]


def _reviews(folder: Path, prefix: str) -> list[SourceFile]:
    found = [file for file in listed(str(folder), prefix) if file.key.endswith(".txt") and file.key.count("/") == prefix.count("/")]
    return renamed(found, lambda file: without_endings(file.key))


def _called(split: str, files: list[SourceFile]) -> list[SourceFile]:
    """Files called after their split, so that rows keep their names wherever the files lie."""
    numbers = {file.key: number for number, file in enumerate(files)}
    return renamed(files, lambda file: split if len(files) == 1 else f"{split}/{numbers[file.key]}")


def _test_file(test_path: str) -> Path:
    if not Path(test_path).is_file():
        raise NotFoundError(
            f"data.test_path: expected a CSV file like data.path. Received: {test_path!r}, which does not exist. Correct it."
        )
    return Path(test_path)
