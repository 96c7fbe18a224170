"""One s3fs file system: how it is configured, and how long it is patient.

Listings are never cached (they miss new keys, *measured*), checksums are ours (sha256 of every blob), and a server that does not
answer is given up after seconds. In the stores s3fs' own retries are off: they multiply botocore's, and they hide which answer was lost.
"""

import logging
import os
from typing import Any

import s3fs

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
ATTEMPTS = 3
PATIENCE_S = 30
CONCURRENCY = 8


_shared: dict[tuple[int, frozenset[tuple[str, str]]], s3fs.S3FileSystem] = {}


def shared() -> s3fs.S3FileSystem:
    """The file system of this process for the AWS variables as they are; an instance does not survive a fork."""
    key = os.getpid(), frozenset((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
    if key not in _shared:
        made = connect()
        made.retries = 1
        _shared[key] = made
    return _shared[key]


def connect() -> s3fs.S3FileSystem:
    """A file system of its own, with credentials, region and endpoint from the AWS variables and profiles."""
    for name in ("aiobotocore", "botocore", "s3fs", "aiohttp"):
        logging.getLogger(name).setLevel(max(logging.ERROR, logging.getLogger(name).level))
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
        "max_pool_connections": 2 * CONCURRENCY,
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    return s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True, max_concurrency=CONCURRENCY, config_kwargs=options)
