"""One behaviour suite of the registry for every back end: a folder, moto and a real Ceph RGW."""

import json
import os
import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from distrnn.errors import AccessError, ConflictError, GateRefusedError, IntegrityError, NotFoundError, UsageError
from distrnn.registry import Registry, Rule
from distrnn.registry.layout import content_prefix
from distrnn.registry.maintenance import Maintenance
from distrnn.storage import open_store
from fixtures_s3 import BUCKET
from manifests import resealed
from storage_doubles import Watched

FILES = {
    "preprocessing.json": b'{"task": "classifier"}',
    "numpy/model.json": b'{"layers": []}',
    "numpy/weights.npz": bytes(range(256)) * 40,
    "keras/model.keras": b"keras",
}
FORM = ("numpy/model.json", "numpy/weights.npz", "preprocessing.json")


@pytest.fixture
def store(storage_url):
    return open_store(storage_url)


@pytest.fixture
def registry(storage_url) -> Registry:
    return Registry(storage_url)


@pytest.fixture
def folder(tmp_path) -> Path:
    return write(tmp_path / "model", FILES)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


def publish_new(registry: Registry, folder: Path, name: str = "imdb", **metadata):
    """Publish the same files as a version of its own: each time they come from another dataset."""
    lineage = {"dataset": uuid.uuid4().hex, **metadata.pop("lineage", {})}
    return registry.publish(name, folder, metadata={**metadata, "lineage": lineage})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def blob(name: str, body: bytes) -> str:
    digest = sha256(body).hexdigest()
    return f"{name}/blobs/sha256/{digest[:2]}/{digest}"


# publish and resolve


def test_a_version_is_found_by_every_kind_of_reference(registry, folder):
    first = registry.publish("imdb", folder, metadata={"metrics": {"accuracy": 0.8}})
    second = publish_new(registry, folder)
    registry.set_alias("imdb", "best", 1)
    hexadecimal = first.digest.removeprefix("sha256:")
    references = ["imdb@v1", "imdb@best", f"imdb@{first.digest}", f"imdb@sha256:{hexadecimal[:12]}", "models:/imdb@best", "models:/imdb/1"]
    assert [registry.resolve(reference) for reference in references] == [first] * 6
    assert [registry.resolve(reference) for reference in ("imdb", "imdb@latest")] == [second] * 2


def test_a_manifest_says_everything(registry, store, folder):
    version = registry.publish("imdb", folder, metadata={"labels": ["negative", "positive"], "lineage": {"run_id": "r1"}})
    body = store.read("imdb/versions/0000000001.json")
    document = json.loads(body)
    assert version.digest == f"sha256:{sha256(body).hexdigest()}"
    assert sorted(document) == ["attempt", "checksum", "created_at", "files", "metadata", "name", "number", "schema_version"]
    assert (document["schema_version"], document["name"], document["number"]) == (1, "imdb", 1)
    assert document["metadata"] == {"labels": ["negative", "positive"], "lineage": {"run_id": "r1"}}
    form = {"preprocessing.json": None, "keras/model.keras": "keras"}
    assert document["files"] == [
        {"path": path, "size_bytes": len(FILES[path]), "sha256": sha256(FILES[path]).hexdigest(), "form": form.get(path, "numpy")}
        for path in sorted(FILES)
    ]


def test_the_store_holds_what_the_layout_says_and_nothing_else(registry, store, folder):
    registry.publish("imdb", folder, metadata={})
    registry.set_alias("imdb", "best", 1)
    blobs = sorted(blob("imdb", body) for body in FILES.values())
    (content,) = (entry.key for entry in store.list(content_prefix("imdb")))
    assert [entry.key for entry in store.list()] == [
        "_catalog/imdb.json",
        "imdb/aliases/best.json",
        *blobs,
        content,
        "imdb/versions/0000000001.json",
    ]


def test_models_and_versions_are_listed(registry, folder):
    for name in ("b-model", "a-model", "b-model"):
        publish_new(registry, folder, name)
    assert registry.names() == ["a-model", "b-model"]
    assert [version.number for version in registry.versions("b-model")] == [2, 1]


