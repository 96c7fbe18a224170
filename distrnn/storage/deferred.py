"""An S3 store that is not opened before something is asked of it: what lies in the cache needs neither s3fs nor the server."""

from typing import Any


class DeferredS3:
    """Knows its URL; everything else is the real store's, which is made at first use."""

    is_local = False

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket, self._prefix = bucket, prefix

    def __repr__(self) -> str:
        return f"DeferredS3({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return DeferredS3, (self.bucket, self._prefix)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from distrnn.storage.s3 import S3Store

        self.__dict__["_opened"] = opened = self.__dict__.get("_opened") or S3Store(self.bucket, self._prefix)
        return getattr(opened, name)

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self.bucket}/{self._prefix}".rstrip("/")
