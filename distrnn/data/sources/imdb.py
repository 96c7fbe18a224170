"""The imdb source: whichever of the four common forms of the reviews `data.path` is, on a disk or in S3, or Keras' download."""

from itertools import chain
from pathlib import Path

from distrnn.data.labels import IMDB, SENTIMENTS
from distrnn.data.source_files import SourceFile, file_at, is_there, listed, renamed, without_endings
from distrnn.data.sources import imdb_keras
from distrnn.data.sources.base import DocumentSource
from distrnn.data.sources.form import Form
from distrnn.data.sources.general import document_source
from distrnn.data.splits import SplitRules
from distrnn.errors import DataError, NotFoundError, WorkflowError
from distrnn.workflow import Workflow
from distrnn.workflow.rules import KERAS_ENDING, KERAS_STAYS_HERE

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
        WorkflowError: Keras' file lies on a server, or there is a test split that needs none.
    """
    path = workflow.data.path.rstrip("/") if workflow.data.path else None
    where = path or "Keras' imdb.npz"
    if path is not None and not is_there(path):
        raise NotFoundError(
            f"data.path: expected {_FORMS}. Received: {where!r}, which does not exist. Correct it, or leave it out to download."
        )
    if workflow.data.test_path is not None and not (path or "").endswith(".csv"):
        raise WorkflowError(
            "key 'data.test_path': expected nothing, only a CSV file has its test split in a file of its own. "
            f"Received: {workflow.data.test_path!r}",
            key="data.test_path",
        )
    rules = SplitRules.of(workflow, seeded=True)
    if path is None or (reviews := _keras_reviews(path)) is not None:
        keras = imdb_keras.KerasFiles.locate(None if path is None else reviews)
        return DocumentSource("imdb", where, lambda: imdb_keras.parts(keras), imdb_keras.digest, rules, SENTIMENTS)
    files, form = _files(path, workflow.data.test_path)
    return document_source("imdb", where, files, form, rules)


def _keras_reviews(path: str) -> Path | None:
    """Keras' file, where `path` is it or the folder that holds it.

    Raises:
        WorkflowError: it lies on a server.
    """
    inside = f"{path}/{imdb_keras.REVIEWS.name}"
    found = path if path.endswith(KERAS_ENDING) else inside if file_at(inside) else None
    if found is not None and "://" in found:
        raise WorkflowError(f"key 'data.path': expected {KERAS_STAYS_HERE}. Received: {path!r}", key="data.path")
    return None if found is None else Path(found)


def _files(path: str, test_path: str | None) -> tuple[dict[str, list[SourceFile]], Form]:
    alone = file_at(path)
    if alone is not None and path.endswith(".csv"):
        files = {"train": [alone]} | ({"test": [_test_file(test_path)]} if test_path else {})
        return {split: _called(split, of_split) for split, of_split in files.items()}, _CSV
    if alone is None:
        tables = {split: _called(split, _tables(path, split)) for split in ("train", "test")}
        if tables["train"]:
            return {split: of_split for split, of_split in tables.items() if of_split}, _PARQUET
        for folder in (path, f"{path}/aclImdb"):
            reviews = {split: [_reviews(folder, f"{split}/{label}/") for label in _FOLDERS] for split in ("train", "test")}
            if all(reviews["train"]):
                return {split: list(chain(*of_labels)) for split, of_labels in reviews.items() if any(of_labels)}, _FOLDER
    raise DataError(f"data.path: expected {_FORMS}. Received: {path!r}, which is none of them.")


def _tables(folder: str, split: str) -> list[SourceFile]:
    return [file for file in listed(folder, split) if file.key.endswith(".parquet") and "/" not in file.key]


def _reviews(folder: str, prefix: str) -> list[SourceFile]:
    found = [file for file in listed(folder, prefix) if file.key.endswith(".txt") and file.key.count("/") == prefix.count("/")]
    return renamed(found, lambda file: without_endings(file.key))


def _called(split: str, files: list[SourceFile]) -> list[SourceFile]:
    """Files called after their split, so that rows keep their names wherever the files lie."""
    numbers = {file.key: number for number, file in enumerate(files)}
    return renamed(files, lambda file: split if len(files) == 1 else f"{split}/{numbers[file.key]}")


def _test_file(test_path: str) -> SourceFile:
    found = file_at(test_path)
    if found is None:
        raise NotFoundError(
            f"data.test_path: expected a CSV file like data.path. Received: {test_path!r}, which does not exist. Correct it."
        )
    return found
