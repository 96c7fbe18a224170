"""Downloading one object from S3: presigned requests for its ranges; `download` does the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import s3fs

from distrnn.storage.download import BUFFER_BYTES, whole_answer
from distrnn.storage.download import download as download_from
from distrnn.storage.s3_errors import classify
from distrnn.storage.s3_transfer import http, presigned, refusal


async def download(
    fs: s3fs.S3FileSystem,
    bucket: str,
    key: str,
    path: Path,
    update: Callable[[bytes], object] | None = None,
    limit_bytes: int | None = None,
    resume: bool = False,
) -> None:
    """Copy an object to `path`; see `download.download`. Runs on the loop of `fs`.

    Args:
        fs: signs the requests.
        bucket: where the object is.
        key: its whole key.
        path: the file to write.
        update: called in another thread with every byte in order.
        limit_bytes: of a longer object, bring one byte more than this.
        resume: ask only for what an earlier download with `resume` has not brought.
    Raises:
        DistrnnError: the object cannot be read, or was replaced meanwhile.
        OSError: `path` cannot be written.
        aiohttp.ClientError: the server cannot be reached.
    """
    await download_from(_Source(fs, bucket, key), path, update, limit_bytes, resume)


@dataclass(frozen=True)
class _Source:
    """An object, and how it is asked for."""

    fs: s3fs.S3FileSystem
    bucket: str
    key: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    async def ask(self, start: int, end: int) -> aiohttp.ClientResponse:
        """Ask for bytes [start, end); the body is still to be read, or the answer to be closed."""
        url = await presigned(self.fs, "get_object", Bucket=self.bucket, Key=self.key)
        session = await http(self.fs)
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        answer = await session.get(url, headers=headers, allow_redirects=False, read_bufsize=BUFFER_BYTES)
        try:
            if answer.status == 206:
                return answer
            if answer.status != 200:
                raise await refusal(answer, "GetObject")
            raise whole_answer(self.url)
        except BaseException:
            answer.close()
            raise

    def kind(self, error: Exception) -> str | None:
        """What an error means to whoever decides whether to ask again."""
        kind = classify(error, self.url, "").fields.get("kind")
        return kind if isinstance(kind, str) else None
