"""The registry as the rest of the program and the user's own code see it.

It is a protocol over plain storage, not a server: everything that must not be lost or mixed up is one conditional write (see
`publish` and `aliases`), and everything that is read is checked against a digest.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from distrnn.errors import UsageError
from distrnn.refs import ModelRef, check_alias, check_name
from distrnn.registry import moves
from distrnn.registry.aliases import AliasBook, AliasRecord
from distrnn.registry.cache import Cache
from distrnn.registry.manifest import ModelVersion
from distrnn.registry.moves import Measure
from distrnn.registry.promotion import Decision, RuleLike
from distrnn.registry.publish import publish
from distrnn.registry.pull import pull
from distrnn.registry.rehearsal import rehearse
from distrnn.registry.resolve import Memory, resolve, resolve_offline
from distrnn.registry.versions import VersionLog, model_names
from distrnn.storage import Store, default_home, default_registry, open_store

_RECENT = 20


class Registry:
    """A registry of models in a folder or under an S3 prefix.

    Args:
        url: `s3://bucket/prefix`, `file:///folder` or a path; default: DISTRNN_REGISTRY, else `registry` under DISTRNN_HOME.
        store: the storage itself, instead of a URL.
    """

    def __init__(self, url: str | PathLike[str] | None = None, *, store: Store | None = None) -> None:
        self._store = store or open_store(str(url) if url is not None else default_registry())
        self._cache = Cache(default_home())

    def __repr__(self) -> str:
        return f"Registry({self.url!r})"

    @property
    def url(self) -> str:
        """Where it is."""
        return self._store.url

    def publish(self, name: str, folder: str | PathLike[str], *, metadata: Mapping[str, Any]) -> ModelVersion:
        """Make the files of a folder the next version of a model; nothing is visible before all of it is.

        Args:
            name: the model.
            folder: files at the top belong to every form, the folders `numpy`, `keras`, `saved-model` are forms.
            metadata: plain JSON: task, labels, metrics, lineage, …
        Raises:
            UsageError: the name or the metadata is not valid.
            DataError: the folder is empty or holds links.
            ConflictError: the server cannot decide races, or the folder changed meanwhile.
            StorageError: the storage failed; `fields["version"]` names a version that was published before it did.
        """
        check_name(name)
        if not self._store.is_local:
            from distrnn.storage.capability import require_races

            require_races(self._store, default_home())
        return publish(self._store, name, Path(folder), dict(metadata))

    def check_publish(self, name: str) -> None:
        """Prove before hours of training that `publish` under this name can work; nothing is left behind but a folder's own root.

        Raises:
            UsageError: the name is not valid.
            AccessError: credentials are missing or wrong, or do not allow to write there.
            NotFoundError: the bucket does not exist.
            StorageError: the server does not answer, the disk is full, or the folder cannot be used.
            ConflictError: the server cannot decide races.
        """
        rehearse(self._store, check_name(name), default_home())

    def published_by(self, name: str, run_id: str) -> ModelVersion | None:
        """The newest live version that a run has published, so that a resumed run does not publish twice.

        Only the newest 20 versions are looked at: a run is resumed soon after it was interrupted, and the requests must not grow with
        the number of versions.

        Args:
            name: the model.
            run_id: what `metadata["lineage"]["run_id"]` of the version must be.
        Returns:
            None where there is no such model, or none of its versions is this run's.
        Raises:
            IntegrityError: a manifest among them is damaged.
        """
        for version in VersionLog(self._store, check_name(name)).newest_first(_RECENT):
            lineage = version.metadata.get("lineage")
            if isinstance(lineage, dict) and lineage.get("run_id") == run_id:
                return version
        return None

    def resolve(self, ref: str | ModelRef, *, offline: bool = False) -> ModelVersion:
        """The version that a reference means.

        Args:
            ref: `name`, `name@alias`, `name@v3`, `name@sha256:…`, `models:/name@alias` or `models:/name/3`.
            offline: answer from what was pulled to this machine.
        Raises:
            NotFoundError: there is no such version.
        """
        parsed = ref if isinstance(ref, ModelRef) else ModelRef.parse(ref)
        if offline:
            return resolve_offline(self._cache, Memory(self._cache, self.url), parsed)
        return resolve(self._store, self._cache, parsed)

    def pull(
        self, ref: str | ModelRef | ModelVersion, dest: str | PathLike[str] | None = None, *, form: str = "numpy", offline: bool = False
    ) -> Path:
        """Bring a version's files to this machine, every byte checked.

        Args:
            ref: a reference, or what `resolve` returned.
            dest: a folder to fill; default: a folder in the cache, which is not to be written to.
            form: `numpy`, `keras`, `saved-model` or `all`.
            offline: use what is on this machine alone.
        Raises:
            NotFoundError: there is no such version or form.
            IntegrityError: a file is damaged; names it.
            UsageError: `dest` holds other files under the same names.
        """
        parsed = ModelRef.parse(ref) if isinstance(ref, str) else ref
        version = parsed if isinstance(parsed, ModelVersion) else self.resolve(parsed, offline=offline)
        folder = pull(None if offline else self._store, self._cache, version, None if dest is None else Path(dest).absolute(), form)
        if not offline:
            reference = ModelRef(version.name, "number", str(version.number)) if isinstance(parsed, ModelVersion) else parsed
            Memory(self._cache, self.url).keep(reference, version)
        return folder

    def names(self) -> list[str]:
        """The models that have a version, sorted."""
        return [name for name in model_names(self._store) if VersionLog(self._store, name).head()]

    def versions(self, name: str) -> list[ModelVersion]:
        """The live versions of a model, newest first.

        Raises:
            NotFoundError: there is no such model.
        """
        log = VersionLog(self._store, check_name(name))
        found = list(log.newest_first())
        if not found:
            resolve(self._store, self._cache, ModelRef(name, "latest"))
        return found

    def aliases(self, name: str) -> dict[str, AliasRecord]:
        """The aliases of a model that hold a version."""
        return AliasBook(self._store, check_name(name)).all()

    def alias(self, name: str, alias: str) -> AliasRecord:
        """One alias with its history; its `number` is None where it holds nothing."""
        return AliasBook(self._store, check_name(name)).read(alias)

    def set_alias(
        self, name: str, alias: str, version: int | str | ModelVersion, *, force_reason: str | None = None, run_id: str | None = None
    ) -> AliasRecord:
        """Let an alias name a version.

        Args:
            name: the model.
            alias: what to move.
            version: its number (3, "3", "v3"), a reference to it ("imdb@best"), or itself.
            force_reason: moves a guarded alias all the same, and is recorded.
            run_id: the run that does it.
        Raises:
            UsageError: `version` is none of these, or another model's.
            NotFoundError: there is no such version.
            GateRefusedError: the alias has rules, so only `promote` moves it.
        """
        check_name(name)
        check_alias(alias)
        return moves.set_alias(self._store, name, alias, self._number(name, version), force_reason, run_id)

    def delete_alias(self, name: str, alias: str, *, force_reason: str | None = None, run_id: str | None = None) -> None:
        """Let an alias name nothing; its history stays.

        Raises:
            NotFoundError: it names nothing already.
            GateRefusedError: it has rules.
        """
        moves.delete_alias(self._store, check_name(name), check_alias(alias), force_reason, run_id)

    def promote(
        self,
        version: ModelVersion,
        alias: str,
        rules: Sequence[RuleLike],
        *,
        evaluation_set: str | None = None,
        measure: Measure | None = None,
        force_reason: str | None = None,
        run_id: str | None = None,
    ) -> Decision:
        """Let a version take an alias if the rules allow it; the decision is recorded with the alias either way.

        The alias keeps the rules, and from then on no other road moves it. Candidate and holder are compared on the evaluation set that the
        alias has pinned; a new alias pins the candidate's. When somebody moves the alias meanwhile, the decision is made again.

        Args:
            version: the candidate.
            alias: what it wants to hold.
            rules: all must pass; `better_than` names one alias in all of them.
            evaluation_set: digest of the set that a new alias pins: the one in `metadata["lineage"]["evaluation_set"]`.
            measure: figures of a version on an evaluation set; asked where the version was published with figures on another one.
            force_reason: promotes whatever the rules say, and is recorded.
            run_id: the run that asks.
        Returns:
            The decision; a refusal is no exception.
        Raises:
            GateRefusedError: figures on the evaluation set are missing and `measure` was not given.
        """
        return moves.promote(self._store, version, check_alias(alias), rules, evaluation_set, measure, force_reason, run_id)

    def _number(self, name: str, version: object) -> int:
        """The number of a version of `name`, whichever way it was given."""
        if isinstance(version, int) and not isinstance(version, bool):
            return version
        if isinstance(version, str):
            digits = version.removeprefix("v")
            ref = ModelRef.parse(f"{name}@v{digits}" if digits.isdecimal() else version)
            if ref.name == name:
                return self.resolve(ref).number
        elif isinstance(version, ModelVersion) and version.name == name:
            return version.number
        received = str(version) if isinstance(version, ModelVersion) else repr(version)
        raise UsageError(
            f"a version of {name!r} must be its number (3 or 'v3'), a reference such as '{name}@v3', or what `resolve` returned. "
            f"Received: {received}"
        )
