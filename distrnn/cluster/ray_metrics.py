"""Figures of a running training, at the metrics endpoint that each node of Ray serves, for Prometheus to scrape.

Ray puts `ray_` before every name and adds labels of its own; `infra/prometheus/recording.yml` brings the names back. A worker hands its
figures to its node every ten seconds (Ray's `metrics_report_interval_ms`), so a training that is shorter may leave none.
"""

import time
from collections.abc import Callable
from typing import Any

from ray.util import metrics as ray_metrics

from distrnn.progress import Event
from distrnn.telemetry import METRICS

KINDS = {"counter": ray_metrics.Counter, "gauge": ray_metrics.Gauge}
GAUGES = {
    "loss": "distrnn_train_loss_nats",
    "accuracy": "distrnn_train_accuracy_ratio",
    "tokens_per_s": "distrnn_train_tokens_per_second",
    "step_s": "distrnn_train_step_duration_seconds",
}
DATA_WAIT = "distrnn_train_data_wait_seconds_total"
CHECKPOINTS = "distrnn_train_checkpoint_seconds_total"


class TrainMetrics:
    """What worker 0 tells of its training.

    Args:
        workflow: its name.
        waited_s: what the epoch in progress has waited for batches by now, where an earlier process began it.
    """

    def __init__(self, workflow: str, waited_s: float = 0.0) -> None:
        self._metrics = {name: _declared(name, workflow) for name in (*GAUGES.values(), DATA_WAIT, CHECKPOINTS)}
        self._epoch: int | None = None
        self._waited_s = waited_s

    def progress(self, event: Event) -> None:
        """Hear an event; one that has no figures of a training tells nothing."""
        for key, name in GAUGES.items():
            if event.info.get(key) is not None:
                self._metrics[name].set(event.info[key])
        if (waited := event.info.get("data_wait_s")) is not None:
            self._wait(event.info["epoch"], waited)

    def _wait(self, epoch: int, waited: float) -> None:
        """An epoch counts from 0; the counter goes on."""
        before = self._waited_s if self._epoch in (None, epoch) else 0.0
        self._add(DATA_WAIT, waited - before)
        self._epoch, self._waited_s = epoch, waited

    def checkpointed(self, seconds: float) -> None:
        """A checkpoint was written, in so many seconds."""
        self._add(CHECKPOINTS, seconds)

    def timed(self, save: Callable[[Any], None]) -> Callable[[Any], None]:
        """The same function; the time that it takes is that of a checkpoint."""

        def timed(checkpoint: Any) -> None:
            started = time.perf_counter()
            save(checkpoint)
            self.checkpointed(time.perf_counter() - started)

        return timed

    def _add(self, name: str, amount: float) -> None:
        if amount > 0.0:  # Ray refuses 0
            self._metrics[name].inc(amount)


def _declared(name: str, workflow: str) -> Any:
    spec = next(spec for spec in METRICS if spec.name == name)
    return KINDS[spec.kind](spec.name, spec.help, spec.labels).set_default_tags({"workflow": workflow})
