"""What takes part in a comparison: a published version, the run that made it, or both, and where a person's word for one leads.

A version has figures, a workflow and the model itself; the learning curves and times of its training are in the record of its run, which
lies in the storage. So each leads to the other where both can be found, and what cannot be found is missing from the comparison, not an
obstacle to it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distrnn.errors import DistrnnError, IntegrityError, NotFoundError, UsageError
from distrnn.evaluation.comparison import mapping, workflow_differences
from distrnn.refs import ModelRef
from distrnn.registry import ModelVersion, Registry
from distrnn.runs import LAST, RunStore
from distrnn.storage import Store, default_storage, open_store
from distrnn.workflow import load_workflow

FINISHED = "finished"
WORKFLOW_ENDINGS = (".yaml", ".yml")
_RUN_ID = re.compile(r"[a-z0-9._-]+-\d{8}-\d{6}-[0-9a-f]{4}")


@dataclass(frozen=True)
class Contender:
    """One of the models that are compared.

    Attributes:
        reference: what it was called by.
        store: the storage root where its run and its evaluation set are looked for.
        version: the published version; None for a run that registered none, or whose version is not to be found.
        registry: has the version.
        run: the record of its run; None where that is not to be found.
        missing: why the version or the run is None, a sentence each.
        note: what whoever asked should know about what the reference led to.
    """

    reference: str
    store: Store
    version: ModelVersion | None
    registry: Registry | None
    run: Mapping[str, Any] | None
    missing: tuple[str, ...] = ()
    note: str | None = None
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", str(self.version) if self.version else str(mapping(self.run).get("run_id")))

    @property
    def task(self) -> Any:
        """`classifier` or `language-model`, as far as it is known."""
        return self.version.metadata.get("task") if self.version else mapping(self.workflow.get("model")).get("task")

    @property
    def workflow(self) -> Mapping[str, Any]:
        """The resolved workflow."""
        if self.version:
            return mapping(mapping(self.version.metadata.get("lineage")).get("workflow"))
        return mapping(mapping(self.run).get("resolved_workflow"))

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The figures of its own test split, from when it was made."""
        return mapping(self.version.metadata.get("metrics") if self.version else mapping(self.run).get("metrics"))

    @property
    def placement(self) -> Mapping[str, Any]:
        """What it was trained on: `device`, `replicas`."""
        return mapping(mapping(self.version.metadata.get("lineage")).get("placement")) if self.version else {}

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """Its learning curves: a mapping an epoch."""
        rows = mapping(self.run).get("history")
        return [mapping(row) for row in rows] if isinstance(rows, list) else []

    @property
    def evaluation_set(self) -> str | None:
        """The digest of the set that it was evaluated on, as far as it is known."""
        found = mapping(self.version.metadata.get("lineage")).get("evaluation_set") if self.version else None
        return found if isinstance(found, str) else None


class Finder:
    """From what a person calls a model to the contender.

    Args:
        registry: URL; None: the one that a run has recorded, else the default.
        storage: URL of the storage root; None: the one of a workflow, else the default.
    """

    def __init__(self, registry: str | None, storage: str | None) -> None:
        self._registry, self._storage = registry, storage

    def find(self, reference: str) -> Contender:
        """Find a contender.

        Args:
            reference: a version (`name`, `name@alias`, `name@v3`, …), the id of a run or `last`, or a workflow file, which means its newest
                finished run.
        Raises:
            NotFoundError: there is no such thing.
            UsageError: it is neither a reference nor the id of a run; the run has not finished.
            WorkflowError: the workflow file is wrong.
        """
        if reference.endswith(WORKFLOW_ENDINGS):
            return self._of_workflow(reference)
        runs = RunStore(self._store(None))
        if reference == LAST or _RUN_ID.fullmatch(reference):
            return self._of_run(reference, runs, runs.load(runs.resolve(reference)))
        return self._of_version(reference, runs)

    def _store(self, root: str | None) -> Store:
        return open_store(root or self._storage or default_storage())

    def _of_version(self, reference: str, runs: RunStore) -> Contender:
        registry = Registry(self._registry)
        try:
            version = registry.resolve(ModelRef.parse(reference))
        except NotFoundError as error:
            # a run may be called by a name of its own (--run-id), which looks like that of a model
            if (record := _record(runs, reference)) is None:
                raise error from None
            return self._of_run(reference, runs, record)
        run_id = mapping(version.metadata.get("lineage")).get("run_id")
        run = _record(runs, run_id) if isinstance(run_id, str) else None
        if run is not None and mapping(run.get("version")).get("digest") == version.digest:
            return Contender(reference, runs.store, version, registry, run)
        why = f"the record of its run is not in {runs.store.url}; name the storage root that it was made in (--storage)"
        return Contender(reference, runs.store, version, registry, None, (why,))

    def _of_workflow(self, file: str) -> Contender:
        loaded = load_workflow(file)
        store = self._store(loaded.workflow.storage.root)
        runs, name = RunStore(store), loaded.workflow.name
        record = next((run for run in runs.list() if run.get("workflow") == name and run.get("status") == FINISHED), None)
        if record is None:
            raise NotFoundError(f"no finished run of {file} (workflow {name}) in {store.url}. Make one with: distrnn run {file}")
        return self._of_run(file, runs, record, _since(record, loaded.to_json()))

    def _of_run(self, reference: str, runs: RunStore, record: Mapping[str, Any], note: str | None = None) -> Contender:
        run_id, status = record["run_id"], record.get("status")
        if status != FINISHED:
            raise UsageError(
                f"compare takes runs that have finished. Received: {reference!r}, which is {status}. See: distrnn runs show {run_id}"
            )
        told = mapping(record.get("version"))
        if not told:
            return Contender(
                reference, runs.store, None, None, record, ("its run registered no version, so there is no model to ask",), note
            )
        registry = Registry(self._registry or mapping(record.get("options")).get("registry"))
        named = f"{told.get('name')}@v{told.get('number')}"
        try:
            version = registry.resolve(ModelRef.parse(named))
            if version.digest != told.get("digest"):
                raise IntegrityError(f"{named} in {registry.url} is another one than the run made; name its registry (--registry)")
        except DistrnnError as error:
            return Contender(reference, runs.store, None, None, record, (error.message,), note)
        return Contender(reference, runs.store, version, registry, record, (), note)


def one_task(contenders: Sequence[Contender]) -> str | None:
    """The task that all contenders have; None where it is not known.

    Raises:
        UsageError: they have different ones.
    """
    known = [contender for contender in contenders if contender.task]
    for other in known[1:]:
        if other.task != known[0].task:
            raise UsageError(
                f"compare takes models of one task. Received: {known[0].name}, a {_words(known[0].task)}, and {other.name}, a "
                f"{_words(other.task)}"
            )
    return str(known[0].task) if known else None


def _record(runs: RunStore, run_id: str) -> dict[str, Any] | None:
    try:
        return runs.load(run_id)
    except (NotFoundError, UsageError, IntegrityError):
        return None


def _since(record: Mapping[str, Any], workflow: Mapping[str, Any]) -> str | None:
    """In which keys a workflow file is not what was run."""
    keys = [row["key"] for row in workflow_differences([mapping(record.get("resolved_workflow")), workflow])]
    if not keys:
        return None
    shown = ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
    return f"that run had other values than the file has now: {shown}"


def _words(task: Any) -> str:
    return str(task).replace("-", " ")
