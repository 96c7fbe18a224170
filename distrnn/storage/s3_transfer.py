"""Requests that carry bodies in bulk: presigned by s3fs, sent by aiohttp on the event loop of s3fs.

*Measured* against a local Ceph RGW: botocore's own way of reading a body brings 220 MB/s where curl brings 600, and 1,000 small
objects take 3 s where plain requests take 0.6 s. So botocore signs, which is what it alone can do, and the bytes travel without it. A
presigned URL is a secret: none appears in a message.
"""

import asyncio
import atexit
import os
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import s3fs
import yarl
from botocore import exceptions as boto  # type: ignore[import-untyped]
from fsspec.asyn import sync

from distrnn.storage.door import check_size
from distrnn.storage.s3_session import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

REQUESTS_AT_ONCE = 128
_EXPIRES_S = 3600
_CODE = re.compile(rb"<Code>\s*([A-Za-z0-9]{1,64})\s*</Code>")
_REFUSAL_BYTES = 64 << 10

_sessions: dict[tuple[int, int, str | None], aiohttp.ClientSession] = {}


async def presigned(fs: s3fs.S3FileSystem, method: str, **parameters: Any) -> yarl.URL:
    """The URL of one request, good for an hour.

    Args:
        fs: knows the credentials.
        method: botocore's name of the operation, for instance `get_object`.
        parameters: of the operation.
    """
    s3 = await fs.set_session()
    return yarl.URL(await s3.generate_presigned_url(method, Params=parameters, ExpiresIn=_EXPIRES_S), encoded=True)


async def http(fs: s3fs.S3FileSystem) -> aiohttp.ClientSession:
    """The connections of this process and event loop; proxies and authorities as the environment says."""
    loop = asyncio.get_running_loop()
    authorities = fs.session.get_config_variable("ca_bundle")
    key = os.getpid(), id(loop), authorities
    if key not in _sessions or _sessions[key].closed:
        trusted = ssl.create_default_context(cafile=authorities) if authorities else True
        _sessions[key] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=REQUESTS_AT_ONCE, ssl=trusted),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S),
            auto_decompress=False,
            trust_env=True,
        )
        atexit.register(_close, key, fs.loop)
    return _sessions[key]


async def refusal(answer: aiohttp.ClientResponse, operation: str) -> Exception:
    """What botocore would have raised for this answer, so that one place decides what answers mean."""
    found = _CODE.search(await answer.content.read(_REFUSAL_BYTES))
    code = found[1].decode() if found else str(answer.status)
    return boto.ClientError(  # type: ignore[no-any-return]
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": answer.status}}, operation
    )


async def fetch_all(fs: s3fs.S3FileSystem, bucket: str, keys: Sequence[str], limit_bytes: int | None) -> list[bytes | Exception | None]:
    """The bodies of some small objects, asked for at once: None where one is absent, what went wrong where it did."""

    async def fetch(key: str) -> bytes | None:
        url = await presigned(fs, "get_object", Bucket=bucket, Key=key)
        async with (await http(fs)).get(url, headers={"Accept-Encoding": "identity"}, allow_redirects=False) as answer:
            if answer.status != 200:
                error = await refusal(answer, "GetObject")
                if answer.status == 404 and _code(error) != "NoSuchBucket":
                    return None
                raise error
            check_size(answer.content_length or 0, limit_bytes, f"s3://{bucket}/{key}")
            return await answer.read()

    found = await asyncio.gather(*map(fetch, keys), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, Exception):
            raise one
    return found  # type: ignore[return-value]


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])


def _close(key: tuple[int, int, str | None], loop: Any) -> None:
    session = _sessions.pop(key, None)
    if session is not None and key[0] == os.getpid():
        with suppress(Exception):
            sync(loop, session.close, timeout=2)
