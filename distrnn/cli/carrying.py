"""`distrnn models bundle`, `unbundle` and `sign`: versions on their way to a place that has to trust a file alone."""

from typing import Annotated

import typer

from distrnn.amounts import size
from distrnn.cli.options import Debug, Json, LockUrl, Reference, RegistryUrl
from distrnn.cli.output import Output, Table, short_digest
from distrnn.cli.registries import open_registry
from distrnn.cli.versions import named, signature_document
from distrnn.cli.waiting import waiting

BundleFile = Annotated[str, typer.Argument(metavar="FILE", help="What `distrnn models bundle` wrote.", show_default=False)]


def bundle(
    references: Annotated[list[str], typer.Argument(metavar="REF...", help="The versions to put into it.", show_default=False)],
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="The file to write.", show_default=False)],
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Put versions, every byte checked, into one file that carries them to a registry without network."""
    from distrnn.registry.maintenance import Maintenance

    store = open_registry(registry)
    with waiting(f"reading {store.url}"):
        bundled = Maintenance(store).bundle(references, to)
    rows = [[str(version), short_digest(version.digest)] for version in bundled.versions]
    written = f"Wrote {bundled.path} ({size(bundled.size_bytes)}, sha256 {bundled.sha256})."
    Output(json=json).result(bundled.to_json(), Table(["version", "digest"], rows), written)


def unbundle(
    file: BundleFile,
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Publish the versions of a bundle under the numbers they have; refused where a number is another version's (exit 6)."""
    from distrnn.registry.maintenance import Maintenance

    store = open_registry(registry, lock)
    with waiting(f"checking {file}"):
        arrived = Maintenance(store).unbundle(file)
    rows = [[str(one.version), short_digest(one.version.digest), "added" if one.added else "was there"] for one in arrived.versions]
    out = Output(json=json)
    out.result(arrived.to_json(), Table(["version", "digest", "now"], rows))
    if arrived.absent:
        plural = "s are" if arrived.absent > 1 else " is"
        out.note(f"{arrived.absent:,} lower number{plural} kept for what the other registry has there.")


def sign(
    reference: Reference,
    key: Annotated[str, typer.Option("--key", metavar="FILE", help="An Ed25519 private key in PEM.", show_default=False)],
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Sign a version: its manifest, which names the sha256 of each of its files. Others check it with pull --require-signature."""
    from distrnn.registry.maintenance import Maintenance

    out, store = Output(json=json), open_registry(registry, lock)
    version = store.resolve(reference)
    out.resolved(reference, version.name, version.number, version.digest)
    signature = Maintenance(store).sign(str(version), key)
    out.result({**named(version), **signature_document(signature)}, f"Signed {version} with key {signature.key_id}.")
