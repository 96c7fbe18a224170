"""What schedules look like in Prometheus: taken from their states, so that whoever reads the registry can export the same."""

from distrnn.retraining.state import State
from distrnn.telemetry import Telemetry

RUNS = "distrnn_workflow_runs_total"


def export(telemetry: Telemetry, state: State) -> None:
    """Give the metrics of a workflow the values of its state.

    Args:
        telemetry: of this process.
        state: the counters only grow, so a state that is older than the last one changes nothing.
    """
    workflow = state.workflow
    for outcome, count in state.counts.items():
        telemetry.grow_to(RUNS, count, workflow=workflow, outcome=outcome)
    moments = {
        "distrnn_workflow_last_check_timestamp_seconds": state.last_check_at,
        "distrnn_workflow_last_success_timestamp_seconds": state.last_success_at,
        "distrnn_workflow_last_failure_timestamp_seconds": state.last_failure_at,
    }
    for name, moment in moments.items():
        if moment is not None:
            telemetry.set(name, moment.timestamp(), workflow=workflow)
    for stage, seconds in state.seconds.items():
        telemetry.set("distrnn_workflow_stage_duration_seconds", seconds, workflow=workflow, stage=stage)
