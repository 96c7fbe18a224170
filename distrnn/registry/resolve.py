"""From a reference to the version it means, online or from what was pulled before."""

import json
from collections.abc import Iterator
from hashlib import sha256

from distrnn.errors import DistrnnError, IntegrityError, NotFoundError, UsageError
from distrnn.refs import ModelRef
from distrnn.registry.aliases import read_alias, read_aliases
from distrnn.registry.cache import Cache
from distrnn.registry.manifest import ModelVersion, Tombstone
from distrnn.registry.versions import VersionLog, model_names
from distrnn.storage import Store
from distrnn.storage.local import LocalStore

_SHOWN = 8


def resolve(store: Store, cache: Cache, ref: ModelRef) -> ModelVersion:
    """Ask the registry what `ref` means.

    Raises:
        NotFoundError: no such model, version or alias, or a version that was deleted.
        IntegrityError: a document of the registry is damaged.
    """
    if ref.kind == "digest":
        return _by_digest(store, cache, ref)
    log = VersionLog(store, ref.name)
    if ref.kind == "latest":
        found = log.latest()
        if found is None:
            raise _no_version(store, log, ref)
        return found
    if ref.kind == "number":
        return live(log, int(ref.selector), str(ref))
    record = read_alias(store, ref.name, ref.selector)[0]
    if record.number is None:
        raise _no_alias(store, log, ref)
    version = live(log, record.number, str(ref))
    if version.digest != record.digest:
        raise IntegrityError(
            f"{ref} holds v{record.number} with digest {str(record.digest)[:19]}…, but the manifest has {version.digest[:19]}…: one of "
            "the two was altered. Nothing was pulled. Publish the model again and move the alias."
        )
    return version


def number_of(store: Store, cache: Cache, name: str, version: object) -> int:
    """The number of a version of `name`, whichever way it was given.

    Raises:
        UsageError: it is neither a number, a reference, nor a version, or one of another model.
        NotFoundError: there is no such version.
    """
    if isinstance(version, int) and not isinstance(version, bool):
        return version
    if isinstance(version, str):
        digits = version.removeprefix("v")
        ref = ModelRef.parse(f"{name}@v{digits}" if digits.isdecimal() else version)
        if ref.name == name:
            return resolve(store, cache, ref).number
    elif isinstance(version, ModelVersion) and version.name == name:
        return version.number
    received = str(version) if isinstance(version, ModelVersion) else repr(version)
    raise UsageError(
        f"a version of {name!r} must be its number (3 or 'v3'), a reference such as '{name}@v3', or what `resolve` returned. "
        f"Received: {received}"
    )


def live(log: VersionLog, number: int, asked: str) -> ModelVersion:
    """Version `number`, which must exist and not be deleted.

    Raises:
        NotFoundError: it does not, or it is.
    """
    found = log.read(number)
    if isinstance(found, ModelVersion):
        return found
    if isinstance(found, Tombstone):
        why = f": {found.reason}" if found.reason else ""
        what = f"{asked} was deleted on {found.deleted_at[:10]}{why}" if found.state == "deleted" else f"{asked} never was in this registry"
        raise NotFoundError(f"{what}. Choose another version; `distrnn models show {log.name}` lists them.")
    head = log.head()
    if head == 0:
        raise _no_model(log.store, log.name)
    have = "it has v1 only" if head == 1 else f"its versions are v1 to v{head}"
    raise NotFoundError(f"model {log.name!r} has no version v{number}; {have}.")


def resolve_offline(cache: Cache, memory: "Memory", ref: ModelRef) -> ModelVersion:
    """What `ref` meant when it was last pulled.

    Raises:
        NotFoundError: it was not pulled on this machine.
    """
    if ref.kind == "digest":
        return _one(list(_cached(cache, ref)), ref, "in the cache")
    digest = memory.recall(ref)
    for found in _cached(cache, ModelRef(ref.name, "digest", digest)) if digest else ():
        return found
    raise NotFoundError(f"{ref} is not in the cache of this machine. Pull it once without --offline.")


