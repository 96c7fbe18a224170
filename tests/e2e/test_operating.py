"""From a workflow file to a prediction, every part real: Ray's nodes, Ceph RGW, the registry service, Prometheus, a client with nothing."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from distrnn import load_model
from distrnn.evaluation.held_out import read_texts
from distrnn.storage import open_store
from distrnn.telemetry import METRICS
from fixtures_client import result_of
from fixtures_operating import RUN_ID, Chain, fetched
from fixtures_s3 import S3Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MODEL = "imdb-lstm"
PRODUCTION = f"{MODEL}@production"
TEXT = "A wonderful film, the best that I have seen this year."
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
TRAINING = [spec.name for spec in METRICS if spec.name.startswith("distrnn_train_")]
JUDGE = """
import json, os, sys
import distrnn
texts = json.load(open(sys.argv[1], encoding="utf-8"))
model = distrnn.load_model(sys.argv[2], os.environ["DISTRNN_REGISTRY"])
print(json.dumps({"environment": sorted(os.environ), "probabilities": model.predict(texts).tolist(), "threshold": model.threshold}))
"""


@pytest.fixture
def elsewhere(
    client: Callable[..., "subprocess.CompletedProcess[str]"], chain: Chain, tmp_path: Path
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Python on a machine with the base install alone, whose registry is the service; `client` has made sure of what cannot be imported."""

    def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return client(*arguments, env={"DISTRNN_HOME": str(tmp_path / "home"), "DISTRNN_REGISTRY": chain.service.url, **env})

    return run


def test_submit_waits_for_the_run_and_ends_with_its_exit_code(chain: Chain) -> None:
    document = chain.document
    assert (document["run_id"], document["workflow"], document["submission"]) == (RUN_ID, MODEL, f"{RUN_ID}.1")
    assert (document["status"], document["exit_code"], document["new"]) == ("finished", 0, True)
    assert (chain.result["version"]["name"], chain.result["version"]["number"]) == (MODEL, 1)
    assert chain.result["promotion"]["decision"] == "promoted"
    assert chain.result["metrics"]["examples"] == 2000


def test_the_run_is_followed_to_its_end(chain: Chain) -> None:
    lines = chain.submitted.stderr.splitlines()
    said = [line.split(",")[0] for line in lines if line.split(":")[0] in ("prepare", "train", "evaluate", "register", "promote")]
    assert [line for line in said if not line.startswith("prepare: tokenizing")] == [
        *("prepare: started", "train: started", "train: epoch 1/3", "train: epoch 2/3", "train: epoch 3/3"),
        *("evaluate: started", "register: started", "promote: started"),
    ]
    assert "production: promoted" in lines
    assert f'Next: distrnn predict {MODEL}@v1 "some text"' in lines


def test_what_the_run_says_holds_no_credential(chain: Chain, rgw_s3: S3Server) -> None:
    assert rgw_s3.secret_key not in chain.submitted.stdout + chain.submitted.stderr


def test_the_version_is_on_the_page(chain: Chain) -> None:
    badge = f'<a class="badge" href="/models/{MODEL}/v1">production v1</a>'
    chain.prometheus.wait(lambda: badge in fetched(f"{chain.service.url}/"))
    page = fetched(f"{chain.service.url}/models/{MODEL}/v1")
    assert chain.result["version"]["digest"] in page
    assert f"<dt>Accuracy</dt><dd>{chain.result['metrics']['accuracy']:.4f}</dd>" in page


def test_the_version_is_in_the_metrics_of_the_service(chain: Chain) -> None:
    def read() -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(fetched(f"{chain.service.url}/metrics"))
        samples = [sample for family in families for sample in family.samples if sample.labels.get("model") == MODEL]
        return {(sample.name, *(sample.labels[key] for key in sorted(sample.labels) if key != "model")): sample.value for sample in samples}

    holder = ("distrnn_registry_alias_info", "production", "v1")
    chain.prometheus.wait(lambda: holder in read())
    seen = read()
    assert (seen[holder], seen["distrnn_registry_model_versions",]) == (1.0, 1.0)
    assert seen["distrnn_eval_accuracy_ratio", "production"] == chain.result["metrics"]["accuracy"]
    assert (seen["distrnn_promotion_decisions_total", "promoted"], seen["distrnn_promotion_decisions_total", "refused"]) == (1.0, 0.0)


