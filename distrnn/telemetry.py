"""Every metric of the program, declared once as data, and the emitter that writes them for Prometheus.

Names follow DESIGN's rules: prefix `distrnn_`, base units as suffix, `_total` on counters and only there, timestamps and never
ages, and no label whose values grow without end (run ids, digests, paths, users). Values are kept here and handed over as
metric families at collection, because the library's own counters also export a `_created` series that breaks those rules.

A run is one short process, so its values go on from the text file that the run before it left (`read_textfile`).
"""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from distrnn.errors import UsageError


@dataclass(frozen=True)
class MetricSpec:
    """One metric; `unit` is the suffix of its name ('' for a pure number)."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    help: str


METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "distrnn_workflow_runs_total",
        "counter",
        "",
        ("workflow", "outcome"),
        "Runs by how they ended: promoted, refused, finished (there was no gate), failed; a schedule's ticks also skipped or abandoned.",
    ),
    MetricSpec(
        "distrnn_workflow_last_check_timestamp_seconds",
        "gauge",
        "timestamp_seconds",
        ("workflow",),
        "When a schedule last looked whether data, workflow or code have changed, Unix time.",
    ),
    MetricSpec(
        "distrnn_workflow_last_success_timestamp_seconds",
        "gauge",
        "timestamp_seconds",
        ("workflow",),
        "When a run last ended without an error, Unix time.",
    ),
    MetricSpec(
        "distrnn_workflow_last_failure_timestamp_seconds",
        "gauge",
        "timestamp_seconds",
        ("workflow",),
        "When a schedule last gave a tick up, its last attempt having failed, Unix time.",
    ),
    MetricSpec(
        "distrnn_workflow_stage_duration_seconds", "gauge", "seconds", ("workflow", "stage"), "How long a stage of the last run took."
    ),
    MetricSpec(
        "distrnn_train_tokens_per_second", "gauge", "tokens_per_second", ("workflow",), "Tokens trained on in a second, over all replicas."
    ),
    MetricSpec("distrnn_train_loss_nats", "gauge", "nats", ("workflow",), "Mean training loss of the epoch so far."),
    MetricSpec(
        "distrnn_train_accuracy_ratio", "gauge", "ratio", ("workflow",), "Share of labels of the epoch so far that were guessed rightly."
    ),
    MetricSpec(
        "distrnn_train_step_duration_seconds",
        "gauge",
        "seconds",
        ("workflow",),
        "Time of one of the last training steps, the wait for its batch included.",
    ),
    MetricSpec("distrnn_train_data_wait_seconds_total", "counter", "seconds", ("workflow",), "Time that training waited for batches."),
    MetricSpec(
        "distrnn_train_checkpoint_seconds_total", "counter", "seconds", ("workflow",), "Time that training spent on writing checkpoints."
    ),
    MetricSpec(
        "distrnn_eval_accuracy_ratio",
        "gauge",
        "ratio",
        ("model", "role"),
        "Share of held-out examples classified rightly, by candidate, holder, latest or the alias that holds.",
    ),
    MetricSpec(
        "distrnn_eval_perplexity",
        "gauge",
        "",
        ("model", "role"),
        "Perplexity of a token of held-out text, by candidate, holder, latest or the alias that holds.",
    ),
    MetricSpec(
        "distrnn_promotion_decisions_total", "counter", "", ("model", "decision"), "Decisions of the promotion gate: promoted or refused."
    ),
    MetricSpec("distrnn_registry_models", "gauge", "", (), "Models in the registry."),
    MetricSpec(
        "distrnn_registry_model_versions", "gauge", "", ("model",), "Versions of a model that were ever published, deleted ones included."
    ),
    MetricSpec(
        "distrnn_registry_latest_created_timestamp_seconds",
        "gauge",
        "timestamp_seconds",
        ("model",),
        "When the newest version of a model was published, Unix time.",
    ),
    MetricSpec(
        "distrnn_registry_alias_info", "gauge", "", ("model", "alias", "version"), "Always 1; the label says which version an alias holds."
    ),
    MetricSpec(
        "distrnn_registry_alias_updated_timestamp_seconds",
        "gauge",
        "timestamp_seconds",
        ("model", "alias"),
        "When an alias last moved, Unix time.",
    ),
    MetricSpec(
        "distrnn_registry_stored_bytes",
        "gauge",
        "bytes",
        ("state",),
        "Bytes of all blobs: referenced by a version, or unreferenced, which gc frees.",
    ),
    MetricSpec(
        "distrnn_registry_operations_total",
        "counter",
        "",
        ("operation", "outcome"),
        "Requests that the registry service answered: ok, refused (the client's fault) or failed.",
    ),
    MetricSpec(
        "distrnn_registry_operation_duration_seconds",
        "histogram",
        "seconds",
        ("operation",),
        "Time until the service had answered a request, the body of a download not counted.",
    ),
    MetricSpec(
        "distrnn_registry_verification_failures_total",
        "counter",
        "",
        ("reason",),
        "Bytes of the registry that were not what their digest or form says, met while serving: document or file.",
    ),
    MetricSpec(
        "distrnn_registry_collection_duration_seconds", "gauge", "seconds", (), "How long it took to look at the registry for this page."
    ),
    MetricSpec(
        "distrnn_registry_collection_timestamp_seconds",
        "gauge",
        "timestamp_seconds",
        (),
        "When the registry was last looked at, Unix time.",
    ),
    MetricSpec("distrnn_registry_collection_errors_total", "counter", "", (), "Looks at the registry that failed; the older figures stay."),
)
_VERBS = {"counter": "add", "gauge": "set", "histogram": "observe"}
HISTOGRAM_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Telemetry(Collector):
    """The values of one process, in a registry of its own."""

    def __init__(self, metrics: tuple[MetricSpec, ...] = METRICS) -> None:
        self.registry = CollectorRegistry()
        self._specs = {spec.name: spec for spec in metrics}
        self._values: dict[str, dict[tuple[str, ...], float]] = {spec.name: {} for spec in metrics}
        self._spreads: dict[str, dict[tuple[str, ...], list[float]]] = {spec.name: {} for spec in metrics}
        self.registry.register(self)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Give a gauge its value.

        Raises:
            ValueError: there is no such gauge, or its labels are others.
        """
        key = self._key(name, "gauge", labels)
        self._values[name][key] = float(value)

    def add(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Let a counter grow.

        Raises:
            ValueError: there is no such counter, its labels are others, or `amount` is below 0.
        """
        key = self._key(name, "counter", labels)
        if not amount >= 0.0:
            raise ValueError(f"counter {name} can only grow. Received: {amount}")
        self._values[name][key] = self._values[name].get(key, 0.0) + amount

    def grow_to(self, name: str, total: float, /, **labels: str) -> None:
        """Let a counter grow to what somebody else has counted; a total that is smaller changes nothing.

        Raises:
            ValueError: there is no such counter, or its labels are others.
        """
        self.add(name, max(total - (self.value(name, **labels) or 0.0), 0.0), **labels)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Let a histogram count a value.

        Raises:
            ValueError: there is no such histogram, or its labels are others.
        """
        key = self._key(name, "histogram", labels)
        spread = self._spreads[name].setdefault(key, [0.0] * (len(HISTOGRAM_BOUNDS) + 2))
        spread[bisect_left(HISTOGRAM_BOUNDS, value)] += 1.0
        spread[-1] += value

    def clear(self, name: str) -> None:
        """Forget every value of a metric: what it told of may be gone.

        Raises:
            ValueError: there is no such metric.
        """
        if name not in self._specs:
            raise ValueError(f"metric must be one of {', '.join(sorted(self._specs))}. Received: {name!r}")
        self._values[name].clear()

    def value(self, name: str, /, **labels: str) -> float | None:
        """The present value of a counter or gauge, or None where none was given.

        Raises:
            ValueError: there is no such metric, or its labels are others.
        """
        key = self._key(name, None, labels)
        return self._values[name].get(key)

    def write_textfile(self, path: str | Path) -> None:
        """Write the exposition format for node_exporter's textfile collector; readers never see half a file."""
        write_to_textfile(str(path), self.registry)

    def exposition(self) -> tuple[bytes, str]:
        """The exposition format for whoever scrapes, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def read_textfile(self, path: str | Path) -> None:
        """Go on from a text file: counters are added up, gauges that have no value yet keep the old one.

        A file that is missing or not ours starts everything anew.
        """
        try:
            families = list(text_string_to_metric_families(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return
        for sample in (sample for family in families for sample in family.samples):
            spec = self._specs.get(sample.name)
            if spec is None or set(sample.labels) != set(spec.labels):
                continue
            if spec.kind == "counter":
                self.add(sample.name, sample.value, **sample.labels)
            elif self.value(sample.name, **sample.labels) is None:
                self.set(sample.name, sample.value, **sample.labels)

    def collect(self) -> Iterator[Metric]:
        """Hand over the metrics that have a value."""
        for name, values in self._values.items():
            if values:
                spec = self._specs[name]
                family = (CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily)(name, spec.help, labels=spec.labels)
                for labels, value in sorted(values.items()):
                    family.add_metric(labels, value)
                yield family
        for name, spreads in self._spreads.items():
            if spreads:
                spec = self._specs[name]
                histogram = HistogramMetricFamily(name, spec.help, labels=spec.labels)
                for labels, spread in sorted(spreads.items()):
                    counts = list(accumulate(spread[:-1]))
                    bounds = [*(f"{bound:g}" for bound in HISTOGRAM_BOUNDS), "+Inf"]
                    histogram.add_metric(labels, list(zip(bounds, counts, strict=True)), spread[-1])
                yield histogram

    def _key(self, name: str, kind: str | None, labels: dict[str, str]) -> tuple[str, ...]:
        spec = self._specs.get(name)
        if spec is None:
            raise ValueError(f"metric must be one of {', '.join(sorted(self._specs))}. Received: {name!r}")
        if kind is not None and spec.kind != kind:
            raise ValueError(f"{name} is a {spec.kind}; use {_VERBS[spec.kind]}")
        if set(labels) != set(spec.labels):
            raise ValueError(f"labels of {name} must be {', '.join(spec.labels)}. Received: {', '.join(labels) or 'none'}")
        return tuple(str(labels[label]) for label in spec.labels)


@contextmanager
def served(telemetry: Telemetry, host: str, port: int) -> Iterator[None]:
    """Serve the values at http://host:port/metrics while the context lasts.

    Raises:
        UsageError: the port cannot be used.
    """
    try:
        server, thread = start_http_server(port, host, registry=telemetry.registry)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"metrics cannot be served at {host}:{port}: {reason}. Choose another port.") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