class Memory:
    """What each reference of a registry meant when it was last pulled, for `offline`."""

    def __init__(self, cache: Cache, url: str) -> None:
        self._store = LocalStore(cache.root / "references" / sha256(url.encode()).hexdigest()[:32])

    def recall(self, ref: ModelRef) -> str | None:
        """The digest that `ref` meant."""
        digest = self._known(ref.name)[0].get(str(ref))
        return digest if isinstance(digest, str) else None

    def keep(self, ref: ModelRef, version: ModelVersion) -> None:
        """Remember what `ref` means now."""
        new = {str(ref): version.hex_digest, str(version): version.hex_digest}
        while True:
            known, tag = self._known(ref.name)
            body = json.dumps({**known, **new}, sort_keys=True, indent=1).encode()
            if known.items() >= new.items() or self._store.compare_and_swap(f"{ref.name}.json", body, tag) is not None:
                return

    def _known(self, name: str) -> tuple[dict[str, object], str | None]:
        found = self._store.find(f"{name}.json")
        try:
            known = json.loads(found[0]) if found else {}
        except ValueError:
            known = {}
        return known if isinstance(known, dict) else {}, found[1] if found else None


def _by_digest(store: Store, cache: Cache, ref: ModelRef) -> ModelVersion:
    if len(ref.selector) == 64:
        for found in _cached(cache, ref):
            return found
    log = VersionLog(store, ref.name)
    matching = []
    for version in log.newest_first():
        if version.hex_digest.startswith(ref.selector):
            matching.append(version)
            if len(ref.selector) == 64:
                break
    if not matching and log.head() == 0:
        raise _no_model(store, ref.name)
    return _one(matching, ref, f"in {store.url}")


def _one(matching: list[ModelVersion], ref: ModelRef, where: str) -> ModelVersion:
    if len(matching) > 1:
        raise NotFoundError(f"{ref} is not unique: {', '.join(map(str, matching))} begin with these digits. Give more of them.")
    if not matching:
        raise NotFoundError(f"no version of {ref.name!r} {where} has a digest that begins with {ref.selector[:16]}.")
    return matching[0]


def _cached(cache: Cache, ref: ModelRef) -> Iterator[ModelVersion]:
    for digest, body in cache.manifests(ref.selector):
        try:
            number = json.loads(body)["number"]
            found = VersionLog(LocalStore(cache.root), ref.name).parse(body, number)
        except (DistrnnError, ValueError, KeyError, TypeError):
            continue
        if isinstance(found, ModelVersion) and found.hex_digest == digest:
            yield found


def _no_model(store: Store, name: str) -> NotFoundError:
    from difflib import get_close_matches

    known = [other for other in model_names(store) if other != name]
    close = get_close_matches(name, known, n=3) or known[:_SHOWN]
    hint = f"It has: {', '.join(close)}{', …' if len(known) > len(close) else ''}." if known else "It is empty; publish a model first."
    return NotFoundError(f"registry {store.url} has no model {name!r}. {hint}")


def _no_version(store: Store, log: VersionLog, ref: ModelRef) -> NotFoundError:
    if log.head() == 0:
        return _no_model(store, ref.name)
    return NotFoundError(f"every version of {ref.name!r} was deleted, so there is no {ref}. Publish a new one.")


def _no_alias(store: Store, log: VersionLog, ref: ModelRef) -> NotFoundError:
    if log.head() == 0:
        return _no_model(store, ref.name)
    known = [record.alias for record in read_aliases(store, ref.name) if record.number is not None]
    have = (
        f"It has: {', '.join(known)}."
        if known
        else f"It has none; set one with `distrnn models alias set {ref.name} {ref.selector} VERSION`."
    )
    return NotFoundError(f"model {ref.name!r} has no alias {ref.selector!r}. {have}")
