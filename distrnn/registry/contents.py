"""Which version has which content, so that the same model published again is the version that exists.

Content is what a model is and where it came from: its files (the model card apart, which describes them), the dataset and the workflow.
Times, run ids and figures are not part of it. The note from content to version is a hint that is written after the commit; what it
says is compared with the manifest it names.
"""

import uuid
from contextlib import suppress
from hashlib import sha256

from distrnn.errors import DistrnnError, IntegrityError
from distrnn.registry.layout import content_key
from distrnn.registry.manifest import CARD, LIMIT_BYTES, SCHEMA_VERSION, Manifest, ModelVersion, parse_document, to_json_bytes
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store

_NEWEST = 8


def identity(manifest: Manifest) -> str:
    """What two manifests of the same content have in common: 64 hexadecimal digits."""
    lineage = manifest.metadata.get("lineage")
    origin = lineage if isinstance(lineage, dict) else {}
    content = {
        "files": sorted([file.path, file.sha256] for file in manifest.files if file.path != CARD),
        "dataset": origin.get("dataset"),
        "workflow": origin.get("workflow"),
    }
    return sha256(to_json_bytes(content, "metadata")).hexdigest()


def find(log: VersionLog, head: int, wanted: str) -> ModelVersion | None:
    """The live version with this identity, if a note leads to one or it is among the newest, whose notes may not be written yet.

    Args:
        log: the model's versions.
        head: the highest number in use.
        wanted: the identity.
    """
    known = _noted(log, wanted)
    if known is None:
        with suppress(IntegrityError):  # a damaged manifest is for `verify` to tell; it stops nobody from publishing
            known = next((version for version in log.newest_first(_NEWEST, head) if identity(version.manifest) == wanted), None)
    return known


def _noted(log: VersionLog, wanted: str) -> ModelVersion | None:
    found = log.store.find(content_key(log.name, wanted), limit_bytes=LIMIT_BYTES)
    if found is None:
        return None
    try:
        number = parse_document(found[0], "a note of content").get("number")
        version = log.read(number) if type(number) is int else None
    except IntegrityError:
        return None
    return version if isinstance(version, ModelVersion) and identity(version.manifest) == wanted else None


def note(store: Store, version: ModelVersion) -> None:
    """Say which version has this content; a note that cannot be written only costs a second version of the same."""
    document = {"schema_version": SCHEMA_VERSION, "name": version.name, "number": version.number, "attempt": uuid.uuid4().hex}
    with suppress(DistrnnError):
        store.put(content_key(version.name, identity(version.manifest)), to_json_bytes(document, "a note of content"))
