"""The registry's own objects under their own keys: what `distrnn pull --registry http://…` and every other reading verb reads."""

import re
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from distrnn.errors import NotFoundError, UsageError
from distrnn.registry.manifest import LIMIT_BYTES
from distrnn.registry.versions import model_names
from distrnn.service import keys, schemas
from distrnn.service.downloads import send_blob, send_document
from distrnn.service.state import state_of
from distrnn.storage import Store

PAGE = 1000
_SIZES_KEPT = 8192
_HIDDEN = re.compile(r"(^|/)\.")
router = APIRouter(tags=["objects"])
_sizes: OrderedDict[tuple[str, str], int] = OrderedDict()


@router.get(
    "/store/{key:path}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The object."},
        206: {"content": {"application/octet-stream": {}}, "description": "A range of it."},
        304: {"description": "The client has it already (If-None-Match)."},
        416: {"description": "No byte of it is in the range."},
    },
)
async def read_object(request: Request, key: Annotated[str, Path(max_length=600)]) -> Response:
    """One object: a blob, a manifest, an alias, … with ranges and ETag."""
    kind, store = keys.kind_of(key), state_of(request).registry.store
    if kind is None:
        raise NotFoundError("there is no such object, or it is not one that is handed out.", kind="key")
    if kind == keys.BLOB:
        return await send_blob(store, key, keys.digest_of(key), request, size_bytes=await run_in_threadpool(_size, store, key))
    body = await run_in_threadpool(store.read, key, limit_bytes=LIMIT_BYTES)
    return send_document(body, sha256(body).hexdigest(), request)


@router.get("/keys", responses={200: {"model": schemas.Keys}})
def list_keys(
    request: Request,
    prefix: Annotated[str, Query(max_length=600, description="For instance imdb-lstm/versions/")] = "",
    after: Annotated[str, Query(max_length=600, description="Only keys that sort after this one.")] = "",
    folders: Annotated[bool, Query(description="Names of the models instead, where no prefix is given.")] = False,
) -> JSONResponse:
    """Keys under a prefix, a thousand at a time; nothing that is not handed out is listed, announcements apart."""
    store = state_of(request).registry.store
    if folders and not prefix:
        return JSONResponse(schemas.Keys(folders=model_names(store)).model_dump())
    if not keys.may_list(prefix):
        raise UsageError("prefix must be a folder of a model, for instance imdb-lstm/versions/.")
    found = list(islice(_entries(store, prefix, after), PAGE + 1))
    entries = [
        schemas.Key(key=entry.key, size_bytes=entry.size_bytes, modified=entry.modified.isoformat(), stamp=entry.stamp)
        for entry in found[:PAGE]
    ]
    return JSONResponse(schemas.Keys(entries=entries, more=len(found) > PAGE).model_dump())


def _entries(store: Store, prefix: str, after: str) -> Iterator[Any]:
    return (entry for entry in store.list(prefix, after=after) if not _HIDDEN.search(entry.key))


def _size(store: Store, key: str) -> int | None:
    """The size of a blob, remembered because it never changes."""
    known = _sizes.get((store.url, key))
    if known is None and (known := store.size(key)) is not None:
        _sizes[store.url, key] = known
        if len(_sizes) > _SIZES_KEPT:
            _sizes.popitem(last=False)
    return known
