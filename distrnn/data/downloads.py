"""Files that a source fetches when the workflow names none: kept under DISTRNN_HOME/downloads, used only when their digest is right."""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from distrnn.errors import DataError, IntegrityError
from distrnn.storage import default_home
from distrnn.storage.local_errors import os_errors

TIMEOUT_S = 30.0
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class PublishedFile:
    """A file on the web and the digest its publisher states.

    Attributes:
        url: where it is.
        digest: hexadecimal.
        algorithm: `sha256`, or `md5` where the publisher states nothing better.
    """

    url: str
    digest: str
    algorithm: str = "sha256"

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]

    def matches(self, path: Path) -> bool:
        """Whether the file at `path` has the published digest."""
        return file_digest(path, self.algorithm) == self.digest


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=algorithm != "md5")).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: expected a readable file. Received: {error.strerror or error}.") from None


def fetch(file: PublishedFile) -> Path:
    """The local copy of a published file, downloaded if it is not there yet.

    Raises:
        DataError: there is no way to the server; the message says what to do without a network.
        IntegrityError: what arrived is not what was published.
    """
    folder = default_home() / "downloads"
    path = folder / file.name
    if path.exists() and file.matches(path):
        return path
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            arrived = Path(scratch) / file.name
            _download(file, arrived, path)
            if not file.matches(arrived):
                raise IntegrityError(
                    f"{file.url}: expected {file.algorithm} {file.digest}. Received: {file_digest(arrived, file.algorithm)}. "
                    "Nothing was kept; the download may have been altered on its way."
                )
            arrived.replace(path)
    return path


def _download(file: PublishedFile, arrived: Path, path: Path) -> None:
    try:
        # The URLs are this package's own constants, never a user's.
        with urlopen(file.url, timeout=TIMEOUT_S) as answer, arrived.open("wb") as target:  # noqa: S310
            shutil.copyfileobj(answer, target, _PIECE_BYTES)
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{file.url} could not be downloaded ({reason}). On a machine without a network, fetch that file elsewhere and put it at "
            f"{path}, or name the text with data.path."
        ) from None
