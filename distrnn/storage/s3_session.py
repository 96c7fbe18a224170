"""One s3fs file system: how it is configured, and how long it is patient.

Listings are never cached (they miss new keys, *measured*), checksums are ours (sha256 of every blob), and a server that does not
answer is given up after seconds. In the stores s3fs' own retries are off: they multiply botocore's, and they hide which answer was lost.

Where nobody has credentials requests are not signed, so that a public bucket just works. A server of one's own is asked by path
(http://host/bucket/key): few of them have a name for each bucket, and botocore does so by itself only where the host is an address.
"""

import logging
import os
import threading
from functools import lru_cache
from typing import Any

import s3fs
from aiobotocore.session import AioSession  # type: ignore[import-untyped]
from botocore import exceptions as boto  # type: ignore[import-untyped]
from fsspec.asyn import get_loop, sync

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
ATTEMPTS = 3
PATIENCE_S = 30
CONCURRENCY = 8
_YES = {"1", "true", "yes", "on"}

Environment = frozenset[tuple[str, str]]
_shared: dict[tuple[int, Environment], s3fs.S3FileSystem] = {}
# A lock for each process, because a fork may copy one that is held
_making: dict[int, threading.Lock] = {}


def shared() -> s3fs.S3FileSystem:
    """The file system of this process for the AWS variables as they are; an instance does not survive a fork.

    Raises:
        BotoCoreError: the profile does not exist, or its credentials cannot be had.
    """
    key = os.getpid(), _environment()
    if key not in _shared:
        with _making.setdefault(os.getpid(), threading.Lock()):
            if key not in _shared:
                made = connect()
                made.retries = 1
                _shared[key] = made
    return _shared[key]


def unsigned() -> str:
    """Why this process asks without a signature; empty where it signs, or has not looked for credentials yet."""
    made = _shared.get((os.getpid(), _environment()))
    if made is None or not made.anon:
        return ""
    return "AWS_NO_SIGN_REQUEST is set" if _is_set("AWS_NO_SIGN_REQUEST") else "Unable to locate credentials"


def endpoint() -> str:
    """The server, as the AWS variables or the profile name it."""
    return _endpoint(_environment())


def connect() -> s3fs.S3FileSystem:
    """A file system of its own, with credentials, region and endpoint from the AWS variables and profiles.

    Raises:
        BotoCoreError: the profile does not exist, or its credentials cannot be had.
    """
    for name in ("aiobotocore", "botocore", "s3fs", "aiohttp"):
        logging.getLogger(name).setLevel(max(logging.ERROR, logging.getLogger(name).level))
    session = AioSession()
    profile = session.get_scoped_config()
    anonymous = _is_set("AWS_NO_SIGN_REQUEST") or sync(get_loop(), session.get_credentials) is None
    server = _configured_endpoint(session)
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
        "max_pool_connections": 2 * CONCURRENCY,
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    if not anonymous:
        # botocore presigns with version 2 where nobody says otherwise, which newer regions refuse
        options["signature_version"] = "s3v4"
    if server and not _section(profile, "s3").get("addressing_style"):
        options["s3"] = {"addressing_style": "path"}
    return s3fs.S3FileSystem(
        anon=anonymous,
        endpoint_url=server,
        # botocore itself does not look at AWS_REGION, which every other SDK prefers
        client_kwargs={"region_name": region} if (region := os.environ.get("AWS_REGION")) else {},
        use_listings_cache=False,
        skip_instance_cache=True,
        max_concurrency=CONCURRENCY,
        config_kwargs=options,
    )


def _environment() -> Environment:
    return frozenset((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() in _YES


@lru_cache(maxsize=16)
def _endpoint(_environment: Environment) -> str:
    try:
        return _configured_endpoint(AioSession()) or "the S3 endpoint"
    except boto.BotoCoreError:
        return "the S3 endpoint"


def _configured_endpoint(session: AioSession) -> str | None:
    """The server that is used instead of Amazon's, looked for where and in the order that every AWS SDK does.

    Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
    """
    profile = session.get_scoped_config()
    if _is_set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or str(profile.get("ignore_configured_endpoint_urls", "")).lower() in _YES:
        return None
    services = session.full_config.get("services", {}).get(profile.get("services"), {})
    return (
        os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or _section(services, "s3").get("endpoint_url")
        or profile.get("endpoint_url")
    )


def _section(config: dict[str, Any], name: str) -> dict[str, str]:
    """A nested section of a configuration file; empty where it is absent or no section."""
    found = config.get(name)
    return found if isinstance(found, dict) else {}
