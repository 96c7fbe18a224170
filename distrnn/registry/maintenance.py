"""Looking after a registry: what a user of models never needs, and whoever keeps them does."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from os import PathLike
from pathlib import Path

from distrnn.errors import ConflictError, DistrnnError, IntegrityError, UsageError
from distrnn.refs import ModelRef, check_name
from distrnn.registry import bundle, signing
from distrnn.registry.bundle import Bundled, Unbundled
from distrnn.registry.deletion import delete
from distrnn.registry.gc import GRACE, Collected, collect
from distrnn.registry.manifest import ModelVersion, Tombstone
from distrnn.registry.registry import Registry
from distrnn.registry.retention import Retention
from distrnn.registry.signing import Signature
from distrnn.registry.verify import Finding, verify
from distrnn.registry.versions import model_names
from distrnn.storage import default_home


class Maintenance:
    """What can be done to a registry beside publishing and using models.

    Args:
        registry: whose models.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._store = registry.store

    def delete(self, ref: str, *, reason: str) -> Tombstone:
        """Delete one version; its number is never used again, and `gc` frees its space.

        Args:
            ref: names one version: `name@v3`, an alias or a digest; a name alone is refused.
            reason: why; it stays with the tombstone.
        Raises:
            UsageError: the reference names no single version.
            NotFoundError: there is no such version.
            ConflictError: an alias points at it.
        """
        if ModelRef.parse(ref).kind == "latest" and "@" not in ref:
            raise UsageError(f"delete needs one version, for instance {ref}@v3; a whole model is never deleted. Received: {ref!r}")
        version = self.registry.resolve(ref)
        return delete(self._store, version.name, version.number, reason)

    def gc(
        self, name: str | None = None, *, retention: Retention | None = None, grace: timedelta = GRACE, apply: bool = False
    ) -> Iterator[Collected]:
        """Remove what nobody refers to, model by model.

        Args:
            name: one model; None: all.
            retention: which versions stay; default: all.
            grace: what is younger stays.
            apply: really remove it; otherwise only say what would go.
        Raises:
            NotFoundError: there is no such model.
            IntegrityError: a document is damaged; nothing of that model was removed. The other models are cleaned first.
            ConflictError: another gc is at work; likewise.
        """
        problems: list[DistrnnError] = []
        for model in [check_name(name)] if name is not None else model_names(self._store):
            try:
                collected = collect(self._store, model, retention=retention or Retention(), grace=grace, apply=apply)
            except (IntegrityError, ConflictError) as error:
                problems.append(error)
                continue
            yield collected
        if problems:
            raise problems[0]

    def verify(self, ref: str | None = None) -> Iterator[Finding]:
        """Read every byte of the registry, of one model (`name`) or of one version (`name@…`), and tell what is wrong.

        Raises:
            NotFoundError: there is no such model or version.
        """
        if ref is None:
            return verify(self._store, None, None)
        parsed = ModelRef.parse(ref)
        if parsed.kind == "latest" and "@" not in ref:
            return verify(self._store, parsed.name, None)
        number = int(parsed.selector) if parsed.kind == "number" else self.registry.resolve(parsed).number
        return verify(self._store, parsed.name, number)

    def bundle(self, refs: Sequence[str], path: str | PathLike[str]) -> Bundled:
        """Put versions into one file, to be carried to a registry without network.

        Raises:
            NotFoundError: there is no such version.
            IntegrityError: a file of a version is damaged; no bundle was written.
        """
        versions: dict[str, ModelVersion] = {}
        for ref in refs:
            version = self.registry.resolve(ref)
            versions[str(version)] = version
        return bundle.bundle(self._store, list(versions.values()), Path(path))

    def unbundle(self, path: str | PathLike[str]) -> Unbundled:
        """Publish the versions of a bundle under the numbers that they have.

        Raises:
            IntegrityError: the bundle is damaged; nothing was published.
            ConflictError: a number is taken by another version; nothing was published.
        """
        self.registry.check_races()
        return bundle.unbundle(self._store, Path(path), default_home())

    def sign(self, ref: str, private_key: str | PathLike[str]) -> Signature:
        """Sign a version's manifest, which names the sha256 of each of its files.

        Raises:
            NotFoundError: there is no such version, or no such key file.
            UsageError: the file holds no Ed25519 private key.
        """
        return signing.sign(self._store, self.registry.resolve(ref), Path(private_key))

    def signatures(self, version: ModelVersion) -> list[Signature]:
        """The signatures of a version that are in the registry; whether they are true, `pull` with a key decides."""
        return list(signing.signatures(self._store, version))
