"""The one door to storage: a local folder or any S3 endpoint, behind the same few operations; and, for readers, a registry service.

Everything the project keeps (datasets, runs, models) goes through `Store`, whose two hard operations are `create_if_absent` and
`compare_and_swap`: of several writers exactly one wins, on a folder and on a server alike. s3fs is imported when an s3:// URL
is first used and nowhere else, so that a folder registry costs nothing.
"""

from typing import TYPE_CHECKING, cast

from distrnn.storage.door import Entry, Lock, Store, Upload
from distrnn.storage.locations import default_home, default_registry, default_storage, parse_url

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Entry", "Lock", "Store", "Upload", "default_home", "default_registry", "default_storage", "filesystem", "open_store"]


def open_store(url: str, lock: Lock | None = None) -> Store:
    """Open the storage that `url` names; nothing is read, created or connected to yet.

    Args:
        url: `s3://bucket/prefix`, `file:///folder` or a path. Credentials, region and endpoint come from the AWS variables and
            profiles alone. Or `http://host:port` of a registry service, which can be read only.
        lock: decides races of writers where the server cannot; every writer must use the same one.
    Raises:
        UsageError: `url` is none of these.
    """
    if lock is not None:
        from distrnn.storage.locked import LockedStore

        return LockedStore(open_store(url), lock)
    if url.startswith(("http://", "https://")):
        from distrnn.storage.http import HttpStore

        return HttpStore(url)
    place = parse_url(url)
    if place.bucket is None:
        from distrnn.storage.local import LocalStore

        return LocalStore(place.path)
    from distrnn.storage.deferred import DeferredS3

    return cast(Store, DeferredS3(place.bucket, place.path))


def filesystem(url: str) -> "tuple[AbstractFileSystem, str]":
    """What a library that wants fsspec needs: the file system, and the path of `url` on it.

    Raises:
        UsageError: `url` names no storage.
        AccessError: the profile does not exist, or its credentials cannot be had.
    """
    place = parse_url(url)
    if place.bucket is None:
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem(), place.path
    from distrnn.storage.s3_errors import classify
    from distrnn.storage.s3_session import connect, endpoint

    try:
        return connect(), f"{place.bucket}/{place.path}".rstrip("/")
    except Exception as error:
        raise classify(error, url, endpoint()) from error