def test_publishers_that_race_get_consecutive_numbers(registry, tmp_path):
    barrier = threading.Barrier(4)

    def publish(publisher: int) -> list[tuple[int, str]]:
        own = write(tmp_path / str(publisher), {**FILES, "numpy/weights.npz": f"of {publisher}".encode()})
        barrier.wait()
        made = [publish_new(registry, own, publisher=publisher) for _ in range(3)]
        return [(version.number, version.digest) for version in made]

    with ThreadPoolExecutor(4) as pool:
        made = sorted(pair for pairs in pool.map(publish, range(4)) for pair in pairs)
    found = registry.versions("imdb")
    assert [number for number, _ in made] == list(range(1, 13))
    assert [(version.number, version.digest) for version in reversed(found)] == made
    assert contents(registry.pull("imdb@v7"))["numpy/weights.npz"] == f"of {found[12 - 7].metadata['publisher']}".encode()


@pytest.mark.parametrize("step", ["put", "put_file", "create_if_absent"])
def test_a_publisher_killed_before_the_commit_leaves_nothing_visible(registry, store, folder, step):
    registry.publish("imdb", folder, metadata={})
    (folder / "numpy" / "weights.npz").write_bytes(b"new weights")
    killed_at(lambda publisher: publisher.publish("imdb", folder, metadata={}), store, before=step)
    assert [version.number for version in registry.versions("imdb")] == [1]
    assert registry.publish("imdb", folder, metadata={}).number == 2


def test_a_publisher_killed_right_after_the_commit_has_published(registry, store, folder):
    killed_at(lambda publisher: publisher.publish("imdb", folder, metadata={}), store, after="create_if_absent")
    assert (registry.resolve("imdb").number, sorted(contents(registry.pull("imdb")))) == (1, sorted(FORM))


def killed_at(verb, store, *, before: str | None = None, after: str | None = None) -> None:
    """Run a verb in a child that is killed at a step of the store."""

    def kill(step: str | None):
        return lambda name, key: os.kill(os.getpid(), signal.SIGKILL) if name == step else None

    child = os.fork()
    if child == 0:
        try:
            verb(Registry(store=Watched(store, before=kill(before), after=kill(after))))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_publisher_says_which_blobs_it_is_about_to_use(registry, store, folder):
    seen = []

    def look(name: str, key: str) -> None:
        if name == "create_if_absent":
            seen.extend(json.loads(store.read(entry.key)) for entry in store.list("_pending/imdb/"))

    version = Registry(store=Watched(store, before=look)).publish("imdb", folder, metadata={})
    (pending,) = seen
    assert pending["attempt"] == version.manifest.attempt
    assert pending["digests"] == sorted(file.sha256 for file in version.manifest.files)
    assert pending["expires_at"] > pending["started_at"]
    assert list(store.list("_pending/")) == []


def test_the_newest_version_is_found_whatever_the_catalog_says(registry, store, folder):
    for _ in range(3):
        publish_new(registry, folder)
    truth = json.loads(store.read("_catalog/imdb.json"))
    for body in (b"{}", b"not json", json.dumps({**truth, "head": 1}).encode(), json.dumps({**truth, "head": 4000}).encode()):
        store.put("_catalog/imdb.json", body)
        assert registry.resolve("imdb").number == 3
    store.delete("_catalog/imdb.json")
    assert (registry.resolve("imdb").number, publish_new(registry, folder).number) == (3, 4)


def test_the_same_content_published_again_is_the_version_that_exists(registry, store, folder):
    first = registry.publish("imdb", folder, metadata={"lineage": {"dataset": "d", "workflow": {"epochs": 1}, "run_id": "r1"}})
    (folder / "README.md").write_text("A card is no content.")
    again = registry.publish("imdb", folder, metadata={"lineage": {"dataset": "d", "workflow": {"epochs": 1}, "run_id": "r2"}})
    assert again == first
    others = [{"dataset": "other", "workflow": {"epochs": 1}}, {"dataset": "d", "workflow": {"epochs": 2}}]
    assert [registry.publish("imdb", folder, metadata={"lineage": lineage}).number for lineage in others] == [2, 3]
    (folder / "numpy" / "model.json").write_bytes(b"{}")
    assert registry.publish("imdb", folder, metadata={"lineage": others[0]}).number == 4


def test_a_deleted_version_is_passed_over_and_its_number_is_not_used_again(registry, folder):
    for _ in range(3):
        publish_new(registry, folder)
    Maintenance(registry).delete("imdb@v3", reason="wrong data")
    assert (registry.resolve("imdb").number, [version.number for version in registry.versions("imdb")]) == (2, [2, 1])
    with pytest.raises(NotFoundError) as caught:
        registry.resolve("imdb@v3")
    today = datetime.now(UTC).date()
    assert caught.value.message == (
        f"imdb@v3 was deleted on {today}: wrong data. Choose another version; `distrnn models show imdb` lists them."
    )
    assert publish_new(registry, folder).number == 4


