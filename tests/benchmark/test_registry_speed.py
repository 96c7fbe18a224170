"""How fast the registry is on a real Ceph RGW, beside what people move files with. Alone, with the table for the README:

    BENCH_README=1 .venv/bin/python -m pytest -m bench -s tests/benchmark/test_registry_speed.py

Ours and the peers take turns, in another order each time, in one call; medians of BENCH_REPEATS (7) rounds after one that is not
counted. The server keeps everything in 4 GiB of memory and frees what was deleted late, so uploads are spaced out. BENCH_MB, BENCH_MODELS
and BENCH_VERSIONS make it smaller for a try; the rows say how large it was.
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmark import tables
from benchmark.peers import AwsCli, Boto3, Cost, Curl, PyArrow, aws_program, cost
from distrnn.registry import Registry
from distrnn.registry.layout import blob_key, timestamp, version_key
from distrnn.registry.manifest import FileEntry, Manifest
from fixtures_s3 import BUCKET, S3Server

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

REPEATS = int(os.environ.get("BENCH_REPEATS", "7"))
MB = int(os.environ.get("BENCH_MB", "200"))
MODELS = int(os.environ.get("BENCH_MODELS", "1000"))
VERSIONS = int(os.environ.get("BENCH_VERSIONS", "100000"))
VERSIONS_WITHIN_S = 120
FREED_S = 4.0  # the server's gc looks every two seconds
AT_ONCE = 32
DISTRNN = str(Path(sys.executable).with_name("distrnn"))
TESTS = 5
TRANSFERS = ("what", "peer", "peer, s", "ours, s", "ours is", "peer, CPU s", "ours, CPU s", "target")
VERBS = ("what", "s", "CPU s", "target")

Rounds = Mapping[str, list[Cost]]


class Report:
    """The rows of both tables, as the tests fill them."""

    def __init__(self) -> None:
        self.transfers: list[list[str]] = []
        self.verbs: list[list[str]] = []
        self.notes: list[str] = []
        self.tests = 0

    def transfer(self, what: str, ours: str, rounds: Rounds, targets: Mapping[str, float | None]) -> list[str]:
        """Add a row for each peer; what missed its target. A peer without one must be beaten, one with None is only shown."""
        missed = []
        our_s, our_cpu_s = medians(rounds[ours])
        for peer, costs in rounds.items():
            if peer == ours:
                continue
            peer_s, peer_cpu_s = medians(costs)
            speed, target = peer_s / our_s, targets.get(peer, 1.0)
            figures = [f"{value:.2f}" for value in (peer_s, our_s)] + [f"**{speed:.2f}** × as fast"]
            wanted = "" if target is None else f"at least {target:g}" if peer in targets else "faster"
            self.transfers.append([what, peer, *figures, f"{peer_cpu_s:.2f}", f"{our_cpu_s:.2f}", wanted])
            if target is not None and speed < target:
                missed.append(f"{what}: {speed:.2f} of {peer}, wanted {wanted}")
        return missed

    def verb(self, what: str, costs: list[Cost], under_s: float | None) -> list[str]:
        """Add a row; what missed its target."""
        seconds, cpu_seconds = medians(costs)
        wanted = f"under {under_s:g} s" if under_s else ""
        self.verbs.append([what, f"**{seconds:.3f}**", f"{cpu_seconds:.2f}", wanted])
        return [f"{what}: {seconds:.3f} s, wanted {wanted}"] if under_s and seconds >= under_s else []

    def lines(self) -> Iterator[str]:
        """Both tables in Markdown."""
        if self.transfers:
            yield from [*tables.table(TRANSFERS, self.transfers), ""]
        if self.verbs:
            yield from [*tables.table(VERBS, self.verbs), ""]
        packages = ("s3fs", "aiohttp", "boto3", "pyarrow")
        yield f"Medians of {REPEATS} rounds; CPU seconds are the client's. {tables.made_on(packages, 'curl', 'radosgw')}."
        yield from self.notes


@pytest.fixture(scope="module")
def whole_report() -> Iterator[Report]:
    """Shown when all tests are through."""
    found = Report()
    yield found
    tables.publish("registry", list(found.lines()), complete=found.tests == TESTS)


@pytest.fixture
def report(whole_report: Report) -> Report:
    """Collects the rows."""
    whole_report.tests += 1
    return whole_report


@pytest.fixture
def server(rgw_s3: S3Server, fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """A real Ceph RGW with the environment that leads to it."""
    rgw_s3.use(monkeypatch)
    # RGW 16 does not know the checksums that boto3 and the AWS command line have added since
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    return rgw_s3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with one large file of random bytes."""
    path = tmp_path / "model" / "numpy" / "weights.npz"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        for _ in range(MB):
            file.write(os.urandom(1_000_000))
    return tmp_path / "model"


