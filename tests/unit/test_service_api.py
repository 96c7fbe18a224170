"""The REST of a registry service: what it answers, what it refuses, and how it says so."""

import json
import math
from contextlib import ExitStack
from hashlib import sha256

import pytest

from distrnn import Registry
from distrnn.registry import Rule
from distrnn.registry.layout import blob_key, version_key
from distrnn.registry.manifest import sealed
from distrnn.service import objects, trial
from fixtures_service import TOKEN
from manifests import unsealed

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def api(service, shelf):
    """A service that may only be asked."""
    return service(shelf)


@pytest.fixture
def own(service):
    """A service over `published`, which a test may change."""
    return service()


@pytest.fixture
def movable(service):
    from distrnn.service.tokens import Tokens

    return service(tokens=Tokens.of([TOKEN]))


def found(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer):
    body = answer.json()
    assert set(body) == {"error", "message", "code"}
    return answer.status_code, body["error"], body["message"]


def test_models_are_listed_by_name(api, shelf):
    listed = found(api.get("/api/v1/models"))
    assert listed["total"] == 2
    assert [(one["name"], one["versions_published"], one["latest"]["number"]) for one in listed["models"]] == [
        ("reviews", 2, 2),
        ("text", 1, 1),
    ]
    assert listed["models"][0]["aliases"]["production"]["number"] == 1


def test_a_page_of_the_list(api):
    assert [one["name"] for one in found(api.get("/api/v1/models?offset=1&limit=1"))["models"]] == ["text"]


def test_versions_are_newest_first_and_come_in_pages(api):
    first = found(api.get("/api/v1/models/reviews/versions?limit=1"))
    assert ([row["number"] for row in first["versions"]], first["next_before"]) == ([2], 2)
    second = found(api.get(f"/api/v1/models/reviews/versions?limit=1&before={first['next_before']}"))
    assert ([row["number"] for row in second["versions"]], second["next_before"]) == ([1], None)
    assert second["versions"][0]["aliases"] == ["production"]


def test_a_version_tells_everything(api, shelf):
    version = shelf.resolve("reviews@v1")
    document = found(api.get("/api/v1/models/reviews/versions/1"))
    assert document["digest"] == version.digest
    assert document["metadata"] == version.metadata
    assert document["files"] == [file.to_json() for file in version.manifest.files]


def test_a_card_is_markdown(api):
    assert "Judges **reviews**." in found(api.get("/api/v1/models/reviews/versions/1/card"))["text"]


@pytest.mark.parametrize(("reference", "number"), [("reviews", 2), ("reviews@production", 1), ("models:/reviews/1", 1)])
def test_a_reference_is_resolved(api, shelf, reference, number):
    assert found(api.get("/api/v1/resolve", params={"ref": reference})) == {
        "reference": reference,
        "name": "reviews",
        "number": number,
        "digest": shelf.resolve(f"reviews@v{number}").digest,
    }


def test_the_history_of_an_alias(api):
    record = found(api.get("/api/v1/models/reviews/aliases/production"))
    assert [(move["action"], move["to"], move["reason"]) for move in record["history"]] == [("set", 1, "the first")]
    assert found(api.get("/api/v1/models/reviews/aliases"))["aliases"] == [record]


def test_a_file_comes_with_its_digest(api, shelf):
    for file in shelf.resolve("reviews@v1").manifest.files:
        answer = api.get(f"/api/v1/models/reviews/versions/1/files/{file.path}")
        assert sha256(answer.content).hexdigest() == file.sha256
        assert answer.headers["etag"] == f'"{file.sha256}"'
        assert answer.headers["content-disposition"].startswith('attachment; filename="reviews-v1-')


def test_head_tells_the_size_and_sends_nothing(api, shelf):
    (file,) = [file for file in shelf.resolve("reviews@v1").manifest.files if file.path == "numpy/weights.npz"]
    answer = api.head("/api/v1/models/reviews/versions/1/files/numpy/weights.npz")
    assert (answer.status_code, answer.content, int(answer.headers["content-length"])) == (200, b"", file.size_bytes)


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=5-9", 206, 5, 10),
        ("bytes=-7", 206, -7, None),
        ("bytes=3-", 206, 3, None),
        ("bytes=0-99999999", 206, 0, None),
        ("bytes=9-5", 200, 0, None),
        ("bytes=0-1,4-5", 200, 0, None),
        ("lines=1-2", 200, 0, None),
        ("bytes=--1", 200, 0, None),
        ("bytes=99999999-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
    ],
)
def test_ranges(api, shelf, asked, status, start, end):
    (file,) = [file for file in shelf.resolve("reviews@v1").manifest.files if file.path == "numpy/weights.npz"]
    whole = shelf.store.read(blob_key("reviews", file.sha256))
    answer = api.get(f"/api/v1/store/{blob_key('reviews', file.sha256)}", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, whole[start:end])
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"


