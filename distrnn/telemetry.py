"""Every metric of the program, declared once as data, and the emitter that writes them for Prometheus.

Names follow DESIGN's rules: prefix `distrnn_`, base units as suffix, `_total` on counters and only there, timestamps and never
ages, and no label whose values grow without end (run ids, digests, paths, users). Values are kept here and handed over as
metric families at collection, because the library's own counters also export a `_created` series that breaks those rules.

A run is one short process, so its values go on from the text file that the run before it left (`read_textfile`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector


@dataclass(frozen=True)
class MetricSpec:
    """One metric; `unit` is the suffix of its name ('' for a pure number)."""

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    labels: tuple[str, ...]
    help: str


METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "distrnn_workflow_runs_total",
        "counter",
        "",
        ("workflow", "outcome"),
        "Runs by how they ended: promoted, refused, finished (there was no gate) or failed.",
    ),
    MetricSpec(
        "distrnn_workflow_last_success_timestamp_seconds",
        "gauge",
        "timestamp_seconds",
        ("workflow",),
        "When a run last ended without an error, Unix time.",
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
        "Share of held-out examples classified rightly, by candidate or holder.",
    ),
    MetricSpec(
        "distrnn_eval_perplexity", "gauge", "", ("model", "role"), "Perplexity of a token of held-out text, by candidate or holder."
    ),
    MetricSpec(
        "distrnn_promotion_decisions_total", "counter", "", ("model", "decision"), "Decisions of the promotion gate: promoted or refused."
    ),
)


class Telemetry(Collector):
    """The values of one process, in a registry of its own."""

    def __init__(self, metrics: tuple[MetricSpec, ...] = METRICS) -> None:
        self.registry = CollectorRegistry()
        self._specs = {spec.name: spec for spec in metrics}
        self._values: dict[str, dict[tuple[str, ...], float]] = {spec.name: {} for spec in metrics}
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

    def value(self, name: str, /, **labels: str) -> float | None:
        """The present value, or None where none was given.

        Raises:
            ValueError: there is no such metric, or its labels are others.
        """
        key = self._key(name, None, labels)
        return self._values[name].get(key)

    def write_textfile(self, path: str | Path) -> None:
        """Write the exposition format for node_exporter's textfile collector; readers never see half a file."""
        write_to_textfile(str(path), self.registry)

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

    def _key(self, name: str, kind: str | None, labels: dict[str, str]) -> tuple[str, ...]:
        spec = self._specs.get(name)
        if spec is None:
            raise ValueError(f"metric must be one of {', '.join(sorted(self._specs))}. Received: {name!r}")
        if kind is not None and spec.kind != kind:
            raise ValueError(f"{name} is a {spec.kind}; use {'add' if spec.kind == 'counter' else 'set'}")
        if set(labels) != set(spec.labels):
            raise ValueError(f"labels of {name} must be {', '.join(spec.labels)}. Received: {', '.join(labels) or 'none'}")
        return tuple(str(labels[label]) for label in spec.labels)
