"""The pages without a browser: what they say, with which status, and that nothing foreign is markup in them."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from fixtures_service import HOSTILE

VOID = {"rect", "meta", "link", "input", "br", "hr", "line", "polyline"}
PAGES = (
    *("/", "/models/reviews", "/models/reviews/v1", "/models/reviews/v2", "/models/reviews/v3", "/models/text", "/models/text/v1"),
    *("/compare?left=reviews@v1&right=reviews@v2", "/compare?left=reviews@v3&right=text@v1", "/nothing", "/models/none"),
)


class Document(HTMLParser):
    """A page's elements, attributes and text; every element must be closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.labels, self.text = [], [], set(), ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def client(service, foreign_models):
    return service(foreign_models)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_has_nothing_in_it_that_runs_or_asks(client, path):
    page = Document(client.get(path).text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "style", "base", "video"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            assert re.match(r"/(?!/)|#|data:,$|http://evil\.test/pixel\.png$", attributes.get(name, "/x"))


@pytest.mark.parametrize("path", PAGES)
def test_every_field_has_a_label_and_every_table_a_head(client, path):
    page = Document(client.get(path).text)
    named = {attributes.get("for") for tag, attributes in page.elements if tag == "label"}
    kinds = {"textarea": None, "input": ("text", "number")}
    for tag, attributes in page.elements:
        if tag in kinds and (kinds[tag] is None or attributes.get("type") in kinds[tag]):
            assert attributes["id"] in named
    assert [tag for tag, _ in page.elements].count("h1") == 1
    tags = [tag for tag, _ in page.elements]
    assert tags.count("table") == tags.count("thead")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/models/none", "this registry has no model 'none'."),
        ("/models/reviews/v9", "model 'reviews' has no version v9; its versions are v1 to v3."),
        ("/nothing", "there is nothing at this address."),
        ("/models/reviews/v1/../../..%2fetc", "there is nothing at this address."),
        ("/models/reviews/vx", "there is nothing at this address."),
    ],
)
def test_what_is_not_there_is_a_page(client, path, said):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert said in Document(answer.text).text


@pytest.mark.parametrize("path", ["/compare", "/compare?left=reviews@v1&right=", "/compare?left=A&right=B", f"/models/{'x' * 64}"])
def test_what_makes_no_sense_is_a_page(client, path):
    answer = client.get(path)
    assert answer.status_code == 422
    assert "That cannot be shown" in Document(answer.text).text


@pytest.mark.parametrize("path", [f"/models/{HOSTILE}", f"/compare?left={HOSTILE}&right={HOSTILE}", f"/{HOSTILE}"])
def test_a_hostile_address_is_text(client, path):
    page = Document(client.get(path).text)
    assert not {"img", "script"} & {tag for tag, _ in page.elements}


def test_a_hostile_host_is_not_repeated(client):
    text = client.get("/", headers={"Host": 'x"><script>'}).text
    assert "DISTRNN_REGISTRY=http://HOST" in text
    assert "http://registry.test" in client.get("/").text


def test_the_public_address_is_what_people_are_told(service, foreign_models):
    client = service(foreign_models, public_url="https://models.example/registry/")
    text = client.get("/models/reviews/v1", headers={"Host": "inside:8080"}).text
    assert "--registry https://models.example/registry\n" in text
    assert "inside" not in text


def test_a_text_is_judged_where_it_was_typed(client):
    page = client.post("/models/reviews/v1/try", data={"text": f"good {HOSTILE}"})
    assert page.status_code == 200
    document = Document(page.text)
    assert f"good {HOSTILE}" in document.text
    assert [tag for tag, _ in document.elements].count("rect") == 4


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"text": "  "}, "there is no text to judge. Type one."),
        ({"text": "x" * 20_001}, "a text may have at most 20,000 characters. Received: 20,001"),
    ],
)
def test_a_text_that_cannot_be_judged_is_said_on_the_page(client, form, said):
    page = client.post("/models/reviews/v1/try", data=form)
    assert page.status_code == 422
    assert said in Document(page.text).text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"length": "x"}, "length must be a number. Received: 'x'"),
        ({"length": "501"}, "length must be 1 to 500 tokens. Received: 501"),
        (
            {"length": "5", "temperature": "-1"},
            "temperature must be a number, 0 or more; 0 always takes the most probable token. Received: -1.0",
        ),
        ({"length": "1e999"}, "length must be a number. Received: '1e999'"),
    ],
)
def test_what_a_language_model_cannot_write_is_said_on_the_page(client, form, said):
    page = client.post("/models/text/v1/try", data={"text": "a", **form})
    assert page.status_code == 422
    assert said in Document(page.text).text


@pytest.mark.parametrize("body", [b"\xff\xfe=\xff", b"text=" + b"&a=b" * 50, b"text=%00%ff%ed%a0%80", b"\0" * 100])
def test_a_form_that_is_none_is_no_failure(client, body):
    assert client.post("/models/reviews/v1/try", content=body).status_code in (200, 422)


def test_a_form_without_its_text_leads_back(client):
    answer = client.get("/models/reviews/v1/try")
    assert (answer.status_code, answer.headers["location"]) == (303, "http://registry.test/models/reviews/v1#try")


def test_pages_are_compressed_and_downloads_are_not(client, foreign_models):
    asked = {"Accept-Encoding": "gzip"}
    assert client.get("/models/reviews", headers=asked).headers["content-encoding"] == "gzip"
    download = client.get("/api/v1/models/reviews/versions/1/files/numpy/weights.npz", headers=asked)
    assert "content-encoding" not in download.headers