def test_content_that_was_deleted_is_published_under_a_new_number(registry, folder):
    registry.publish("imdb", folder, metadata={})
    Maintenance(registry).delete("imdb@v1", reason="by mistake")
    assert registry.publish("imdb", folder, metadata={}).number == 2
    assert registry.publish("imdb", folder, metadata={}).number == 2


def test_a_version_that_an_alias_holds_is_not_deleted(registry, folder):
    publish_new(registry, folder)
    registry.set_alias("imdb", "best", 1)
    with pytest.raises(ConflictError) as caught:
        Maintenance(registry).delete("imdb@v1", reason="old")
    assert caught.value.message == "imdb@v1 is held by imdb@best, so it was not deleted. Move or delete the alias first."
    assert registry.resolve("imdb@best").number == 1


def test_what_does_not_exist_is_named_with_what_does(registry, folder):
    publish_new(registry, folder)
    publish_new(registry, folder)
    registry.set_alias("imdb", "production", 2)
    messages = {}
    for reference in ("imbd", "imdb@prod", "imdb@v9", "imdb@sha256:000000000000"):
        with pytest.raises(NotFoundError) as caught:
            registry.resolve(reference)
        messages[reference] = caught.value.message
    assert messages == {
        "imbd": f"registry {registry.url} has no model 'imbd'. It has: imdb.",
        "imdb@prod": "model 'imdb' has no alias 'prod'. It has: production.",
        "imdb@v9": "model 'imdb' has no version v9; its versions are v1 to v2.",
        "imdb@sha256:000000000000": f"no version of 'imdb' in {registry.url} has a digest that begins with 000000000000.",
    }


def test_the_version_of_a_run_is_found_again(registry, folder):
    for run_id in ("r1", "r2", "r1"):
        publish_new(registry, folder, lineage={"run_id": run_id})
    registry.publish("imdb", folder, metadata={"lineage": "by hand"})
    found = [registry.published_by("imdb", run_id) for run_id in ("r1", "r2", "r3")]
    assert [version and version.number for version in found] == [3, 2, None]
    assert registry.published_by("other", "r1") is None


def test_an_empty_registry_says_so(registry):
    with pytest.raises(NotFoundError) as caught:
        registry.versions("imdb")
    assert caught.value.message == f"registry {registry.url} has no model 'imdb'. It is empty; publish a model first."
    assert registry.names() == []


# aliases


def test_an_alias_remembers_its_moves(registry, folder):
    for _ in range(2):
        publish_new(registry, folder)
    registry.set_alias("imdb", "best", 1, run_id="r1")
    registry.set_alias("imdb", "best", 2)
    registry.delete_alias("imdb", "best")
    record = registry.alias("imdb", "best")
    assert [(move.action, move.from_number, move.to_number, move.run_id) for move in record.history] == [
        ("set", None, 1, "r1"),
        ("set", 1, 2, None),
        ("delete", 2, None, None),
    ]
    assert registry.aliases("imdb") == {}


