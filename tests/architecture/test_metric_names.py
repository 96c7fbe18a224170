"""DESIGN's rules for names of metrics, held against every metric that is declared."""

import re

import pytest
import yaml

from distrnn.telemetry import METRICS

FORBIDDEN_LABELS = {"run", "run_id", "digest", "path", "user", "job", "instance"}
NOT_BASE_UNITS = ("_ms", "_milliseconds", "_minutes", "_hours", "_days", "_age_seconds", "_kb", "_mb", "_gb", "_percent")


def test_names_are_unique():
    assert len({spec.name for spec in METRICS}) == len(METRICS)


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.name)
class TestEveryMetric:
    def test_name_has_the_prefix(self, spec):
        assert re.fullmatch(r"distrnn_[a-z]+(_[a-z]+)*", spec.name)

    def test_counters_and_only_they_end_in_total(self, spec):
        assert spec.name.endswith("_total") == (spec.kind == "counter")

    def test_name_ends_in_its_unit(self, spec):
        assert spec.name.removesuffix("_total").endswith("_" + spec.unit if spec.unit else "")

    def test_unit_is_a_base_unit(self, spec):
        assert not spec.name.removesuffix("_total").endswith(NOT_BASE_UNITS)

    def test_labels_do_not_grow_without_end(self, spec):
        assert not FORBIDDEN_LABELS & set(spec.labels)

    def test_help_is_a_sentence(self, spec):
        assert re.fullmatch(r"[A-Z].*\.", spec.help)


@pytest.fixture(scope="module")
def recorded(repo_root):
    groups = yaml.safe_load((repo_root / "infra/prometheus/recording.yml").read_text())["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


def test_every_recorded_name_is_a_metric(recorded):
    assert set(recorded) <= {spec.name for spec in METRICS}


def test_counters_are_added_up_and_of_gauges_the_largest_counts(recorded):
    kinds = {spec.name: spec.kind for spec in METRICS}
    assert recorded == {name: f"{'sum' if kinds[name] == 'counter' else 'max'} by (workflow) (ray_{name})" for name in recorded}
