"""Alerts and dashboards name only what there is: metrics, labels, headings of the handbook; and dashboards fit together."""

import re
from typing import get_args

import pytest
import yaml

from distrnn.service.guard import outcome
from distrnn.workflow.schedule_sections import Outcome
from promql import asked, asked_of, dashboards, known_metrics, labels_in, metrics_in, rules

TARGET_LABELS = {"instance", "job"}
GRAFANA_COLUMNS = 24
OUTCOMES = {
    "distrnn_workflow_runs_total": set(get_args(Outcome)),
    "workflow_outcome:distrnn_workflow_runs:max": set(get_args(Outcome)),
    "distrnn_registry_operations_total": {outcome(status) for status in range(100, 600)},
}


def alerts(repo_root):
    return {rule["alert"]: rule for rule in rules(repo_root, "alerts.yml") if "alert" in rule}


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ("up == 0", {"up"}, set()),
        ('sum by (a) (rate(x_total{b=~"y.*",c!="d_total"}[5m])) > 0.5', {"x_total"}, {"a", "b", "c"}),
        ("x offset 14d or 0 * y:z:max", {"x", "y:z:max"}, set()),
        ("x unless on (workflow) time() - y < 2 * 86400", {"x", "y"}, {"workflow"}),
        ("histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))", {"h_bucket"}, {"le"}),
        ("a * on (m, n) group_right () b", {"a", "b"}, {"m", "n"}),
    ],
)
def test_words_of_an_expression(expression, metrics, labels):
    assert (metrics_in(expression), labels_in(expression)) == (metrics, labels)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ('a{outcome="x"} + a', [("a", {"x"})]),
        ('a{b="c",outcome=~"x|y"} / b{outcome!="z"}', [("a", {"x", "y"}), ("b", {"z"})]),
        ('a{other_outcome="x",b="outcome"}', []),
    ],
)
def test_values_that_an_expression_asks_for(expression, values):
    assert list(asked_of(expression, "outcome")) == values


def check(root, expression):
    """Assert that an expression is about metrics that exist and labels that one of them has."""
    known, named = known_metrics(root), metrics_in(expression)
    assert named
    assert named - set(known) == set()
    assert labels_in(expression) - TARGET_LABELS - set().union(*(known[name] for name in named)) == set()


def test_alerts_name_only_metrics_and_labels_that_exist(repo_root):
    for rule in rules(repo_root, "alerts.yml"):
        check(repo_root, rule["expr"])


def test_rules_and_their_tests_ask_only_for_outcomes_that_are_exported(repo_root):
    seen = set()
    for file in (repo_root / "infra/prometheus").glob("*.yml"):
        text = re.sub(r"#.*", "", file.read_text(encoding="utf-8"))
        for metric, values in asked_of(text, "outcome"):
            assert values <= OUTCOMES[metric], (file.name, metric)
            seen |= {(metric, value) for value in values}
    assert ("workflow_outcome:distrnn_workflow_runs:max", "abandoned") in seen


def test_dashboards_ask_only_for_outcomes_that_are_exported(repo_root):
    for board in dashboards(repo_root).values():
        for title, expression in asked(board):
            for metric, values in asked_of(expression, "outcome"):
                assert values <= OUTCOMES[metric], title


def test_alerts_say_what_it_is_and_where_the_help_is(repo_root):
    handbook = (repo_root / "infra/OPERATIONS.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#### (Distrnn\w+)$", handbook, flags=re.MULTILINE)
    assert headings == list(alerts(repo_root))
    for name, rule in alerts(repo_root).items():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        assert rule["annotations"]["runbook"] == f"infra/OPERATIONS.md#{name.lower()}"


def test_alerts_name_labels_that_their_expression_keeps(repo_root):
    for name, rule in alerts(repo_root).items():
        said = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        known = set().union(*(known_metrics(repo_root)[metric] for metric in metrics_in(rule["expr"])))
        outer = re.match(r"(?:time\(\) - )?(?:sum|max) by \((\w+)\)", rule["expr"])
        assert said <= ({outer[1]} if outer else known | TARGET_LABELS), name


@pytest.mark.parametrize("kind", ["exp_alerts", None])
def test_each_alert_is_seen_firing_and_silent(repo_root, kind):
    seen = set()
    for file in (repo_root / "infra/prometheus").glob("alerts_*_test.yml"):
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
            for expected in case["alert_rule_test"]:
                told = {alert["exp_labels"][label] for alert in expected.get("exp_alerts", ()) for label in alert["exp_labels"]}
                others = re.findall(r'(?:workflow|instance|reason)="([^"]+)"', str(case["input_series"]))
                # an alert that fires for one series and not for another is seen in both ways
                if kind in expected or (kind is None and set(others) - told):
                    seen.add(expected["alertname"])
    assert seen == set(alerts(repo_root))


def test_there_are_two_dashboards_of_their_own_names(repo_root):
    found = dashboards(repo_root)
    assert {name: board["uid"] for name, board in found.items()} == {
        "registry.json": "distrnn-registry",
        "training.json": "distrnn-training",
    }


def test_dashboards_name_only_metrics_and_labels_that_exist(repo_root):
    for board in dashboards(repo_root).values():
        for _, expression in asked(board):
            check(repo_root, expression)
        for variable in board["templating"]["list"]:
            assert set(re.findall(r"distrnn_\w+", variable["query"])) <= set(known_metrics(repo_root))


def test_legends_name_labels_that_the_expression_keeps(repo_root):
    for board in dashboards(repo_root).values():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                known = set().union(*(known_metrics(repo_root)[name] for name in metrics_in(target["expr"])))
                assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known | TARGET_LABELS, panel["title"]


def test_every_metric_of_training_schedules_and_registry_is_on_a_dashboard(repo_root):
    shown = set().union(*(metrics_in(text) for board in dashboards(repo_root).values() for _, text in asked(board)))
    named = {name.removesuffix("_bucket") for name in shown}
    recorded = {name for rule in rules(repo_root, "alerts.yml") if rule.get("record") in shown for name in metrics_in(rule["expr"])}
    assert {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in known_metrics(repo_root)} - {"up"} <= (
        named | recorded
    )


def test_panels_have_ids_of_their_own_and_do_not_lie_over_each_other(repo_root):
    for name, board in dashboards(repo_root).items():
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert at["x"] + at["w"] <= GRAFANA_COLUMNS, (name, panel["title"])
            assert not taken & cells, (name, panel["title"])
            taken |= cells


def test_panels_ask_the_datasource_that_is_provisioned(repo_root):
    sources = yaml.safe_load((repo_root / "infra/grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    uids = {source["uid"] for source in sources}
    for board in dashboards(repo_root).values():
        asking = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert {panel["datasource"]["uid"] for panel in asking} | {v["datasource"]["uid"] for v in board["templating"]["list"]} == uids
        assert {target["datasource"]["uid"] for panel in asking for target in panel["targets"]} == uids
        assert all(panel["description"] or panel["type"] == "stat" for panel in asking)
