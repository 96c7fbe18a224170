"""What /metrics says: the registry as it was a few seconds ago, what looking at it cost, and what this service was asked for.

The registry is looked at in a thread and at most once in a while, whoever scrapes how often; a look that fails is counted and the older
figures stay, so that an alert can tell "nothing new" from "nobody could look". Figures change on the event loop only.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from distrnn.errors import DistrnnError
from distrnn.registry import ModelVersion, Registry
from distrnn.registry.layout import blob_prefix
from distrnn.registry.query import figure
from distrnn.registry.versions import VersionLog
from distrnn.retraining.book import Book
from distrnn.retraining.metrics import export
from distrnn.retraining.state import State
from distrnn.service.decisions import Decisions
from distrnn.service.errors import log
from distrnn.service.listing import CachedListing, Listing
from distrnn.telemetry import Telemetry

GAUGES = (
    "distrnn_registry_models",
    "distrnn_registry_model_versions",
    "distrnn_registry_latest_created_timestamp_seconds",
    "distrnn_registry_alias_info",
    "distrnn_registry_alias_updated_timestamp_seconds",
    "distrnn_registry_stored_bytes",
    "distrnn_eval_accuracy_ratio",
    "distrnn_eval_perplexity",
)
FIGURES = {"accuracy": "distrnn_eval_accuracy_ratio", "perplexity": "distrnn_eval_perplexity"}
REASONS = ("document", "file")
_KEPT = 4096
Values = dict[str, dict[tuple[tuple[str, str], ...], float]]


@dataclass(frozen=True)
class Look:
    """What was seen of a registry.

    Attributes:
        values: {gauge: {labels: value}}.
        decisions: {(model, decision): how many so far}.
        schedules: the state of each scheduled workflow.
        took_s: how long that took.
        at_s: when, Unix time.
        errors: parts of it that could not be seen, for instance because a document is damaged.
    """

    values: Values
    decisions: dict[tuple[str, str], int]
    schedules: tuple[State, ...]
    took_s: float
    at_s: float
    errors: int


class Metrics:
    """The metrics of a service.

    Args:
        registry: what is looked at.
        listing: shared with the pages.
        stored_age_s: how old the count of stored bytes may be.
    """

    def __init__(self, registry: Registry, listing: CachedListing, stored_age_s: float) -> None:
        self.telemetry = Telemetry()
        self._registry, self._listing, self._stored_age_s = registry, listing, stored_age_s
        self._stored: dict[str, float] = {}
        self._stored_at = 0.0
        self._figures: dict[str, dict[str, float]] = {}
        self._decisions = Decisions(registry.store)
        self._shown: Look | None = None
        self.telemetry.add("distrnn_registry_collection_errors_total", 0.0)
        for reason in REASONS:
            self.telemetry.add("distrnn_registry_verification_failures_total", 0.0, reason=reason)

    def served(self, operation: str, outcome: str, seconds: float) -> None:
        """A request was answered."""
        self.telemetry.add("distrnn_registry_operations_total", operation=operation, outcome=outcome)
        self.telemetry.observe("distrnn_registry_operation_duration_seconds", seconds, operation=operation)

    def damaged(self, reason: str) -> None:
        """Something was met that is not what it should be."""
        self.telemetry.add("distrnn_registry_verification_failures_total", reason=reason)

    def look(self, age_s: float) -> Look:
        """Look at the registry, unless somebody did so lately. Takes requests, so not on the event loop.

        Raises:
            DistrnnError: the storage cannot be read.
        """
        listing = self._listing.get(age_s)
        if self._shown is not None and self._shown.at_s == listing.at_s:
            return self._shown
        began = time.perf_counter()
        names = [summary.name for summary in listing.summaries]
        values, schedules, damaged = listed(listing), list[State](), list[DistrnnError]()
        parts: tuple[Callable[[], object], ...] = (
            lambda: self._add_figures(listing, values),
            lambda: self._add_stored(listing, values),
            lambda: self._decisions.look(names),
            lambda: schedules.extend(Book(self._registry.store).states(damaged.append)),
        )
        errors = sum(map(_failed, parts)) + len(damaged)
        for error in damaged:
            log(error)
        took_s = listing.took_s + time.perf_counter() - began
        return Look(values, self._decisions.totals(), tuple(schedules), took_s, listing.at_s, errors)

    def show(self, look: Look | None) -> tuple[bytes, str]:
        """The page for Prometheus and its content type.

        Args:
            look: what was seen; None where looking failed.
        """
        telemetry = self.telemetry
        if look is None:
            telemetry.add("distrnn_registry_collection_errors_total")
        elif look is not self._shown:
            for name in GAUGES:
                telemetry.clear(name)
            for name, values in look.values.items():
                for labels, value in values.items():
                    telemetry.set(name, value, **dict(labels))
            telemetry.set("distrnn_registry_collection_duration_seconds", look.took_s)
            telemetry.set("distrnn_registry_collection_timestamp_seconds", look.at_s)
            telemetry.add("distrnn_registry_collection_errors_total", look.errors)
            for (model, decision), count in look.decisions.items():
                telemetry.grow_to("distrnn_promotion_decisions_total", count, model=model, decision=decision)
            for state in look.schedules:
                export(telemetry, state)
            self._shown = look
        return telemetry.exposition()

    def _add_figures(self, listing: Listing, values: Values) -> None:
        for name, role, number, digest in roles(listing):
            for metric, value in self._measured(name, number, digest).items():
                values[metric][("model", name), ("role", role)] = value

    def _add_stored(self, listing: Listing, values: Values) -> None:
        for state, count in self._stored_bytes(listing).items():
            values["distrnn_registry_stored_bytes"][(("state", state),)] = count

    def _measured(self, name: str, number: int, digest: str) -> dict[str, float]:
        """The figures of a version that does not change, so they are read once."""
        if digest not in self._figures:
            if len(self._figures) >= _KEPT:
                self._figures.clear()
            found = VersionLog(self._registry.store, name).read(number)
            metrics = found.metadata.get("metrics") if isinstance(found, ModelVersion) else None
            values = {metric: figure(metrics, key) for key, metric in FIGURES.items()}
            self._figures[digest] = {metric: value for metric, value in values.items() if value is not None}
        return self._figures[digest]

    def _stored_bytes(self, listing: Listing) -> dict[str, float]:
        if not self._stored or time.monotonic() - self._stored_at > self._stored_age_s:
            self._stored = stored(self._registry, [found.name for found in listing.summaries])
            self._stored_at = time.monotonic()
        return self._stored


def listed(listing: Listing) -> Values:
    """What a listing says by itself, as {metric: {labels: value}}."""
    found: Values = {name: {} for name in GAUGES}
    found["distrnn_registry_models"][()] = float(len(listing.summaries))
    for summary in listing.summaries:
        model = ("model", summary.name)
        found["distrnn_registry_model_versions"][(model,)] = float(summary.head)
        if summary.latest is not None and (created := unix(summary.latest.created_at)) is not None:
            found["distrnn_registry_latest_created_timestamp_seconds"][(model,)] = created
        for alias, held in summary.aliases.items():
            labels = (model, ("alias", alias))
            found["distrnn_registry_alias_info"][(*labels, ("version", f"v{held.number}"))] = 1.0
            if (moved := unix(held.updated_at)) is not None:
                found["distrnn_registry_alias_updated_timestamp_seconds"][labels] = moved
    return found


def roles(listing: Listing) -> Iterable[tuple[str, str, int, str]]:
    """Model, role, number and digest of each version that has a role: `latest`, or the name of an alias."""
    for summary in listing.summaries:
        if summary.latest is not None:
            yield summary.name, "latest", summary.latest.number, summary.latest.digest
        for alias, held in summary.aliases.items():
            yield summary.name, alias, held.number, held.digest


def stored(registry: Registry, names: Iterable[str]) -> dict[str, float]:
    """Bytes of the blobs of these models: `referenced` by a live version, `unreferenced` by none."""
    total: dict[str, float] = {"referenced": 0.0, "unreferenced": 0.0}
    for name in names:
        blobs = {entry.key.rpartition("/")[2]: entry.size_bytes for entry in registry.store.list(blob_prefix(name))}
        used = {file.sha256 for version in VersionLog(registry.store, name).newest_first() for file in version.manifest.files}
        for digest, size_bytes in blobs.items():
            total["referenced" if digest in used else "unreferenced"] += size_bytes
    return total


def _failed(part: Callable[[], object]) -> bool:
    """Look at one part of a registry; whether that failed, which leaves the other parts as they are."""
    try:
        part()
    except DistrnnError as error:
        log(error)
        return True
    return False


def unix(text: Any) -> float | None:
    """A moment as the registry writes it, as Unix time."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
