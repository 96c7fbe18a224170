"""`distrnn serve` as a process, and the command line of a machine that has neither credentials nor TensorFlow on the other side."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from distrnn import Registry, load_model
from distrnn.errors import AccessError, IntegrityError, NotFoundError, StorageError, UsageError
from distrnn.registry.layout import blob_key
from distrnn.registry.maintenance import Maintenance
from distrnn.storage import open_store
from fixtures_client import result_of
from fixtures_s3 import free_ports
from fixtures_service import TOKEN, classifier


@pytest.fixture(scope="module")
def running(serving, foreign_models):
    return serving(foreign_models.url, "--requests-per-second", "0")


@pytest.fixture
def registry(tmp_path):
    """A registry that a test may change: `reviews` with one version, in production."""
    registry = Registry(tmp_path / "registry")
    version = registry.publish("reviews", classifier(tmp_path / "model", 1), metadata={"task": "classifier", "metrics": {"accuracy": 0.9}})
    registry.set_alias("reviews", "production", version)
    return registry


@pytest.fixture
def remote(client, running, tmp_path):
    """`distrnn` on the other machine, whose registry is the service."""

    def run(*arguments):
        return client("-m", "distrnn", *arguments, env={"DISTRNN_HOME": str(tmp_path / "home"), "DISTRNN_REGISTRY": running.url})

    return run


def test_a_machine_without_credentials_pulls_and_predicts(remote, foreign_models, tmp_path):
    pulled = result_of(remote("pull", "reviews@production", "--dest", str(tmp_path / "mine"), "--json"))
    assert pulled["digest"] == foreign_models.resolve("reviews@v1").digest
    assert (tmp_path / "mine" / "numpy" / "weights.npz").read_bytes() == foreign_models.store.read(weights_key(foreign_models))
    (answer,) = result_of(remote("predict", "reviews@production", "a good film", "--json"))
    assert answer["probabilities"]["positive"] == pytest.approx(float(load_model("reviews@v1", foreign_models).predict(["a good film"])[0]))


def test_what_was_pulled_is_there_offline(remote):
    result_of(remote("pull", "reviews", "--json"))
    assert result_of(remote("pull", "reviews", "--offline", "--json"))["number"] == 3


@pytest.mark.parametrize(
    "verb", [("models", "list"), ("models", "list", "--versions"), ("models", "show", "reviews@v1"), ("models", "history", "reviews")]
)
def test_reading_verbs_say_over_http_what_they_say_of_the_folder(remote, distrnn_command, foreign_models, verb):
    there = result_of(distrnn_command(*verb, "--json", env={"DISTRNN_REGISTRY": foreign_models.url}))
    assert result_of(remote(*verb, "--json")) == there


def test_a_registry_can_be_verified_over_http(remote):
    done = remote("models", "verify", "--json")
    assert done.returncode == 0, done.stderr


def test_a_text_is_written_over_http(remote):
    assert len(result_of(remote("generate", "text", "--length", "12", "--json"))["text"]) == 12


def test_the_command_on_the_page_checks_a_signature(serving, registry, key_pair, new_keys, distrnn_command):
    Maintenance(registry).sign("reviews@v1", key_pair.private)
    running = serving(registry.url)
    with urllib.request.urlopen(f"{running.url}/models/reviews/v1", timeout=30) as answer:
        (shown,) = re.findall(r"<pre[^>]*>(distrnn pull [^<]*--require-signature FILE)</pre>", answer.read().decode())
    arguments = shlex.split(shown.replace("\\\n", ""))[1:-1]
    assert result_of(distrnn_command(*arguments, str(key_pair.public), "--json"))["number"] == 1
    assert distrnn_command(*arguments, str(new_keys("other").public)).returncode == 5


def test_writing_is_refused(remote, running):
    done = remote("models", "alias", "set", "reviews", "candidate", "1")
    assert done.returncode == 7
    assert done.stderr.splitlines()[-1] == (
        f"error: {running.url} is a registry service, which can be read only. To publish, to move aliases or to look after the registry, "
        "name the storage behind it: --registry s3://… or a folder."
    )


def test_what_does_not_exist_is_not_found(remote):
    done = remote("pull", "revews")
    assert (done.returncode, "no model 'revews'" in done.stderr) == (3, True)


def test_a_machine_that_has_not_the_extra_is_told_how_to_get_it(client, tmp_path):
    done = client("-m", "distrnn", "serve", env={"DISTRNN_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr == (
        "error: distrnn serve needs packages that are not installed: fastapi, uvicorn, jinja2. Install them with: pip install "
        "'distrnn[serve]'\n"
    )


def test_altered_bytes_are_noticed_by_who_pulls(serving, registry, fresh_home):
    store = registry.store
    key = weights_key(registry)
    running = serving(registry.url)
    Path(store.url, key).chmod(0o644)
    Path(store.url, key).write_bytes(b"x" * store.size(key))
    with pytest.raises(IntegrityError, match=r"numpy/weights.npz of reviews@v1 is damaged in the registry"):
        Registry(running.url).pull("reviews")


def test_a_large_file_comes_whole_in_ranges(serving, registry, tmp_path, fresh_home, monkeypatch):
    from distrnn.storage import download

    monkeypatch.setattr(download, "PART_BYTES", 1 << 20)
    folder = classifier(tmp_path / "large", 2)
    (folder / "numpy" / "extra.bin").write_bytes(bytes(range(256)) * 20_000)
    registry.publish("large", folder, metadata={"task": "classifier"})
    pulled = Registry(serving(registry.url, "--requests-per-second", "0").url).pull("large")
    assert (pulled / "numpy" / "extra.bin").read_bytes() == bytes(range(256)) * 20_000


def test_a_registry_on_a_real_server_is_handed_out(serving, rgw_s3, tmp_path, fresh_home, monkeypatch):
    rgw_s3.use(monkeypatch)
    url = rgw_s3.new_url()
    registry = Registry(url)
    registry.publish("reviews", classifier(tmp_path / "model", 1), metadata={"task": "classifier"})
    running = serving(url)
    for name in rgw_s3.environment:
        monkeypatch.delenv(name)
    model = load_model("reviews", running.url)
    assert model.predict(["a good film"]).shape == (1,)
    assert get(f"{running.url}/readyz") == {"status": "ready"}


def test_a_new_version_is_seen_at_once_by_who_pulls(serving, registry, tmp_path, fresh_home):
    running = serving(registry.url)
    other = Registry(running.url)
    assert other.resolve("reviews").number == 1
    registry.publish("reviews", classifier(tmp_path / "second", 2), metadata={"task": "classifier"})
    assert other.resolve("reviews").number == 2
    assert other.resolve("reviews@production").number == 1


def test_aliases_are_moved_with_a_token_from_the_environment(serving, registry):
    running = serving(registry.url, env={"DISTRNN_SERVE_TOKEN": TOKEN})
    assert running.started["moves"] is True
    body = json.dumps({"version": 1, "reason": "tried"}).encode()
    request = urllib.request.Request(f"{running.url}/api/v1/models/reviews/aliases/stage", body, method="PUT")
    request.add_header("Content-Type", "application/json")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 401
    refused.value.close()
    request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["number"] == 1
    assert registry.alias("reviews", "stage").history[-1].reason == "tried"
    assert TOKEN not in running.log


def test_sigterm_lets_a_download_end(serving, registry, tmp_path):
    folder = classifier(tmp_path / "large", 2)
    (folder / "numpy" / "extra.bin").write_bytes(b"y" * (32 << 20))
    version = registry.publish("large", folder, metadata={"task": "classifier"})
    running = serving(registry.url)
    received = []
    with urllib.request.urlopen(f"{running.url}/api/v1/models/large/versions/{version.number}/files/numpy/extra.bin", timeout=60) as answer:
        received.append(len(answer.read(1 << 20)))
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        while piece := answer.read(1 << 20):
            received.append(len(piece))
    stopping.join(60)
    assert (sum(received), running.process.returncode) == (32 << 20, 0)
    assert "GET /api/v1/models/large/versions/1/files/numpy/extra.bin" in running.log
    assert "Traceback" not in running.log


def test_sigint_ends_it_too(serving, registry):
    running = serving(registry.url)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(30) == 0


def test_a_port_that_is_taken(registry):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve("--registry", registry.url, "--port", str(port))
    assert (done.returncode, done.stderr) == (
        6,
        f"error: port {port} of 127.0.0.1 is taken. Choose another one with --port; 0 takes any that is free.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--host", "192.0.2.1"), 2, "cannot listen on 192.0.2.1, port 0: "),
        (("--public-url", "ftp://x"), 2, "--public-url must be http://host:port or https://host/path. Received: 'ftp://x'"),
        (("--requests-per-second", "-1"), 2, "--requests-per-second must be 0 (no limit) or more. Received: -1.0"),
        (("--token-file", "nothing.txt"), 3, "no file 'nothing.txt' to read tokens from."),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_listens(registry, arguments, code, message):
    done = serve("--registry", registry.url, "--port", "0", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"error: {message}")


def test_a_service_that_is_not_there(fresh_home):
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(StorageError) as caught:
        Registry(url).resolve("reviews")
    assert caught.value.message.startswith("the registry service does not answer, so http://127.0.0.1:")


def test_an_address_of_something_else(serving, registry, fresh_home):
    running = serving(registry.url)
    assert open_store(f"{running.url}").find("reviews/versions/0000000009.json") is None
    with pytest.raises(StorageError) as caught:
        open_store(f"{other_server()}").find("reviews/versions/0000000001.json")
    assert caught.value.message.endswith("was not answered by a registry service. Expected the URL that `distrnn serve` printed.")


@pytest.mark.parametrize("url", ["http://", "http://u:p@host", "http://host?x=1", "http://host/../x", "https://host:99999"])
def test_an_address_that_is_none(url):
    with pytest.raises(UsageError):
        open_store(url)


def test_every_write_is_refused(running, tmp_path):
    store = open_store(running.url)
    (tmp_path / "file").write_bytes(b"x")
    writes = [
        lambda: store.put("a", b""),
        lambda: store.create_if_absent("a", b""),
        lambda: store.compare_and_swap("a", b"", None),
        lambda: store.put_file("a", tmp_path / "file"),
        lambda: store.delete("a"),
        lambda: Registry(running.url).check_publish("mine"),
    ]
    for write in writes:
        with pytest.raises(AccessError, match=r"is a registry service, which can be read only"):
            write()


def test_reads_say_what_a_folder_says(running, foreign_models):
    there, here = foreign_models.store, open_store(running.url)
    key = weights_key(foreign_models)
    size = there.size(key)
    assert here.size(key) == size
    assert here.read_range(key, 5, 17) == there.read_range(key, 5, 17)
    assert here.read_range(key, size, size + 5) == b""
    assert here.find("reviews/versions/0000000099.json") is None
    with pytest.raises(NotFoundError):
        here.read("reviews/versions/0000000099.json")
    with pytest.raises(IntegrityError, match=r"expected at most 10 bytes"):
        here.read(key, limit_bytes=10)
    keys = [entry.key for entry in there.list("reviews/versions/")]
    assert [entry.key for entry in here.list("reviews/versions/")] == keys
    assert [entry.key for entry in here.list("reviews/versions/", after=keys[0])] == keys[1:]
    assert list(here.folders()) == ["reviews", "text"]
    assert list(here.read_many([*keys, "reviews/versions/0000000099.json"])) == [
        *((one, there.read(one)) for one in keys),
        ("reviews/versions/0000000099.json", None),
    ]


def weights_key(registry):
    files = registry.resolve("reviews@v1").manifest.files
    return blob_key("reviews", next(file.sha256 for file in files if file.path == "numpy/weights.npz"))


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def status(running, headers):
    """How a request with these headers is answered."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{running.url}/api/v1/models", headers=headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def serve(*arguments):
    command = [sys.executable, "-m", "distrnn", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def other_server():
    """A server that answers 404 to everything and is no registry service."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_the_doctor_says_whether_the_service_answers(remote, running, client, tmp_path):
    found = result_of(remote("doctor", "--json"))["places"]["registry"]
    assert (found["usable"], found["endpoint"], found["problem"]) == (True, running.url, None)
    gone = f"http://127.0.0.1:{free_ports(1)[0]}"
    done = client("-m", "distrnn", "doctor", "--json", env={"DISTRNN_HOME": str(tmp_path / "home"), "DISTRNN_REGISTRY": gone})
    found = json.loads(done.stdout)["places"]["registry"]
    assert (done.returncode, found["usable"]) == (1, False)
    assert found["problem"].startswith("the registry service does not answer")


def test_a_client_is_not_believed_who_it_is(serving, registry):
    running = serving(registry.url, "--requests-per-second", "0.5", env={"FORWARDED_ALLOW_IPS": "*"})
    said = [{"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"} for number in (1, 2, 3)]
    assert [status(running, headers) for headers in said] == [200, 429, 429]
    assert "192.0.2." not in running.log


def test_behind_a_proxy_clients_are_told_apart_by_what_the_proxy_says(serving, registry):
    running = serving(registry.url, "--requests-per-second", "0.01", "--public-url", "https://models.example")
    said = ("192.0.2.1", "192.0.2.2", "192.0.2.7, 192.0.2.1", "192.0.2.1, 192.0.2.3")
    assert [status(running, {"X-Forwarded-For": value}) for value in said] == [200, 200, 429, 200]
    assert "192.0.2.1:0 - " in running.log
    assert "192.0.2.7" not in running.log


def test_a_service_that_slows_its_clients_down_is_waited_for(serving, foreign_models):
    running = serving(foreign_models.url, "--requests-per-second", "5")
    keys = [f"reviews/versions/{number:010d}.json" for number in range(1, 21)]
    found = dict(open_store(running.url).read_many(keys))
    assert [key for key, body in found.items() if body is not None] == keys[:3]
    assert '" 429' in running.log
