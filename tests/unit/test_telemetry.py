import pytest
from prometheus_client.parser import text_string_to_metric_families

from distrnn.telemetry import METRICS, Telemetry


def test_a_text_file_holds_the_values_and_nothing_else(tmp_path):
    telemetry = Telemetry()
    telemetry.set("distrnn_eval_accuracy_ratio", 0.83, model="imdb-lstm", role="candidate")
    telemetry.add("distrnn_workflow_runs_total", workflow="imdb-lstm", outcome="promoted")
    telemetry.write_textfile(tmp_path / "run.prom")
    assert (tmp_path / "run.prom").read_text() == (
        "# HELP distrnn_workflow_runs_total Runs by how they ended: promoted, refused, finished (there was no gate), failed; a "
        "schedule's ticks also skipped or abandoned.\n"
        "# TYPE distrnn_workflow_runs_total counter\n"
        'distrnn_workflow_runs_total{outcome="promoted",workflow="imdb-lstm"} 1.0\n'
        "# HELP distrnn_eval_accuracy_ratio Share of held-out examples classified rightly, by candidate, holder, latest or the alias that "
        "holds.\n"
        "# TYPE distrnn_eval_accuracy_ratio gauge\n"
        'distrnn_eval_accuracy_ratio{model="imdb-lstm",role="candidate"} 0.83\n'
    )


def test_prometheus_reads_every_metric_back_under_its_name(tmp_path):
    telemetry = Telemetry()
    plain = [spec for spec in METRICS if spec.kind != "histogram"]
    for spec in plain:
        labels = dict.fromkeys(spec.labels, 'a "quoted"\\ value\n')
        (telemetry.add if spec.kind == "counter" else telemetry.set)(spec.name, 2.0, **labels)
    telemetry.write_textfile(tmp_path / "run.prom")
    families = list(text_string_to_metric_families((tmp_path / "run.prom").read_text()))
    assert {sample.name: sample.value for family in families for sample in family.samples} == {spec.name: 2.0 for spec in plain}
    assert {value for family in families for sample in family.samples for value in sample.labels.values()} == {'a "quoted"\\ value\n'}


def test_a_counter_grows():
    telemetry = Telemetry()
    for _ in range(3):
        telemetry.add("distrnn_promotion_decisions_total", model="m", decision="refused")
    assert telemetry.value("distrnn_promotion_decisions_total", model="m", decision="refused") == 3.0


def test_a_counter_grows_to_a_total_and_never_falls():
    telemetry, seen = Telemetry(), []
    for total in (2.0, 5.0, 3.0, 6.0):
        telemetry.grow_to("distrnn_promotion_decisions_total", total, model="m", decision="refused")
        seen.append(telemetry.value("distrnn_promotion_decisions_total", model="m", decision="refused"))
    assert seen == [2.0, 5.0, 5.0, 6.0]


def test_a_gauge_keeps_its_last_value():
    telemetry = Telemetry()
    telemetry.set("distrnn_eval_perplexity", 9.0, model="m", role="candidate")
    telemetry.set("distrnn_eval_perplexity", 7.0, model="m", role="candidate")
    assert telemetry.value("distrnn_eval_perplexity", model="m", role="candidate") == 7.0


def test_what_was_never_given_has_no_value():
    assert Telemetry().value("distrnn_eval_perplexity", model="m", role="candidate") is None


def test_two_emitters_do_not_share_values():
    first, second = Telemetry(), Telemetry()
    first.set("distrnn_eval_perplexity", 9.0, model="m", role="candidate")
    assert list(second.collect()) == []


def test_an_unknown_metric_is_refused():
    names = ", ".join(sorted(spec.name for spec in METRICS))
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared below
        Telemetry().set("distrnn_accuracy", 0.5, model="m")
    assert str(caught.value) == f"metric must be one of {names}. Received: 'distrnn_accuracy'"


def test_other_labels_are_refused():
    with pytest.raises(ValueError, match=r"^labels of distrnn_eval_perplexity must be model, role\. Received: model$"):
        Telemetry().set("distrnn_eval_perplexity", 0.5, model="m")


def test_a_counter_cannot_be_set():
    with pytest.raises(ValueError, match=r"^distrnn_workflow_runs_total is a counter; use add$"):
        Telemetry().set("distrnn_workflow_runs_total", 1, workflow="w", outcome="failed")


def test_a_gauge_cannot_be_added_to():
    with pytest.raises(ValueError, match=r"^distrnn_eval_perplexity is a gauge; use set$"):
        Telemetry().add("distrnn_eval_perplexity", 1, model="m", role="holder")


@pytest.mark.parametrize("amount", [-1.0, float("nan")])
def test_a_counter_cannot_shrink(amount):
    with pytest.raises(ValueError, match=r"^counter distrnn_workflow_runs_total can only grow"):
        Telemetry().add("distrnn_workflow_runs_total", amount, workflow="w", outcome="failed")


def test_values_go_on_from_the_file_of_the_run_before(tmp_path):
    path = tmp_path / "workflow.prom"
    for accuracy in (0.8, 0.9, None):
        telemetry = Telemetry()
        telemetry.add("distrnn_workflow_runs_total", workflow="w", outcome="failed")
        if accuracy is not None:
            telemetry.set("distrnn_eval_accuracy_ratio", accuracy, model="m", role="candidate")
        telemetry.read_textfile(path)
        telemetry.write_textfile(path)
    assert telemetry.value("distrnn_workflow_runs_total", workflow="w", outcome="failed") == 3
    assert telemetry.value("distrnn_eval_accuracy_ratio", model="m", role="candidate") == 0.9


def test_a_damaged_file_starts_everything_anew(tmp_path):
    path = tmp_path / "workflow.prom"
    path.write_text("no { metrics")
    telemetry = Telemetry()
    telemetry.read_textfile(path)
    assert telemetry.value("distrnn_workflow_runs_total", workflow="w", outcome="failed") is None


def test_a_histogram_counts_what_is_not_above_each_bound(tmp_path):
    telemetry = Telemetry()
    for seconds in (0.005, 0.02, 3.0, 60.0):
        telemetry.observe("distrnn_registry_operation_duration_seconds", seconds, operation="list")
    families = {family.name: family for family in text_string_to_metric_families(telemetry.exposition()[0].decode())}
    samples = families["distrnn_registry_operation_duration_seconds"].samples
    counts = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (counts["0.005"], counts["0.01"], counts["0.025"], counts["2.5"], counts["5"], counts["+Inf"]) == (1, 1, 2, 2, 3, 4)
    assert {sample.name.rpartition("_")[2]: sample.value for sample in samples if "le" not in sample.labels} == {
        "count": 4.0,
        "sum": 63.025,
    }


def test_what_is_cleared_is_told_no_more():
    telemetry = Telemetry()
    telemetry.set("distrnn_registry_model_versions", 3, model="gone")
    telemetry.clear("distrnn_registry_model_versions")
    assert telemetry.exposition()[0] == b""
    with pytest.raises(ValueError, match=r"^metric must be one of .*\. Received: 'distrnn_nothing'$"):
        telemetry.clear("distrnn_nothing")
