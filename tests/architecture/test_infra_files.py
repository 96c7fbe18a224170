"""The files of infra/ hold for the schemas of those who read them, say how they were checked, hold no secrets, and speak to our CLI."""

import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml

from command_lines import parse
from distrnn.workflow import load_workflow
from infra_schemas import complaints, schema_of
from pod_rules import every, pods, violations

REPO = Path(__file__).resolve().parents[2]
MANIFESTS = sorted((REPO / "infra/kubernetes").glob("*.yaml"))
STRUCTURED = sorted(file for suffix in ("yaml", "yml", "json") for file in (REPO / "infra").rglob(f"*.{suffix}"))
TOLD = [file for file in sorted((REPO / "infra").rglob("*")) if file.suffix in (".yaml", ".yml", ".sh") or file.name == "Dockerfile"]
TOLD = [file for file in TOLD if not file.name.endswith("_test.yml")]
WORKFLOWS = "/opt/distrnn/workflows/"
SECRET_NAMES = re.compile(r"(?i)(secret|password|token|_key)$")


def documents(file):
    return [found for found in yaml.safe_load_all(file.read_text(encoding="utf-8")) if found]


def commands():
    """Each distrnn command of compose file and manifests, as words."""
    compose = yaml.safe_load((REPO / "infra/compose.yaml").read_text(encoding="utf-8"))
    for service in compose["services"].values():
        yield service.get("command", [])
    for file in MANIFESTS:
        for manifest in documents(file):
            for path, value in every(manifest):
                if path[-1] == "entrypoint":
                    yield shlex.split(value)
            for pod in pods(manifest):
                for container in pod["containers"]:
                    yield container.get("command", [])


def distrnn_commands():
    return [[str(word) for word in words] for words in commands() if words and words[0] == "distrnn"]


@pytest.mark.parametrize("file", STRUCTURED, ids=lambda file: file.name)
def test_file_is_valid_yaml_or_json(file):
    text = file.read_text(encoding="utf-8")
    assert json.loads(text) if file.suffix == ".json" else list(yaml.safe_load_all(text))


@pytest.mark.parametrize("file", TOLD, ids=lambda file: str(file.relative_to(REPO / "infra")))
def test_file_says_whether_it_was_run_as_it_is(file):
    head = "".join(line for line in file.read_text(encoding="utf-8").splitlines(keepends=True)[:20] if line.startswith("#"))
    assert re.search(r"# Run as it is: (yes|no)\b", head)


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_manifest_holds_for_the_schema(file):
    for manifest in documents(file):
        assert complaints(manifest) == []


