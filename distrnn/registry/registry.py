"""The registry as the rest of the program and the user's own code see it.

It is a protocol over plain storage, not a server: everything that must not be lost or mixed up is one conditional write (see
`publish` and `aliases`), and everything that is read is checked against a digest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from distrnn.refs import ModelRef, check_alias, check_name
from distrnn.registry import cards, catalog, moves, tags
from distrnn.registry.alias_book import AliasBook
from distrnn.registry.aliases import AliasRecord, Move, read_aliases
from distrnn.registry.cache import Cache
from distrnn.registry.cards import Card
from distrnn.registry.catalog import Summary
from distrnn.registry.manifest import ModelVersion
from distrnn.registry.promote import Measure, promote
from distrnn.registry.promotion import Decision
from distrnn.registry.publish import publish
from distrnn.registry.pull import pull
from distrnn.registry.rehearsal import rehearse
from distrnn.registry.resolve import Memory, live, number_of, resolve, resolve_offline
from distrnn.registry.rules import Rule, RuleLike
from distrnn.registry.verify import require_whole
from distrnn.registry.versions import VersionLog, model_names
from distrnn.storage import Lock, Store, default_home, default_registry, open_store

_RECENT = 20


class Registry:
    """A registry of models in a folder or under an S3 prefix.

    Args:
        url: `s3://bucket/prefix`, `file:///folder` or a path; default: DISTRNN_REGISTRY, else `registry` under DISTRNN_HOME.
        store: the storage itself, instead of a URL.
        lock: decides races of writers where the server cannot; every writer must name the same one.
    """

    def __init__(self, url: str | PathLike[str] | None = None, *, store: Store | None = None, lock: Lock | None = None) -> None:
        self.store = store or open_store(str(url) if url is not None else default_registry(), lock=lock)
        self._cache = Cache(default_home())

    def __repr__(self) -> str:
        return f"Registry({self.url!r})"

    @property
    def url(self) -> str:
        """Where it is."""
        return self.store.url

    def publish(
        self,
        name: str,
        folder: str | PathLike[str],
        *,
        metadata: Mapping[str, Any],
        before_commit: Callable[[], object] | None = None,
    ) -> ModelVersion:
        """Make the files of a folder the next version of a model; nothing is visible before all of it is.

        The same files, dataset and workflow published again are the version that exists (the model card apart, which describes them).

        Args:
            name: the model.
            folder: files at the top belong to every form, the folders `numpy`, `keras`, `saved-model` are forms.
            metadata: plain JSON: task, labels, metrics, lineage, …
            before_commit: called as the last thing before the version becomes visible; where it raises, nothing is published.
        Raises:
            UsageError: the name or the metadata is not valid.
            DataError: the folder is empty or holds links.
            ConflictError: the server cannot decide races, or the folder changed meanwhile.
            StorageError: the storage failed; `fields["version"]` names a version that was published before it did.
        """
        check_name(name)
        self.check_races()
        return publish(self.store, name, Path(folder), dict(metadata), before_commit=before_commit)

    def check_races(self) -> None:
        """Make sure that the storage decides races of writers; a server is asked once and its verdict remembered.

        Raises:
            ConflictError: it does not, and no lock was given.
        """
        if not self.store.is_local:
            from distrnn.storage.capability import require_races

            require_races(self.store, default_home())

    def check_publish(self, name: str) -> None:
        """Prove before hours of training that `publish` under this name can work; nothing is left behind but a folder's own root.

        Raises:
            UsageError: the name is not valid.
            AccessError: credentials are missing or wrong, or do not allow to write there.
            NotFoundError: the bucket does not exist.
            StorageError: the server does not answer, the disk is full, or the folder cannot be used.
            ConflictError: the server cannot decide races.
        """
        rehearse(self.store, check_name(name), default_home())

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
        for version in VersionLog(self.store, check_name(name)).newest_first(_RECENT):
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
        return resolve(self.store, self._cache, parsed)

    def pull(
        self,
        ref: str | ModelRef | ModelVersion,
        dest: str | PathLike[str] | None = None,
        *,
        form: str = "numpy",
        offline: bool = False,
        require_signature: str | PathLike[str] | None = None,
    ) -> Path:
        """Bring a version's files to this machine, every byte checked.

        Args:
            ref: a reference, or what `resolve` returned.
            dest: a folder to fill; default: a folder in the cache, which is not to be written to.
            form: `numpy`, `keras`, `saved-model` or `all`.
            offline: use what is on this machine alone.
            require_signature: a file with Ed25519 public keys; the version must be signed by one of them.
        Raises:
            NotFoundError: there is no such version or form.
            IntegrityError: a file is damaged; names it. Or the signature that is required is missing or wrong.
            UsageError: `dest` holds other files under the same names.
        """
        parsed = ModelRef.parse(ref) if isinstance(ref, str) else ref
        version = parsed if isinstance(parsed, ModelVersion) else self.resolve(parsed, offline=offline)
        source = None if offline else self.store
        if require_signature is not None:
            from distrnn.registry import signing

            signing.require(source, self._cache.root, version, Path(require_signature))

        def still_there() -> None:
            live(VersionLog(self.store, version.name), version.number, str(version))

        folder = pull(source, self._cache, version, None if dest is None else Path(dest).absolute(), form, still_there=still_there)
        if not offline:
            reference = ModelRef(version.name, "number", str(version.number)) if isinstance(parsed, ModelVersion) else parsed
            Memory(self._cache, self.url).keep(reference, version)
        return folder

    def names(self) -> list[str]:
        """The models that have a version, sorted."""
        return [name for name in model_names(self.store) if VersionLog(self.store, name).head()]

    def summaries(self, pattern: str = "*") -> Iterator[Summary]:
        """Each model's newest version and aliases, by name, for models whose name matches a shell pattern."""
        return catalog.summaries(self.store, pattern)

    def summary(self, name: str) -> Summary:
        """One model's newest version and aliases.

        Raises:
            NotFoundError: there is no such model.
        """
        found = catalog.summary(self.store, check_name(name))
        if not found.head:
            resolve(self.store, self._cache, ModelRef(name, "latest"))
        return found

    def versions(self, name: str) -> list[ModelVersion]:
        """The live versions of a model, newest first.

        Raises:
            NotFoundError: there is no such model.
        """
        return list(self.iter_versions(name))

    def iter_versions(self, name: str) -> Iterator[ModelVersion]:
        """The live versions of a model, newest first, as they are read.

        Raises:
            NotFoundError: there is no such model.
        """
        version = None
        for version in VersionLog(self.store, check_name(name)).newest_first():
            yield version
        if version is None:
            resolve(self.store, self._cache, ModelRef(name, "latest"))

    def aliases(self, name: str) -> dict[str, AliasRecord]:
        """The aliases of a model that hold a version."""
        return AliasBook(self.store, check_name(name)).all()

    def alias(self, name: str, alias: str) -> AliasRecord:
        """One alias with its history; its `number` is None where it holds nothing."""
        return AliasBook(self.store, check_name(name)).read(alias)

    def history(self, name: str, alias: str | None = None) -> list[tuple[str, Move]]:
        """Every move of a model's aliases (or of one of them) with the alias' name, oldest first."""
        records = [self.alias(name, alias)] if alias is not None else read_aliases(self.store, check_name(name))
        moved = [(record.alias, move) for record in records for move in record.history]
        if not moved:
            resolve(self.store, self._cache, ModelRef(name, "latest"))
        return sorted(moved, key=lambda pair: pair[1].at)

    def set_alias(
        self,
        name: str,
        alias: str,
        version: int | str | ModelVersion,
        *,
        reason: str | None = None,
        force: bool = False,
        run_id: str | None = None,
    ) -> AliasRecord:
        """Let an alias name a version.

        Args:
            name: the model.
            alias: what to move.
            version: its number (3, "3", "v3"), a reference to it ("imdb@best"), or itself.
            reason: why; it is recorded.
            force: move a guarded alias all the same; needs a reason.
            run_id: the run that does it.
        Raises:
            UsageError: `version` is none of these, or another model's; or there is no reason.
            NotFoundError: there is no such version.
            GateRefusedError: the alias has rules, so only `promote` and `rollback` move it.
            ConflictError: the version is being deleted.
        """
        check_name(name)
        check_alias(alias)
        return moves.set_alias(
            self.store, name, alias, number_of(self.store, self._cache, name, version), reason=reason, force=force, run_id=run_id
        )

    def delete_alias(
        self, name: str, alias: str, *, reason: str | None = None, force: bool = False, run_id: str | None = None
    ) -> AliasRecord:
        """Let an alias name nothing; its history stays.

        Raises:
            NotFoundError: it names nothing already.
            GateRefusedError: it has rules.
        """
        return moves.delete_alias(self.store, check_name(name), check_alias(alias), reason=reason, force=force, run_id=run_id)

    def guard(self, name: str, alias: str, rules: Sequence[RuleLike], *, reason: str | None = None, force: bool = False) -> AliasRecord:
        """Give an alias the rules of its gate; from then on only `promote` and `rollback` move it.

        Args:
            name: the model.
            alias: may hold nothing yet.
            rules: none takes the guard away.
            reason: why; it is recorded.
            force: change or take away rules that are there; needs a reason.
        Raises:
            NotFoundError: there is no such model.
            GateRefusedError: it has other rules.
        """
        kept = [Rule.of(rule) for rule in rules]
        return moves.guard(self.store, check_name(name), check_alias(alias), kept, reason=reason, force=force)

    def promote(
        self,
        version: ModelVersion,
        alias: str,
        rules: Sequence[RuleLike] | None = None,
        *,
        evaluation_set: str | None = None,
        replace_evaluation_set: bool = False,
        measure: Measure | None = None,
        reason: str | None = None,
        force: bool = False,
        run_id: str | None = None,
        before_commit: Callable[[], object] | None = None,
    ) -> Decision:
        """Let a version take an alias if the rules allow it; the decision is recorded with the alias either way.

        The alias keeps the rules, and from then on no other road but `rollback` moves it. Candidate and holder are compared on the
        evaluation set that the alias has pinned; a new alias pins the candidate's. When somebody moves the alias meanwhile, the decision
        is made again.

        Args:
            version: the candidate.
            alias: what it wants to hold.
            rules: all must pass; None: the alias' own.
            evaluation_set: digest of the set that a new alias pins: the one in `metadata["lineage"]["evaluation_set"]`.
            replace_evaluation_set: pin `evaluation_set` instead of the one that is pinned; the holder is measured on it again.
            measure: figures of a version on an evaluation set, for each slice; asked where those it was published with do not answer.
            reason: why; it is recorded.
            force: promote whatever the rules say; needs a reason.
            run_id: the run that asks.
            before_commit: called as the last thing before the alias' record is written; where it raises, it stays as it was.
        Returns:
            The decision; a refusal is no exception.
        Raises:
            UsageError: there are no rules.
            GateRefusedError: figures on the evaluation set are missing and `measure` was not given.
        """
        moves.require_reason(force, reason)
        return promote(
            self.store,
            version,
            check_alias(alias),
            rules,
            evaluation_set,
            measure,
            reason,
            force,
            run_id,
            replace_evaluation_set=replace_evaluation_set,
            before_commit=before_commit,
        )

    def rollback(
        self,
        name: str,
        alias: str,
        *,
        check: Callable[[ModelVersion], object],
        reason: str | None = None,
        run_id: str | None = None,
    ) -> AliasRecord:
        """Let an alias name what it named before; once more goes one further back. The rules of a guarded alias do not apply.

        Args:
            name: the model.
            alias: what to move.
            check: called with the version after each of its files was found whole in the registry; raises where it does not load.
            reason: why; it is recorded.
            run_id: the run that does it.
        Raises:
            NotFoundError: it held nothing before, or that version was deleted.
            IntegrityError: that version is damaged; nothing was moved.
            ConflictError: the alias was moved meanwhile.
        """

        def whole(version: ModelVersion) -> None:
            require_whole(self.store, version)
            check(version)

        return moves.rollback(self.store, check_name(name), check_alias(alias), whole, reason=reason, run_id=run_id)

    def tags(self, version: ModelVersion) -> dict[str, str]:
        """A version's tags."""
        return tags.read(self.store, version.name, version.number)

    def set_tags(self, version: ModelVersion, add: Mapping[str, str], remove: Sequence[str] = ()) -> dict[str, str]:
        """Add or replace tags of a version, and take some away.

        Raises:
            UsageError: a key or a value is not valid.
        """
        with catalog.changing(self.store, version.name):
            return tags.change(self.store, version.name, version.number, add, remove)

    def card(self, version: ModelVersion) -> Card:
        """A version's model card, in its latest revision."""
        return cards.read(self.store, version)

    def edit_card(self, version: ModelVersion, text: str, *, revision: int) -> Card:
        """Write the next revision of a model card; the published one stays as revision 1.

        Args:
            version: whose card.
            text: Markdown, with a YAML front matter or without.
            revision: the one that was read and edited.
        Raises:
            UsageError: the front matter is not YAML.
            ConflictError: somebody else wrote a revision meanwhile.
        """
        return cards.edit(self.store, version, text, revision)
