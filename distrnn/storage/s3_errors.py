"""What an S3 server says, in the words of the error tree.

s3fs turns one server answer into several exceptions, depending on the call, so the HTTP status and the code underneath decide.
`kind` in the error's fields tells the store what happened: key, bucket, conflict, range, unsupported, transient.
"""

import errno
import re
from collections.abc import Iterator

import aiohttp
from botocore import exceptions as boto  # type: ignore[import-untyped]

from distrnn.errors import AccessError, ConflictError, DistrnnError, NotFoundError, StorageError, UsageError
from distrnn.storage.local_errors import classify_os_error

_DENIED_CODES = {
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UserSuspended",
}
_FULL_CODES = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"}
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.TokenRetrievalError,
    boto.SSOError,
)
_UNREACHABLE = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ProxyConnectionError,
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
)
_INSECURE = (boto.SSLError, aiohttp.ClientSSLError)
# What stands after it may sign a request
_QUERY = re.compile(r"\?[^\s'\")]*")
_CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE) or the machine's role"


def classify(error: BaseException, url: str, endpoint: str, *, unsigned: str = "") -> DistrnnError:
    """The DistrnnError that stands for `error`.

    Args:
        error: what s3fs, botocore or aiohttp raised.
        url: `s3://bucket/key` that was asked for.
        endpoint: the server, as the user knows it.
        unsigned: why the request was not signed; empty where it was.
    """
    if isinstance(error, DistrnnError):
        return error
    for cause in _chain(error):
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
            found = _from_answer(status, str(response.get("Error", {}).get("Code") or ""), url, endpoint)
            return _without_credentials(url, unsigned) if unsigned and isinstance(found, AccessError) else found
        if isinstance(cause, _NO_CREDENTIALS):
            return _without_credentials(url, str(cause))
        if isinstance(
            cause, (boto.ParamValidationError, boto.NoRegionError, boto.InvalidRegionError, boto.InvalidEndpointConfigurationError)
        ):
            return UsageError(f"{url} cannot be used: {cause}. Check the URL, AWS_REGION and AWS_ENDPOINT_URL.")
        if isinstance(cause, aiohttp.ClientHttpProxyError):
            return StorageError(
                f"the proxy on the way to {endpoint} answered {cause.status}, so {url} cannot be reached. Check HTTP_PROXY, HTTPS_PROXY "
                "and NO_PROXY.",
                **({"kind": "transient"} if cause.status >= 500 else {}),
            )
        if isinstance(cause, _INSECURE):
            return StorageError(
                f"{endpoint} could not prove who it is, so {url} cannot be reached ({_QUERY.sub('', str(cause))}). Check AWS_ENDPOINT_URL; "
                "the file with the certificate of an authority of one's own belongs into AWS_CA_BUNDLE."
            )
        if isinstance(cause, _UNREACHABLE):
            return StorageError(
                f"{endpoint} does not answer, so {url} cannot be reached. Check the network and AWS_ENDPOINT_URL, then run this again."
            )
        if isinstance(cause, ValueError) and "endpoint" in str(cause).lower():
            return UsageError(f"AWS_ENDPOINT_URL must be http://host:port or https://host. Received: {endpoint}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename:
        return classify_os_error(error, error.filename)
    reason = _QUERY.sub("", f"{type(error).__name__}: {error}").rstrip(": ")
    return StorageError(f"{endpoint} broke off the answer for {url} ({reason}). Run this again.", kind="transient")


def _without_credentials(url: str, reason: str) -> AccessError:
    return AccessError(f"no usable credentials for {url} ({reason}). Expected them in {_CREDENTIALS}.", kind="denied")


def _from_answer(status: int, code: str, url: str, endpoint: str) -> DistrnnError:
    said = f"{status} {code}".strip() if code != str(status) else code
    bucket = url.removeprefix("s3://").partition("/")[0]
    if code == "NoSuchBucket":
        return NotFoundError(
            f"bucket {bucket!r} does not exist at {endpoint}. Create it, or check the URL and AWS_ENDPOINT_URL.", kind="bucket"
        )
    if status == 404:
        return NotFoundError(f"{url} does not exist.", kind="key")
    if status in (401, 403) or code in _DENIED_CODES:
        return AccessError(
            f"{endpoint} refuses access to {url} ({said}). Expected credentials with permission for this bucket in {_CREDENTIALS}.",
            kind="denied",
        )
    if status in (409, 412):
        return ConflictError(f"{url} was changed by somebody else ({said}). Run this again.", kind="conflict", status=status)
    if status == 416:
        return StorageError(f"{url} is shorter than was asked for ({said}).", kind="range")
    if status == 507 or code in _FULL_CODES:
        return StorageError(
            f"the disk is full: {endpoint} has no room for {url} ({said}). Free some space or raise the quota, and run this again."
        )
    if status in (301, 307, 400) and code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "TemporaryRedirect", "301", "400"):
        return StorageError(
            f"{endpoint} answered {said} for {url}. Expected the bucket's own region in AWS_REGION (or AWS_DEFAULT_REGION)."
        )
    if status == 501 or code == "NotImplemented":
        return StorageError(f"{endpoint} cannot do what was asked of {url} ({said}).", kind="unsupported")
    if status >= 500 or code == "SlowDown" or status == 429:
        return StorageError(f"{endpoint} answered {said} for {url}, again and again. Run this again later.", kind="transient")
    return StorageError(f"{endpoint} answered {said} for {url}. Check that it speaks S3.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