def test_a_wrong_field_is_noticed():
    wrong = documents(REPO / "infra/kubernetes/raycronjob.yaml")[0]
    wrong["spec"]["concurrencyPolicy"] = "Forbid"
    wrong["spec"]["jobTemplate"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["imege"] = "x"
    assert len(complaints(wrong)) == 2


def test_kinds_that_are_promised_are_there():
    kinds = {manifest["kind"] for file in MANIFESTS for manifest in documents(file)}
    assert kinds == {"ConfigMap", "CronJob", "Deployment", "PodMonitor", "RayCluster", "RayCronJob", "RayJob", "Service"}


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_pods_hold_to_the_rules(file):
    assert [said for manifest in documents(file) for said in violations(manifest)] == []


def test_a_pod_that_holds_to_no_rule_is_noticed():
    cluster = documents(REPO / "infra/kubernetes/rayjob-imdb.yaml")[0]
    del cluster["spec"]["rayClusterSpec"]["authOptions"], cluster["spec"]["submitterPodTemplate"]
    (group,) = cluster["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    limits = {"nvidia.com/gpu": 1}
    group["template"]["spec"] = {
        "initContainers": [{"name": "first"}],
        "containers": [{"name": "ray-worker", "resources": {"limits": limits}}],
    }
    careless = ["may gain privileges", "has capabilities", "no limit of its memory", "asks for nothing"]
    expected = [f"first: {said}" for said in careless] + [f"ray-worker: {said}" for said in careless]
    expected += [
        "ray-worker: asks for GPUs and tolerates no node that has them",
        "ray-worker: may be root",
        "ray-worker: no seccompProfile",
    ]
    expected += ["ray-worker: no memory at /dev/shm", "ray-worker: no port named metrics"]
    assert violations(cluster) == [*expected, "the Ray cluster asks for no token", "KubeRay's own submitter has no rules"]


def test_service_has_probes_and_a_root_that_cannot_be_written():
    deployment = documents(REPO / "infra/kubernetes/registry.yaml")[0]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert [container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")] == ["/healthz", "/readyz"]


def test_cron_job_lets_a_run_end_before_the_next():
    (cron,) = documents(REPO / "infra/kubernetes/cronjob.yaml")
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"


def test_pod_monitors_name_ports_and_labels_that_pods_have():
    declared: dict[str, set[str]] = {}
    for file in MANIFESTS:
        for manifest in documents(file):
            for path, value in every(manifest):
                if path[-3:] == ("metadata", "labels", "app") and "template" in path:
                    ports = {str(found) for other, found in every(manifest) if other[-3:-2] == ("ports",) and other[-1] == "name"}
                    declared.setdefault(value, set()).update(ports)
    for monitor in documents(REPO / "infra/kubernetes/podmonitor.yaml"):
        assert monitor["spec"]["jobLabel"] == "app"
        assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= declared[
            monitor["spec"]["selector"]["matchLabels"]["app"]
        ]


def test_nothing_secret_stands_in_a_file():
    for file in [REPO / "infra/compose.yaml", *MANIFESTS, *sorted((REPO / "infra/grafana/provisioning").rglob("*.yaml"))]:
        for document in documents(file):
            assert document.get("kind") != "Secret"
            for path, value in every(document):
                named = str(path[-1])
                if SECRET_NAMES.search(named) and isinstance(value, str):
                    assert value.startswith("${") and re.search(r":[?-]", value), (file.name, path)  # noqa: PT018


def test_secrets_of_pods_are_references():
    given = [
        env for file in MANIFESTS for one in documents(file) for pod in pods(one) for box in pod["containers"] for env in box.get("env", ())
    ]
    secret = [env for env in given if SECRET_NAMES.search(env["name"])]
    assert {env["name"] for env in secret} == {"RAY_AUTH_TOKEN", "DISTRNN_WEBHOOK_SECRET"}
    assert all(set(env["valueFrom"]) == {"secretKeyRef"} for env in secret)


def test_compose_file_holds_for_the_schema():
    found = yaml.safe_load((REPO / "infra/compose.yaml").read_text(encoding="utf-8"))
    errors = jsonschema.Draft7Validator(schema_of("compose")).iter_errors(found)
    assert [f"{list(error.absolute_path)}: {error.message}" for error in errors] == []


def test_compose_file_opens_ports_on_loopback_only():
    services = yaml.safe_load((REPO / "infra/compose.yaml").read_text(encoding="utf-8"))["services"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_file_looks_whether_its_servers_are_well():
    services = yaml.safe_load((REPO / "infra/compose.yaml").read_text(encoding="utf-8"))["services"]
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"bucket", "ray-worker"}
    waited = {name: rule["condition"] for one in services.values() for name, rule in dict_of(one.get("depends_on")).items()}
    assert {name for name, condition in waited.items() if condition == "service_healthy"} <= {
        name for name, service in services.items() if "healthcheck" in service
    }


def dict_of(found):
    return found if isinstance(found, dict) else {}


def test_distrnn_commands_parse():
    found = distrnn_commands()
    assert {words[1] for words in found} == {"run", "schedule", "serve", "submit"}
    for words in found:
        parse(shlex.join(words))


def test_workflows_of_the_commands_are_in_the_image_and_take_the_settings():
    for words in distrnn_commands():
        named = [word for word in words if word.startswith(WORKFLOWS)]
        settings = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        settings = [re.sub(r"\$\{[^}]*\}", "s3://distrnn/data/imdb", text) for text in settings]
        for word in named:
            workflow = load_workflow(REPO / "workflows" / word.removeprefix(WORKFLOWS), settings).workflow
            assert workflow.data.path is not None
            assert (workflow.schedule is not None) or words[1] == "run"


def test_images_are_named_by_version():
    services = yaml.safe_load((REPO / "infra/compose.yaml").read_text(encoding="utf-8"))["services"]
    foreign = [service["image"] for service in services.values() if "build" not in service]
    assert all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in foreign)


def test_manifests_and_constraints_name_the_same_ray():
    pinned = re.search(r"^ray==(.*)$", (REPO / "constraints.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    versions = {value for file in MANIFESTS for one in documents(file) for path, value in every(one) if path[-1] == "rayVersion"}
    assert pinned is not None
    assert versions == {pinned[1]}


def test_links_of_the_handbook_lead_somewhere():
    text = (REPO / "infra/OPERATIONS.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert {link for link in links if link.startswith("#")} <= {f"#{anchor}" for anchor in anchors}
    assert [link for link in links if not link.startswith(("#", "http")) and not (REPO / "infra" / link).exists()] == []


def test_files_that_a_file_says_it_is_checked_by_exist():
    named = {name for file in TOLD for name in re.findall(r"tests/[\w/]+\.py", file.read_text(encoding="utf-8"))}
    assert named
    assert [name for name in sorted(named) if not (REPO / name).exists()] == []
