"""promtool, Prometheus' own judge: configurations, rules, when each alert fires, and every expression of the dashboards."""

import re
import shutil
import subprocess

import pytest
import yaml

from promql import asked, dashboards, rules

CONFIGURATIONS = ("prometheus.yml", "ray.yml", "compose.yml")


@pytest.fixture
def promtool(require_server):
    require_server(shutil.which("promtool") is not None, "prometheus")

    def run(*arguments):
        return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=200)

    return run


def test_configurations_are_taken(promtool, repo_root):
    folder = repo_root / "infra/prometheus"
    done = promtool("check", "config", *(folder / name for name in CONFIGURATIONS))
    expected = len(rules(repo_root, "recording.yml")), len(rules(repo_root, "alerts.yml"))
    assert done.returncode == 0, done.stderr
    found = re.findall(r"SUCCESS: (\d+) rules found", done.stdout)
    assert sorted(map(int, found)) == sorted(expected * len(CONFIGURATIONS))


def test_rules_record_and_fire_as_their_tests_say(promtool, repo_root):
    files = sorted((repo_root / "infra/prometheus").glob("*_test.yml"))
    done = promtool("test", "rules", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(files) == 4


def test_every_expression_of_the_dashboards_parses(promtool, repo_root, tmp_path):
    texts = [expression for board in dashboards(repo_root).values() for _, expression in asked(board)]
    made = [{"record": f"dashboards:{number}:x", "expr": text} for number, text in enumerate(texts)]
    made = [{**rule, "record": re.sub(r"\d", lambda digit: "abcdefghij"[int(digit[0])], rule["record"])} for rule in made]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": made}]}))
    done = promtool("check", "rules", tmp_path / "rules.yml")
    assert (done.returncode, re.findall(r"SUCCESS: (\d+) rules found", done.stdout)) == (0, [str(len(texts))]), done.stderr


def test_promtool_would_notice_a_wrong_expression(promtool, tmp_path):
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": [{"record": "x", "expr": "rate(up)"}]}]}))
    done = promtool("check", "rules", tmp_path / "rules.yml")
    assert done.returncode == 1
    assert "expected type range vector" in done.stderr