def medians(costs: list[Cost]) -> tuple[float, float]:
    """The median of each figure by itself."""
    return statistics.median(one.seconds for one in costs), statistics.median(one.cpu_seconds for one in costs)


def in_turns(turns: Mapping[str, Callable[[], Cost]]) -> Rounds:
    """Let all take turns; the first round makes connections and warms caches, and is not counted."""
    rounds: dict[str, list[Cost]] = {name: [] for name in turns}
    names = list(turns)
    for number in range(REPEATS + 1):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            taken = turns[name]()
            if number:
                rounds[name].append(taken)
            print(f"{'' if number else '(warm-up) '}{name}: {taken.seconds:.2f} s, {taken.cpu_seconds:.2f} CPU s", flush=True)
    return rounds


def peers(report: Report) -> list[Any]:
    """Those that are there."""
    found: list[Any] = [Curl(BUCKET), Boto3(BUCKET)]
    program = aws_program()
    if program:
        found.append(AwsCli(program, BUCKET))
    elif (note := "`aws` is not installed, so its rows are missing.") not in report.notes:
        report.notes.append(note)
    return found


def test_pull_beside_what_people_download_with(server, report, folder, tmp_path, monkeypatch):
    registry = Registry(server.new_url())
    version = registry.publish("large", folder, metadata={})
    prefix = registry.url.removeprefix(f"s3://{BUCKET}/")
    key = f"{prefix}/{blob_key('large', version.manifest.files[0].sha256)}"
    target = tmp_path / "downloaded"

    def ours() -> Cost:
        monkeypatch.setenv("DISTRNN_HOME", str(tmp_path / "cold"))
        cold = Registry(registry.url)
        taken = cost(lambda: cold.pull("large@v1"))
        shutil.rmtree(tmp_path / "cold")
        return taken

    def theirs(peer: Any) -> Callable[[], Cost]:
        def turn() -> Cost:
            taken = cost(lambda: peer.pull(key, target))
            assert target.stat().st_size == MB * 1_000_000
            target.unlink()
            return taken

        return turn

    turns = {peer.name: theirs(peer) for peer in [*peers(report), PyArrow(server, BUCKET)]}
    rounds = in_turns({"ours": ours, **turns})
    assert report.transfer(f"`pull` of {MB} MB, sha256 checked", "ours", rounds, {"curl": 0.6}) == []


def test_push_beside_what_people_upload_with(server, report, folder):
    registry = Registry(server.new_url())
    prefix = registry.url.removeprefix(f"s3://{BUCKET}/")
    large = folder / "numpy" / "weights.npz"
    small = folder.with_name("small") / "numpy" / "weights.npz"
    small.parent.mkdir(parents=True)
    small.write_bytes(b"small")
    registry.publish("large", small.parents[1], metadata={})  # whether the server decides races is found out once, and not timed

    def other_bytes() -> None:
        with large.open("r+b") as file:
            file.write(os.urandom(32))

    def freed(key: str) -> None:
        registry.store.delete(key)
        time.sleep(FREED_S)

    def publish() -> Cost:
        other_bytes()
        published = []
        taken = cost(lambda: published.append(registry.publish("large", folder, metadata={})))
        freed(blob_key("large", published[0].manifest.files[0].sha256))
        return taken

    def upload() -> Cost:
        other_bytes()
        taken = cost(lambda: registry.store.put_file("pushed", large))
        freed("pushed")
        return taken

    def theirs(peer: Any) -> Callable[[], Cost]:
        def turn() -> Cost:
            other_bytes()
            taken = cost(lambda: peer.push(large, f"{prefix}/pushed"))
            assert registry.store.size("pushed") == MB * 1_000_000
            freed("pushed")
            return taken

        return turn

    rounds = in_turns({"publish": publish, "upload": upload, **{peer.upload_name: theirs(peer) for peer in peers(report)}})
    # A publication has to know the digest before it can name the blob, so it reads the file once more than who only sends it
    whole = {name: costs for name, costs in rounds.items() if name != "upload"}
    shown = {"curl -T": 0.65, "boto3 upload_file": None}
    missed = report.transfer(f"publish of {MB} MB: hash, announce, upload and hash again, commit", "publish", whole, shown)
    alone = {name: costs for name, costs in rounds.items() if name != "publish"}
    missed += report.transfer(f"its upload alone, {MB} MB hashed while they are sent", "upload", alone, {"curl -T": 0.65})
    assert missed == []


