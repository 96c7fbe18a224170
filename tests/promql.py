"""What an expression for Prometheus is about: the metrics that it names, and the labels that it asks of them.

No parser: Prometheus' own says whether an expression is one. This finds the words in it that are neither function nor keyword nor label.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from distrnn.telemetry import METRICS

KEYWORDS = frozenset(
    "and or unless on ignoring group_left group_right by without offset bool inf nan sum max min avg count topk bottomk quantile".split()
)
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h"}
_GROUPED = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?\{([^{}]*)\}")
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_MATCHED = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")


def metrics_in(expression: str) -> set[str]:
    """The names of metrics."""
    bare = _STRING.sub('""', expression)
    bare = _GROUPED.sub(r"\1 ", bare)
    bare = re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]", " ", bare)
    bare = re.sub(r"\boffset\s+\w+", " ", bare)
    return {match[0] for match in _WORD.finditer(bare) if match[0] not in KEYWORDS and not re.match(r"\s*\(", bare[match.end() :])}


def labels_in(expression: str) -> set[str]:
    """The labels that are compared or grouped by, anywhere in it."""
    bare = _STRING.sub('""', expression)
    grouped = {label.strip() for match in _GROUPED.finditer(bare) for label in match[2].split(",") if label.strip()}
    return grouped | {label for match in _SELECTOR.finditer(bare) for label in _MATCHED.findall(match[2])}


def asked_of(expression: str, label: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric whose label is compared, with the values that it is compared with."""
    for name, matchers in _SELECTOR.findall(expression):
        for pattern in re.findall(rf'\b{label}\s*(?:=~|!~|!=|=)\s*"([^"]*)"', matchers):
            yield name, set(pattern.split("|"))


def known_metrics(root: Path) -> dict[str, set[str]]:
    """The labels of every metric there is: those that the program declares, what a histogram is made of, and what rules record."""
    found = {spec.name: set(spec.labels) for spec in METRICS if spec.kind != "histogram"}
    for spec in METRICS:
        if spec.kind == "histogram":
            found |= {
                f"{spec.name}_bucket": {*spec.labels, "le"},
                f"{spec.name}_sum": set(spec.labels),
                f"{spec.name}_count": set(spec.labels),
            }
    for rule in rules(root, "alerts.yml"):
        if "record" in rule:
            found[rule["record"]] = set().union(*(found[name] for name in metrics_in(rule["expr"])))
    return found | {"up": set()}


def rules(root: Path, file: str) -> list[dict[str, Any]]:
    """The rules of a file of infra/prometheus, in its order."""
    groups = yaml.safe_load((root / "infra/prometheus" / file).read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboards(root: Path) -> dict[str, dict[str, Any]]:
    """Grafana's dashboards by file name."""
    files = sorted((root / "infra/grafana/dashboards").glob("*.json"))
    return {file.name: json.loads(file.read_text(encoding="utf-8")) for file in files}


def asked(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The title of a panel and an expression of it, Grafana's variables replaced as it would."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield panel["title"], expression
