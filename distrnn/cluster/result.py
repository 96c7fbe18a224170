"""What a run gives back, and how long each stage of it took."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunResult:
    """What a finished run gives; the fields are those of `distrnn run --json`.

    Attributes:
        run_id: names the run.
        workflow: the workflow's name.
        task: what its model does: `classifier`, `language-model` or `embedding`.
        dataset: `fingerprint`, `path`, `cache` (hit or miss), `distinct_tokens`.
        metrics: of the published model on the test split; None where nothing is held out.
        train_metrics: `loss` (nats) and `accuracy` of the last epoch.
        history: one entry an epoch.
        version: `name`, `number`, `digest`, and `unchanged` where another run had published the same content before, as this version;
            None where nothing was registered.
        promotion: the gate's decision, if there is a gate.
        report: where the report is.
        seconds: of each stage.
    """

    run_id: str
    workflow: str
    task: str
    dataset: dict[str, Any]
    metrics: dict[str, Any] | None
    train_metrics: dict[str, Any]
    history: list[dict[str, Any]]
    version: dict[str, Any] | None
    promotion: dict[str, Any] | None
    report: str
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The document of `run --json`."""
        return asdict(self)


@dataclass
class Stopwatch:
    """Seconds of each stage, in the order they ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 3)
