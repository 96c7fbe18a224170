"""The imdb source: whichever of the four common forms of the reviews `data.path` is, or Keras' download."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from distrnn.data.columns import SENTIMENTS
from distrnn.data.sources import imdb_csv, imdb_folder, imdb_keras, imdb_parquet
from distrnn.data.sources.base import DocumentSource, Part
from distrnn.data.splits import SplitRules
from distrnn.errors import DataError, NotFoundError, WorkflowError
from distrnn.workflow import Workflow

_FORMS = "a folder of train.parquet and test.parquet, the aclImdb folder, Keras' imdb.npz, or a CSV file with columns review and sentiment"
_Parts = Callable[[], Mapping[str, Sequence[Part]]]


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
    parts, digest = _form(path, workflow.data.test_path)
    return DocumentSource("imdb", where, parts, digest, SplitRules.of(workflow, seeded=True), SENTIMENTS)


def _form(path: Path | None, test_path: str | None) -> tuple[_Parts, Callable[[], str]]:
    if path is None or path.name.endswith(".npz") or (path / imdb_keras.REVIEWS.name).exists():
        keras = imdb_keras.KerasFiles.locate(path / imdb_keras.REVIEWS.name if path and path.is_dir() else path)
        return partial(imdb_keras.parts, keras), imdb_keras.digest
    if path.suffix == ".csv" and path.is_file():
        csv_files = {"train": path} | ({"test": _test_file(test_path)} if test_path else {})
        return partial(imdb_csv.parts, csv_files), partial(imdb_csv.digest, csv_files)
    if (parquet := imdb_parquet.files_of(path)) and "train" in parquet:
        return partial(imdb_parquet.parts, parquet), partial(imdb_parquet.digest, parquet)
    folder = next((folder for folder in (path, path / "aclImdb") if imdb_folder.has_reviews(folder)), None)
    if folder is not None:
        files = imdb_folder.files_of(folder)
        return partial(imdb_folder.parts, folder, files), partial(imdb_folder.digest, folder, files)
    raise DataError(f"data.path: expected {_FORMS}. Received: {str(path)!r}, which is none of them.")


def _test_file(test_path: str) -> Path:
    if not Path(test_path).is_file():
        raise NotFoundError(
            f"data.test_path: expected a CSV file like data.path. Received: {test_path!r}, which does not exist. Correct it."
        )
    return Path(test_path)