def test_what_the_client_has_is_not_sent_again(api, shelf):
    key = version_key("reviews", 1)
    first = api.get(f"/api/v1/store/{key}")
    assert first.content == shelf.store.read(key)
    again = api.get(f"/api/v1/store/{key}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_that_changed_is_not_continued(api):
    answer = api.get(f"/api/v1/store/{version_key('reviews', 1)}", headers={"Range": "bytes=5-", "If-Range": '"another"'})
    assert (answer.status_code, answer.content[:1]) == (200, b"{")


@pytest.mark.parametrize(
    "key",
    [
        "../secret.txt",
        "reviews/../../secret.txt",
        "reviews/versions/../gc.json",
        "..%2f..%2fetc/passwd",
        "%2e%2e/secret.txt",
        "reviews%2f..%2f..%2fsecret.txt",
        "reviews\\..\\secret.txt",
        "reviews/gc.json",
        "_pending/reviews/0123456789abcdef.json",
        "_schedules/x.json",
        ".locks/a.lock",
        "reviews/blobs/sha256/aa/../ab/x",
        f"reviews/blobs/sha256/ff/{'ab' * 32}",
        "reviews/versions/1.json",
        "reviews/versions/0000000001.json%00",
        "reviews/versions/" + "\N{ARABIC-INDIC DIGIT ONE}" * 10 + ".json",
        "/etc/passwd",
        "//etc/passwd",
        "x" * 500,
    ],
)
def test_no_path_leads_out_of_the_registry(api, key):
    answer = api.get(f"/api/v1/store/{key}")
    assert answer.status_code in (404, 422)
    assert refused(answer)[1] in ("NotFound", "Usage")


def test_a_file_that_no_version_has_is_not_handed_out(api):
    assert refused(api.get("/api/v1/models/reviews/versions/1/files/..%2f..%2f2/card"))[0] == 404
    assert refused(api.get("/api/v1/models/reviews/versions/1/files/numpy/other.npz")) == (
        404,
        "NotFound",
        "reviews@v1 has no such file. Its files: /api/v1/models/reviews/versions/1",
    )


@pytest.mark.parametrize("prefix", ["", "..", "../", "reviews", "reviews/", "reviews/gc", "_schedules/", "reviews/versions/../", "/etc/"])
def test_what_is_not_handed_out_is_not_listed(api, prefix):
    assert refused(api.get("/api/v1/keys", params={"prefix": prefix}))[:2] == (422, "Usage")


def test_keys_are_listed(api):
    listed = found(api.get("/api/v1/keys", params={"prefix": "reviews/versions/"}))
    assert [entry["key"] for entry in listed["entries"]] == [version_key("reviews", number) for number in (1, 2)]
    after = found(api.get("/api/v1/keys", params={"prefix": "reviews/versions/", "after": version_key("reviews", 1)}))
    assert [entry["key"] for entry in after["entries"]] == [version_key("reviews", 2)]
    assert found(api.get("/api/v1/keys?folders=true"))["folders"] == ["reviews", "text"]


def test_keys_come_in_pages(api, monkeypatch):
    monkeypatch.setattr(objects, "PAGE", 1)
    asked, pages = "", []
    while not pages or pages[-1]["more"]:
        pages.append(found(api.get("/api/v1/keys", params={"prefix": "reviews/versions/", "after": asked})))
        asked = pages[-1]["entries"][-1]["key"]
    assert [entry["key"] for page in pages for entry in page["entries"]] == [version_key("reviews", number) for number in (1, 2)]


def test_what_is_not_there_is_said_without_the_place_where_the_registry_lies(api, shelf):
    assert refused(api.get("/api/v1/models/revews")) == (
        404,
        "NotFound",
        "this registry has no model 'revews'. It has: reviews, ….",
    )
    for path in ("/api/v1/models/reviews/versions/9", "/api/v1/resolve?ref=reviews@none", "/api/v1/models/reviews/aliases/none", "/no"):
        answer = api.get(path)
        assert answer.status_code == 404
        assert shelf.url not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/models?limit=0",
        "/api/v1/models?limit=x",
        "/api/v1/models/Reviews",
        "/api/v1/models/reviews/versions/0",
        "/api/v1/models/reviews/versions/v1",
        "/api/v1/resolve",
        "/api/v1/resolve?ref=A",
        "/api/v1/models/reviews/aliases/latest",
    ],
)
def test_what_makes_no_sense_is_refused(api, path):
    assert refused(api.get(path))[:2] == (422, "Usage")