def test_prometheus_has_the_version(chain: Chain) -> None:
    ask = chain.prometheus.query
    ((labels, value),) = chain.prometheus.wait(lambda: ask(f'distrnn_registry_alias_info{{model="{MODEL}"}}'))
    assert (labels["alias"], labels["version"], labels["job"], value) == ("production", "v1", "distrnn-registry", 1.0)
    ((_, versions),) = ask(f'distrnn_registry_model_versions{{model="{MODEL}"}}')
    ((_, accuracy),) = ask(f'distrnn_eval_accuracy_ratio{{model="{MODEL}", role="production"}}')
    assert (versions, accuracy) == (1.0, chain.result["metrics"]["accuracy"])


def test_prometheus_has_every_figure_of_the_training_under_its_own_name(chain: Chain) -> None:
    seen = {}
    for name in TRAINING:
        ((labels, seen[name]),) = chain.prometheus.query(f"last_over_time({name}[1h])")
        assert {key: value for key, value in labels.items() if key != "__name__"} == {"workflow": MODEL}
    # A worker ends without a last report, so what was seen last is of the end of the training or of a moment before
    assert 0.0 < seen["distrnn_train_loss_nats"] <= chain.result["history"][0]["loss"]
    assert 0.0 < seen["distrnn_train_accuracy_ratio"] <= 1.0
    assert min(seen.values()) > 0.0


def test_prometheus_finds_the_nodes_by_the_file_that_ray_writes(chain: Chain) -> None:
    # Ray leaves a gauge out of an answer that it has not set anew since the last one
    found = chain.prometheus.query("count by (IsHeadNode) (last_over_time(ray_node_mem_total[1h]))")
    assert sorted((labels["IsHeadNode"], count) for labels, count in found) == [("false", 2.0), ("true", 1.0)]


def test_prometheus_has_seen_two_workers_train_at_once(chain: Chain) -> None:
    found = chain.prometheus.query('max_over_time(ray_actors{Name="RayTrainWorker", State="ALIVE"}[1h])')
    assert [count for _, count in found] == [2.0]  # a node has one CPU and the head none, so they were on two nodes


def test_prometheus_evaluates_every_rule(chain: Chain) -> None:
    groups = json.loads(fetched(f"{chain.prometheus.url}/api/v1/rules"))["data"]["groups"]
    assert {rule["name"]: rule["health"] for group in groups for rule in group["rules"] if rule["health"] != "ok"} == {}
    assert {rule["name"] for group in groups for rule in group["rules"]} >= {*TRAINING}


def test_a_client_without_credentials_tensorflow_and_ray_pulls_and_predicts(
    elsewhere: Callable[..., "subprocess.CompletedProcess[str]"], chain: Chain, rgw_s3: S3Server, tmp_path: Path
) -> None:
    pulled = result_of(elsewhere("-m", "distrnn", "pull", PRODUCTION, "--dest", str(tmp_path / "mine"), "--json"))
    assert (pulled["number"], pulled["digest"]) == (1, chain.result["version"]["digest"])
    assert (tmp_path / "mine" / "numpy" / "weights.npz").is_file()
    (answer,) = result_of(elsewhere("-m", "distrnn", "predict", PRODUCTION, TEXT, "--json"))
    with pytest.MonkeyPatch.context() as patch:
        rgw_s3.use(patch)
        (positive,) = load_model(PRODUCTION, chain.registry).predict([TEXT])
    assert answer["probabilities"]["positive"] == pytest.approx(float(positive))


def test_such_a_client_judges_the_held_out_reviews_as_the_run_did(
    elsewhere: Callable[..., "subprocess.CompletedProcess[str]"], chain: Chain, rgw_s3: S3Server, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        rgw_s3.use(patch)
        texts, labels = read_texts(open_store(chain.storage), chain.result["promotion"]["evaluation_set"])
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    answer = result_of(elsewhere("-c", JUDGE, str(tmp_path / "texts.json"), PRODUCTION))
    assert [name for name in CREDENTIALS if name in answer["environment"]] == []
    judged = np.asarray(answer["probabilities"]) > answer["threshold"]
    # NumPy and TensorFlow may differ on a review that is on the border
    assert np.mean(judged == labels) == pytest.approx(chain.result["metrics"]["accuracy"], abs=0.001)


def test_the_store_behind_the_service_is_closed_to_such_a_client(
    elsewhere: Callable[..., "subprocess.CompletedProcess[str]"], chain: Chain, rgw_s3: S3Server
) -> None:
    done = elsewhere("-m", "distrnn", "pull", MODEL, "--registry", chain.registry, AWS_ENDPOINT_URL=rgw_s3.endpoint)
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith(f"error: no usable credentials for {chain.registry}/")