def test_an_empty_registry_says_how_to_begin(service, tmp_path):
    from distrnn import Registry

    text = service(Registry(tmp_path / "empty")).get("/").text
    assert "This registry is empty." in text


def test_metrics_are_those_of_the_registry_and_of_what_was_asked(service, published):
    client = service(metrics_age_s=0.0)
    client.get("/api/v1/models")
    client.get("/models/nothing")
    text = client.get("/metrics").text
    weights = sum({f.sha256: f.size_bytes for v in published.versions("reviews") for f in v.manifest.files}.values())
    weights += sum(f.size_bytes for f in published.resolve("text").manifest.files)
    for line in (
        "distrnn_registry_models 2.0",
        'distrnn_registry_model_versions{model="reviews"} 2.0',
        'distrnn_registry_alias_info{alias="production",model="reviews",version="v1"} 1.0',
        'distrnn_eval_accuracy_ratio{model="reviews",role="production"} 0.986',
        'distrnn_eval_accuracy_ratio{model="reviews",role="latest"} 0.99',
        f'distrnn_registry_stored_bytes{{state="referenced"}} {float(weights)}',
        'distrnn_registry_stored_bytes{state="unreferenced"} 0.0',
        'distrnn_registry_operations_total{operation="list_models",outcome="ok"} 1.0',
        'distrnn_registry_operations_total{operation="model_page",outcome="refused"} 1.0',
        'distrnn_registry_verification_failures_total{reason="file"} 0.0',
        "distrnn_registry_collection_errors_total 0.0",
    ):
        assert f"\n{line}\n" in f"\n{text}"
    published.set_alias("reviews", "production", 2)
    text = client.get("/metrics").text
    assert 'alias="production",model="reviews",version="v2"} 1.0' in text
    assert 'version="v1"' not in text


def test_the_registry_is_looked_at_once_in_a_while_whoever_scrapes(service, published):
    client = service(metrics_age_s=60.0)
    first = client.get("/metrics").text
    published.set_alias("reviews", "production", 2)
    second = client.get("/metrics").text
    stamp = next(line for line in first.splitlines() if line.startswith("distrnn_registry_collection_timestamp_seconds"))
    assert stamp in second
    assert 'version="v1"' in second


def test_a_registry_that_cannot_be_read_is_told_as_errors_and_older_figures_stay(service, published, monkeypatch):
    from distrnn.errors import StorageError
    from distrnn.storage.local import LocalStore

    client = service(metrics_age_s=0.0)
    client.get("/metrics")

    def fail(*_arguments, **_options):
        raise StorageError("the disk is gone")

    for name in ("find", "folders", "list", "read_many"):
        monkeypatch.setattr(LocalStore, name, fail)
    text = client.get("/metrics").text
    assert "distrnn_registry_collection_errors_total 1.0" in text
    assert "distrnn_registry_models 2.0" in text
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["error"]) == (503, "Storage")
    page = client.get("/")
    assert (page.status_code, "The registry does not answer" in page.text) == (503, True)
    assert client.get("/healthz").status_code == 200


def test_the_schedules_of_the_registry_are_told(service, published):
    from distrnn.retraining.book import Book
    from distrnn.retraining.state import State

    since = datetime(2026, 11, 27, tzinfo=UTC)
    state = State(workflow="weekly", cron="0 3 * * 1", timezone="UTC", since=since, last_check_at=since, counts={"refused": 2})
    assert Book(published.store).swap(state, None) is not None
    client = service(metrics_age_s=0.0)
    text = client.get("/metrics").text
    assert 'distrnn_workflow_runs_total{outcome="refused",workflow="weekly"} 2.0' in text
    assert f'distrnn_workflow_last_check_timestamp_seconds{{workflow="weekly"}} {since.timestamp()!r}'.split()[0] in text


@pytest.mark.parametrize(
    "changes",
    [{"counts": {"failed": 10**400}}, {"counts": {"x": 1}}, {"cron": "every day"}, {"workflow": "weekly"}, {"since": "2026-11-27"}],
)
def test_a_damaged_record_of_a_schedule_costs_its_own_figures_only(service, published, changes):
    import json

    from distrnn.registry.layout import schedule_key
    from distrnn.retraining.book import Book
    from distrnn.retraining.state import State

    state = State(workflow="weekly", cron="0 3 * * 1", timezone="UTC", since=datetime(2026, 11, 27, tzinfo=UTC), counts={"abandoned": 2})
    assert Book(published.store).swap(state, None) is not None
    damaged = {**state.model_dump(mode="json"), "workflow": "bad", **changes}
    published.store.put(schedule_key("bad"), json.dumps(damaged).encode())
    answer = service(metrics_age_s=0.0).get("/metrics")
    assert answer.status_code == 200
    assert [line for line in answer.text.splitlines() if line.startswith("distrnn_workflow_runs_total{")] == [
        'distrnn_workflow_runs_total{outcome="abandoned",workflow="weekly"} 2.0'
    ]
    assert "distrnn_registry_collection_errors_total 1.0" in answer.text


def test_one_damaged_document_costs_its_own_figures_only(service, published):
    from distrnn.registry.layout import version_key

    published.store.put(version_key("reviews", 1), b"{}")
    text = service(metrics_age_s=0.0).get("/metrics").text
    assert "distrnn_registry_models 2.0" in text
    assert 'distrnn_registry_model_versions{model="reviews"} 2.0' in text
    assert "distrnn_registry_collection_errors_total 2.0" in text