def test_a_damaged_document_is_the_registrys_fault_and_is_counted(own, published):
    published.store.put(version_key("reviews", 2), b"{}")
    assert refused(own.get("/api/v1/models/reviews/versions/2"))[:2] == (500, "Integrity")
    assert 'distrnn_registry_verification_failures_total{reason="document"} 1.0' in own.get("/metrics").text


def test_metadata_that_json_and_utf8_cannot_carry_is_shown_all_the_same(own, published):
    document = {
        **json.loads(unsealed(published.store.read(version_key("reviews", 2)))),
        "metadata": {"labels": ["\ud800"], "x": [math.nan]},
    }
    published.store.put(version_key("reviews", 2), sealed(json.dumps(document, indent=1).encode()))
    assert found(own.get("/api/v1/models/reviews/versions/2"))["metadata"] == {"labels": ["?"], "x": [None]}
    assert own.get("/models/reviews/v2").status_code == 200


def test_reading_needs_no_token_and_moving_does(api, movable):
    to = {"version": 2, "reason": "better"}
    assert refused(api.put("/api/v1/models/reviews/aliases/production", json=to, headers=BEARER))[0] == 403
    for wrong in ({}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": TOKEN}):
        answer = movable.put("/api/v1/models/reviews/aliases/production", json=to, headers=wrong)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    record = found(movable.put("/api/v1/models/reviews/aliases/production", json=to, headers=BEARER))
    assert (record["number"], record["history"][-1]["reason"]) == (2, "better")


def test_a_guarded_alias_is_moved_by_its_gate_only(movable, published):
    published.guard("reviews", "production", [Rule.parse("accuracy min=0.988")])
    to = {"version": 2}
    assert refused(movable.put("/api/v1/models/reviews/aliases/production", json=to, headers=BEARER))[:2] == (409, "GateRefused")
    decided = found(movable.post("/api/v1/models/reviews/aliases/production/promote", json=to, headers=BEARER))
    assert (decided["decision"], published.alias("reviews", "production").number) == ("promoted", 2)
    back = found(movable.post("/api/v1/models/reviews/aliases/production/promote", json={"version": 1}, headers=BEARER))
    assert (back["decision"], published.alias("reviews", "production").number) == ("refused", 2)


def test_a_model_is_tried(api):
    answer = found(api.post("/api/v1/models/reviews/versions/1/predict", json={"texts": ["a good film", "bad"]}))
    assert [one["text"] for one in answer["predictions"]] == ["a good film", "bad"]
    assert sum(answer["predictions"][0]["probabilities"].values()) == pytest.approx(1.0)
    assert answer["version"]["number"] == 1


def test_a_prediction_is_the_one_that_the_command_line_gives(api, shelf):
    from distrnn import load_model

    (answer,) = found(api.post("/api/v1/models/reviews/versions/1/predict", json={"texts": ["a good film"]}))["predictions"]
    assert answer["probabilities"]["positive"] == pytest.approx(float(load_model("reviews@v1", shelf).predict(["a good film"])[0]))


def test_a_language_model_goes_on(api):
    asked = {"prompt": "a cab", "length": 7, "seed": 1}
    first, second = (found(api.post("/api/v1/models/text/versions/1/generate", json=asked)) for _ in range(2))
    assert len(first["text"]) == 7
    assert first == second


def test_what_a_model_cannot_do_is_said(api):
    assert refused(api.post("/api/v1/models/text/versions/1/predict", json={"texts": ["a"]})) == (
        422,
        "Usage",
        "predict needs a classifier. This is a language model; use generate.",
    )


@pytest.mark.parametrize(
    ("settings", "texts", "message"),
    [
        ({"text_characters": 5}, ["123456"], "a text may have at most 5 characters. Received: 6"),
        ({"texts": 1}, ["a", "b"], "at most 1 texts at once. Received: 2"),
        ({"model_bytes": 10}, ["a"], "reviews@v1 cannot be tried here: it has no NumPy form, or too large a one. Pull it."),
    ],
)
def test_trying_has_limits(service, settings, texts, message):
    answer = service(**settings).post("/api/v1/models/reviews/versions/1/predict", json={"texts": texts})
    assert refused(answer) == (422, "Usage", message)


def test_who_would_wait_behind_too_many_is_told_to_come_back(api):
    trials = api.app.state.distrnn.trials
    with ExitStack() as stack:
        for _ in range(trial.AT_ONCE + trial.WAITING):
            trials._places.acquire()
            stack.callback(trials._places.release)
        assert refused(api.post("/api/v1/models/reviews/versions/1/predict", json={"texts": ["a"]})) == (
            503,
            "Conflict",
            "too many models are being tried at this moment. Try again in a while, or pull the model.",
        )
    assert found(api.post("/api/v1/models/reviews/versions/1/predict", json={"texts": ["a"]}))


def test_a_request_that_is_too_large_is_refused_however_it_comes(service):
    client = service(body_bytes=1000)
    path = "/api/v1/models/reviews/versions/1/predict"
    assert refused(client.post(path, content=b"x" * 1001)) == (413, "TooLarge", "a request may have at most 1,000 bytes.")
    assert refused(client.post(path, content=iter([b"x" * 600, b"x" * 600])))[0] == 413
    assert refused(client.post(path, content=b"x", headers={"Content-Length": "-5"}))[0] == 413


def test_a_client_that_asks_too_often_is_told_when_to_come_back(service):
    client = service(requests_per_s=0.5)
    assert client.get("/api/v1/models").status_code == 200
    answer = client.get("/api/v1/models")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert refused(answer) == (429, "TooManyRequests", "too many requests from one client. Try again in 2 s.")
    assert client.get("/healthz").json() == {"status": "ok"}


def test_every_answer_carries_the_security_headers(api):
    for path in ("/", "/style.css", "/api/v1/models", "/nothing", "/api/v1/nothing", "/metrics", "/openapi.json"):
        headers = api.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none';")
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_an_error_that_nobody_foresaw_says_nothing_of_itself(service, published, monkeypatch):
    client = service()
    monkeypatch.setattr(Registry, "summary", lambda *_: 1 / 0)
    assert refused(client.get("/api/v1/models/reviews")) == (
        500,
        "Internal",
        "something went wrong in this service; its log says what",
    )


def test_who_moved_an_alias_sees_it_at_once(service):
    from distrnn.service.tokens import Tokens

    client = service(tokens=Tokens.of([TOKEN]), page_age_s=60.0)
    assert found(client.get("/api/v1/resolve?ref=reviews@production"))["number"] == 1
    found(client.put("/api/v1/models/reviews/aliases/production", json={"version": 2}, headers=BEARER))
    assert found(client.get("/api/v1/resolve?ref=reviews@production"))["number"] == 2


def test_what_is_shown_may_be_a_moment_old_and_what_is_pulled_is_not(service, published):
    client = service(page_age_s=60.0)
    shown, pulled = "/api/v1/models/reviews/aliases/production", "/api/v1/store/reviews/aliases/production.json"
    before = [client.get(path).json()["number"] for path in (shown, pulled)]
    published.set_alias("reviews", "production", 2)
    assert (before, [client.get(path).json()["number"] for path in (shown, pulled)]) == ([1, 1], [1, 2])


def test_a_method_that_is_not_taken(api):
    assert refused(api.delete("/api/v1/models/reviews"))[:2] == (405, "Usage")
    assert refused(api.put("/api/v1/store/reviews/versions/0000000001.json", content=b"{}"))[0] == 405


def test_openapi_describes_every_path(api):
    document = found(api.get("/openapi.json"))
    assert document["openapi"].startswith("3.1")
    assert {"/api/v1/models", "/api/v1/resolve", "/api/v1/store/{key}", "/api/v1/keys"} <= set(document["paths"])
    assert all(path.startswith("/api/v1/") for path in document["paths"])


def test_ready_where_the_registry_can_be_read(api):
    assert found(api.get("/readyz")) == {"status": "ready"}