def test_movers_that_race_leave_an_unbroken_history(registry, folder):
    for _ in range(4):
        publish_new(registry, folder)

    def move(mover: int) -> None:
        for turn in range(4):
            registry.set_alias("imdb", "best", 1 + (mover + turn) % 4, run_id=f"{mover}.{turn}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(move, range(4)))
    history = registry.alias("imdb", "best").history
    assert [move.from_number for move in history] == [None, *(move.to_number for move in history[:-1])]
    assert len({move.run_id for move in history}) == len(history)
    assert history[-1].to_number == registry.resolve("imdb@best").number


def test_an_alias_that_went_away_and_came_back_meanwhile_is_noticed(registry, store, folder):
    for _ in range(3):
        publish_new(registry, folder)
    registry.set_alias("imdb", "best", 1)

    def go_and_come_back(name: str, key: str) -> None:
        if name == "compare_and_swap" and key == "imdb/aliases/best.json" and disturbed.calls["compare_and_swap"] == 1:
            registry.set_alias("imdb", "best", 2)
            registry.set_alias("imdb", "best", 1)

    disturbed = Watched(store, before=go_and_come_back)
    Registry(store=disturbed).set_alias("imdb", "best", 3)
    history = registry.alias("imdb", "best").history
    assert [(move.from_number, move.to_number) for move in history] == [(None, 1), (1, 2), (2, 1), (1, 3)]
    written = [name for name in disturbed.keys["compare_and_swap"] if name == "imdb/aliases/best.json"]
    assert len(written) == 2


def test_an_alias_moves_to_versions_that_exist_only(registry, folder):
    registry.publish("imdb", folder, metadata={})
    with pytest.raises(NotFoundError) as caught:
        registry.set_alias("imdb", "best", 2)
    assert caught.value.message == "model 'imdb' has no version v2; it has v1 only."
    with pytest.raises(UsageError, match="alias 'latest' is reserved"):
        registry.set_alias("imdb", "latest", 1)


def test_a_version_is_given_to_an_alias_in_every_way_it_can_be_written(registry, folder):
    first, second = (publish_new(registry, folder) for _ in range(2))
    registry.set_alias("imdb", "old", 1)
    ways = [1, second, "1", "v2", "imdb@old", "imdb", "models:/imdb/1", f"imdb@{second.digest}"]
    assert [registry.set_alias("imdb", "best", way).number for way in ways] == [1, 2, 1, 2, 1, 2, 1, 2]
    assert registry.alias("imdb", "best").digest == second.digest != first.digest


def test_an_alias_notices_that_its_version_was_altered(registry, store, folder):
    registry.publish("imdb", folder, metadata={"metrics": {"accuracy": 0.5}})
    registry.set_alias("imdb", "best", 1)
    key = "imdb/versions/0000000001.json"
    store.put(key, resealed(store.read(key), metadata={"metrics": {"accuracy": 0.9}}))
    with pytest.raises(IntegrityError, match=r"^imdb@best holds v1 with digest sha256:.* one of the two was altered\."):
        registry.pull("imdb@best")


def test_a_promotion_guards_its_alias(registry, folder):
    first, second, third = (publish_new(registry, folder, metrics={"accuracy": figure}) for figure in (0.81, 0.80, 0.85))
    rules = [Rule("accuracy", min=0.75, better_than="production")]
    decisions = [registry.promote(version, "production", rules, run_id="r").decision for version in (first, second, third)]
    assert (decisions, registry.resolve("imdb@production").number) == (["promoted", "refused", "promoted"], 3)
    with pytest.raises(GateRefusedError) as caught:
        registry.set_alias("imdb", "production", 1)
    assert caught.value.message == (
        "alias 'production' of 'imdb' is guarded (accuracy min=0.75 better_than=production), so only a promotion through these "
        "rules or a rollback moves it. Run the workflow, or force the change and say why."
    )
    registry.set_alias("imdb", "production", 1, force=True, reason="v3 is slow")
    history = registry.alias("imdb", "production").history
    assert [(move.action, move.from_number, move.to_number, move.forced, move.reason) for move in history] == [
        ("promote", None, 1, False, None),
        ("refuse", 1, 1, False, None),
        ("promote", 1, 3, False, None),
        ("set", 3, 1, True, "v3 is slow"),
    ]
    figures = {"candidate": 0.8, "holder": 0.81, "required": 0.81, "passed": False}
    assert history[1].decision["rules"][1] == {"metric": "accuracy", "slice": None, "examples": None, **figures}


def test_a_promotion_is_decided_again_when_the_holder_changes(registry, store, folder):
    rules = [Rule("accuracy", better_than="production")]
    slow, fast = (publish_new(registry, folder, metrics={"accuracy": figure}) for figure in (0.8, 0.9))

    def overtake(name: str, key: str) -> None:
        if name == "compare_and_swap" and overtaking.calls["compare_and_swap"] == 1:
            registry.promote(fast, "production", rules)

    overtaking = Watched(store, before=overtake)
    assert Registry(store=overtaking).promote(slow, "production", rules).decision == "refused"
    assert registry.resolve("imdb@production").number == fast.number


# pull


def test_a_pull_brings_the_form_that_is_asked_for_and_prints_nothing(registry, folder, capfd):
    registry.publish("imdb", folder, metadata={})
    forms = {form: sorted(contents(registry.pull("imdb", form=form))) for form in ("numpy", "keras", "all")}
    assert forms == {"numpy": sorted(FORM), "keras": ["keras/model.keras", "preprocessing.json"], "all": sorted(FILES)}
    assert capfd.readouterr() == ("", "")
    with pytest.raises(NotFoundError) as caught:
        registry.pull("imdb", form="saved-model")
    assert caught.value.message == "imdb@v1 has no form 'saved-model'. It has: keras, numpy."


def test_a_pulled_folder_is_filled_and_filled_again(registry, folder, tmp_path):
    registry.publish("imdb", folder, metadata={})
    out = registry.pull("imdb", tmp_path / "a" / "out")
    (out / "numpy" / "model.json").unlink()
    (out / "notes.txt").write_text("mine")
    assert registry.pull("imdb", out) == tmp_path / "a" / "out"
    assert contents(out) == {**{path: FILES[path] for path in FORM}, "notes.txt": b"mine"}
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"]


def test_a_pull_overwrites_nothing_of_the_users(registry, folder, tmp_path):
    registry.publish("imdb", folder, metadata={})
    out = tmp_path / "out"
    write(out, {"preprocessing.json": b"mine"})
    with pytest.raises(UsageError) as caught:
        registry.pull("imdb", out)
    assert caught.value.message == (
        f"{out}/preprocessing.json exists and is not what imdb@v1 has there. Nothing was written; choose an empty folder, or remove it."
    )
    assert contents(out) == {"preprocessing.json": b"mine"}


def test_a_pull_does_not_follow_links_out_of_its_folder(registry, folder, tmp_path):
    registry.publish("imdb", folder, metadata={})
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    out.mkdir()
    (out / "numpy").symlink_to(elsewhere)
    with pytest.raises(UsageError, match=r"out/numpy exists and is not what imdb@v1 has there"):
        registry.pull("imdb", out)
    assert list(elsewhere.iterdir()) == []


def test_editing_a_pulled_folder_leaves_the_cache_alone(registry, folder, tmp_path):
    registry.publish("imdb", folder, metadata={})
    out = registry.pull("imdb", tmp_path / "out")
    (out / "numpy" / "weights.npz").write_bytes(b"edited")
    assert contents(registry.pull("imdb"))["numpy/weights.npz"] == FILES["numpy/weights.npz"]


def test_a_damaged_blob_is_named_and_not_kept(registry, store, folder, fresh_home, tmp_path):
    registry.publish("imdb", folder, metadata={})
    weights = FILES["numpy/weights.npz"]
    other = b"X" + weights[1:]
    said = {
        other: f"expected sha256 {sha256(weights).hexdigest()[:12]}…, received {sha256(other).hexdigest()[:12]}…",
        weights[:-1]: "expected 10,240 bytes, received 10,239 bytes",
        weights + b"X": "expected 10,240 bytes, received more than 10,240 bytes",
        b"": "expected 10,240 bytes, received 0 bytes",
    }
    for body, what in said.items():
        store.put(blob("imdb", weights), body)
        with pytest.raises(IntegrityError) as caught:
            registry.pull("imdb", tmp_path / "out")
        assert caught.value.message == (
            f"numpy/weights.npz of imdb@v1 is damaged in the registry: {what}. Nothing was kept. Publish the model again, or pull another "
            "version."
        )
        kept = {path: body for path, body in contents(fresh_home / "cache" / "models").items() if not path.startswith("locks/")}
        assert [path for path, kept_body in kept.items() if kept_body == body or sha256(weights).hexdigest() in path] == []
        assert not (tmp_path / "out").exists()


def test_a_missing_blob_is_named(registry, store, folder):
    registry.publish("imdb", folder, metadata={})
    store.delete(blob("imdb", FILES["numpy/weights.npz"]))
    with pytest.raises(IntegrityError) as caught:
        registry.pull("imdb")
    assert caught.value.message == (
        "numpy/weights.npz of imdb@v1 is missing in the registry. Publish the model again, or pull another version."
    )


def test_publishing_again_brings_back_a_missing_blob(registry, store, folder):
    registry.publish("imdb", folder, metadata={})
    store.delete(blob("imdb", FILES["numpy/weights.npz"]))
    registry.publish("imdb", folder, metadata={})
    assert contents(registry.pull("imdb@v1"))["numpy/weights.npz"] == FILES["numpy/weights.npz"]


def test_a_killed_download_leaves_nothing_visible(registry, store, folder, fresh_home, tmp_path):
    registry.publish("imdb", folder, metadata={})
    killed_at(lambda puller: puller.pull("imdb", tmp_path / "out"), store, after="get_file")
    cached = contents(fresh_home / "cache" / "models")
    assert ([path for path in cached if path.startswith(("folders", "blobs"))], (tmp_path / "out").exists()) == ([], False)
    assert contents(registry.pull("imdb", tmp_path / "out")) == {path: FILES[path] for path in FORM}


def test_a_file_altered_in_the_cache_is_fetched_again(registry, folder):
    registry.publish("imdb", folder, metadata={})
    weights = registry.pull("imdb") / "numpy" / "weights.npz"
    weights.chmod(0o644)
    weights.write_bytes(b"altered")
    assert contents(registry.pull("imdb"))["numpy/weights.npz"] == FILES["numpy/weights.npz"]


def test_what_was_pulled_is_there_without_the_registry(registry, store, folder, monkeypatch):
    registry.publish("imdb", folder, metadata={})
    registry.set_alias("imdb", "best", 1)
    pulled = registry.pull("imdb@best")
    registry.publish("imdb", folder, metadata={})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    silent = Watched(store)
    offline = Registry(store=silent)
    digest = registry.resolve("imdb@best", offline=True).digest
    for reference in ("imdb@best", "imdb@v1", f"imdb@{digest}", f"imdb@{digest[:20]}"):
        assert offline.pull(reference, offline=True) == pulled
    assert silent.requests == 0


def test_what_was_not_pulled_is_not_there_offline(registry, folder):
    registry.publish("imdb", folder, metadata={})
    registry.pull("imdb@v1")
    messages = {}
    for reference, form in (("imdb", "numpy"), ("other@v1", "numpy"), ("imdb@v1", "keras")):
        with pytest.raises(NotFoundError) as caught:
            registry.pull(reference, form=form, offline=True)
        messages[reference] = caught.value.message
    assert messages == {
        "imdb": "imdb@latest is not in the cache of this machine. Pull it once without --offline.",
        "other@v1": "other@v1 is not in the cache of this machine. Pull it once without --offline.",
        "imdb@v1": "keras/model.keras of imdb@v1 is not in the cache of this machine. Pull it once without --offline.",
    }


def test_a_cached_digest_needs_no_request(registry, store, folder):
    version = registry.publish("imdb", folder, metadata={})
    registry.pull("imdb")
    silent = Watched(store)
    Registry(store=silent).pull(f"imdb@{version.digest}")
    assert silent.requests == 0


def test_a_hostile_manifest_writes_nothing(registry, store, folder, tmp_path):
    registry.publish("imdb", folder, metadata={})
    key = "imdb/versions/0000000001.json"
    document = json.loads(store.read(key))
    before = set(tmp_path.rglob("*"))
    for path in ("../evil", "/etc/evil", "numpy/../../evil", "numpy/..", "numpy\\evil", "a\nb"):
        hostile = {**document["files"][0], "path": path, "form": path.partition("/")[0] if "/" in path else None}
        store.put(key, resealed(json.dumps(document).encode(), files=[*document["files"], hostile]))
        with pytest.raises(IntegrityError) as caught:
            registry.pull("imdb", tmp_path / "out", form="all")
        assert caught.value.message == (
            f"a file of a version must have a relative path of plain characters, without '..'. Received: {path!r}. Nothing was written."
        )
    assert set(tmp_path.rglob("*")) == before


def test_wrong_credentials_end_every_verb_the_same_way(rgw_s3, folder, fresh_home, monkeypatch):
    rgw_s3.use(monkeypatch)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    registry = Registry(f"s3://{BUCKET}/x")
    for verb in (
        lambda: registry.publish("imdb", folder, metadata={}),
        lambda: registry.pull("imdb"),
        lambda: registry.resolve("imdb@production"),
        lambda: registry.versions("imdb"),
        registry.names,
        lambda: registry.aliases("imdb"),
    ):
        with pytest.raises(AccessError):
            verb()


def test_a_missing_bucket_ends_every_verb_the_same_way(rgw_s3, folder, fresh_home, monkeypatch):
    rgw_s3.use(monkeypatch)
    registry = Registry("s3://no-such-bucket/x")
    for verb in (lambda: registry.publish("imdb", folder, metadata={}), lambda: registry.pull("imdb"), registry.names):
        with pytest.raises(
            NotFoundError, match=r"^bucket 'no-such-bucket' does not exist at http://127\.0\.0\.1:\d+\. Create it, or check"
        ):
            verb()


def test_a_read_only_home_is_named(registry, folder, monkeypatch):
    registry.publish("imdb", folder, metadata={})
    monkeypatch.setenv("DISTRNN_HOME", os.devnull)
    with pytest.raises(Exception, match=r"^/dev/null/cache/models.* cannot be used: a file stands where a folder is expected"):
        Registry(registry.url).pull("imdb")
