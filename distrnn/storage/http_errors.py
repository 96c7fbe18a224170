"""What a registry service says, in the words of the error tree.

Its refusals are documents `{error, message, code}`, and every answer of it carries a mark: an answer without one comes from
something else, which is worth saying, because a 404 of a wrong address is not a model that does not exist.
"""

import json

import aiohttp

from distrnn.errors import AccessError, DistrnnError, IntegrityError, NotFoundError, StorageError

MARK = "Distrnn-Registry"
_REFUSAL_BYTES = 64 << 10
_INTEGRITY = 5


async def require(answer: aiohttp.ClientResponse, status: int) -> None:
    """Let an answer with this status pass.

    Raises:
        DistrnnError: the service refused; `kind` in its fields says how: key, range, transient.
    """
    where = str(answer.url)
    if MARK not in answer.headers and answer.status < 500:
        raise no_service(where)
    if answer.status == status:
        return
    said, code = _said(await answer.content.read(_REFUSAL_BYTES))
    if answer.status == 404:
        raise NotFoundError(f"{where} does not exist.", kind="key")
    if answer.status == 416:
        raise StorageError(f"{where} is shorter than was asked for.", kind="range")
    if answer.status in (401, 403):
        raise AccessError(f"{where} is not handed out: {said}", kind="denied")
    if code == _INTEGRITY:
        raise IntegrityError(said)
    if answer.status == 429 or answer.status >= 500:
        raise StorageError(f"{where} was answered with {answer.status} ({said}), again and again. Run this again later.", kind="transient")
    raise StorageError(f"{where} was answered with {answer.status} ({said}). Expected {status}.")


def classify(error: BaseException, url: str) -> DistrnnError:
    """The DistrnnError that stands for what aiohttp raised."""
    if isinstance(error, DistrnnError):
        return error
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return StorageError(
            f"the proxy on the way to {url} answered {error.status}. Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
            **({"kind": "transient"} if error.status >= 500 else {}),
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return StorageError(
            f"{url} could not prove who it is, so it is not read. A certificate of an authority of one's own belongs into the file that "
            "SSL_CERT_FILE names."
        )
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return StorageError(f"the registry service does not answer, so {url} cannot be read. Check the URL and that `distrnn serve` runs.")
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    return StorageError(f"the registry service broke off its answer for {url} ({reason}). Run this again.", kind="transient")


def no_service(url: str) -> StorageError:
    """The error for an answer that no registry service gave."""
    return StorageError(f"{url} was not answered by a registry service. Expected the URL that `distrnn serve` printed.")


def _said(body: bytes) -> tuple[str, int | None]:
    """The message of a refusal and its code; what is no such document says nothing."""
    try:
        document = json.loads(body)
        return str(document["message"]), int(document["code"])
    except (ValueError, KeyError, TypeError):
        return "no reason was given", None