def verb(*words: str) -> Cost:
    """A whole process of the program."""

    def run() -> None:
        done = subprocess.run([DISTRNN, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    return cost(run)


def test_pull_of_what_is_here_already(server, report, tmp_path):
    model = tiny(tmp_path / "tiny")
    local, remote = Registry(tmp_path / "registry"), Registry(server.new_url())
    for registry in (local, remote):
        version = registry.publish("tiny", model, metadata={})
        registry.set_alias("tiny", "production", version.number)
        verb("pull", "tiny@production", "--registry", registry.url)
    digest = local.resolve("tiny@production").digest
    on_folder = [verb("pull", "tiny@production", "--registry", local.url) for _ in range(REPEATS)]
    by_digest = [verb("pull", f"tiny@{digest}", "--registry", local.url) for _ in range(REPEATS)]
    on_s3 = [verb("pull", "tiny@production", "--registry", remote.url) for _ in range(REPEATS)]
    missed = report.verb("`distrnn pull` of a cached version by alias, registry in a folder", on_folder, 0.6)
    missed += report.verb("`distrnn pull` of a cached version by `@sha256:`", by_digest, 0.6)
    missed += report.verb("`distrnn pull` of a cached version by alias, registry on S3", on_s3, 0.9)
    assert missed == []


def test_list_of_a_thousand_models(server, report, tmp_path):
    registry = Registry(server.new_url())
    model = tiny(tmp_path / "tiny")
    metadata = {"task": "classifier", "metrics": {"accuracy": 0.9}}
    registry.check_races()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda number: registry.publish(f"model-{number:04d}", model, metadata=metadata), range(MODELS)))
    assert len(list(registry.summaries())) == MODELS
    listed = [verb("models", "list", "--registry", registry.url) for _ in range(REPEATS)]
    assert report.verb(f"`distrnn models list` of {MODELS:,} models on S3", listed, 2.0) == []


def test_resolve_among_very_many_versions(server, report, tmp_path):
    registry = Registry(server.new_url())
    few, many = (model_of(registry, name, wanted, tmp_path / name) for name, wanted in (("few", 10), ("many", VERSIONS)))
    if many < VERSIONS:
        report.notes.append(f"{many:,} versions are what this machine wrote in {VERSIONS_WITHIN_S} s, not {VERSIONS:,}.")
    for what, selector in (("an alias", "production"), ("a number", "v3"), ("`latest`", "latest")):
        registry.resolve(f"few@{selector}")
        costs = {name: [cost(partial(registry.resolve, f"{name}@{selector}")) for _ in range(REPEATS)] for name in ("few", "many")}
        for name, count in (("few", few), ("many", many)):
            report.verb(f"resolve of {what} among {count:,} versions on S3", costs[name], None)
        assert medians(costs["many"])[0] < 2 * medians(costs["few"])[0] + 0.05


def model_of(registry: Registry, name: str, count: int, folder: Path) -> int:
    """A model with so many versions, but no more than can be written in time; how many they are. Its alias is in the middle."""
    model = tiny(folder)
    first = registry.publish(name, model, metadata={})
    written = asyncio.run(manifests(registry, name, first.manifest.files, count - 1))
    # The last one is published as any other, and finds its number by itself
    (model / "numpy" / "weights.npz").write_bytes(b"other weights")
    last = registry.publish(name, model, metadata={})
    assert last.number == written + 1
    registry.set_alias(name, "production", last.number // 2)
    return last.number


def tiny(folder: Path) -> Path:
    """A model of a few bytes."""
    (folder / "numpy").mkdir(parents=True)
    (folder / "numpy" / "weights.npz").write_bytes(b"weights")
    return folder


async def manifests(registry: Registry, name: str, files: tuple[FileEntry, ...], count: int) -> int:
    """Write manifests of versions from 2 onwards, as fast as the server takes them; the highest number that was written."""
    import aiohttp
    import boto3
    from botocore.config import Config
    from yarl import URL

    client = boto3.client("s3", config=Config(signature_version="s3v4"))
    prefix = registry.url.removeprefix(f"s3://{BUCKET}/")
    numbers, until, written = iter(range(2, count + 1)), time.monotonic() + VERSIONS_WITHIN_S, []

    async def writer(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            manifest = Manifest(name, number, f"{number:032x}", timestamp(), files, {})
            key = f"{prefix}/{version_key(name, number)}"
            signed = client.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": key})
            async with session.put(URL(signed, encoded=True), data=manifest.to_bytes(), skip_auto_headers=["Content-Type"]) as answer:
                assert answer.status == 200, await answer.text()
            written.append(number)
            if time.monotonic() > until:
                return

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
        await asyncio.gather(*(writer(session) for _ in range(AT_ONCE)))
    assert sorted(written) == list(range(2, len(written) + 2))  # none is missing
    return len(written) + 1
