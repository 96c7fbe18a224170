"""How a registry service bears load, on a real Ceph RGW. Alone, with the table for the README:

    BENCH_README=1 .venv/bin/python -m pytest -m bench -s tests/benchmark/test_service_load.py

Two hundred clients ask the REST for twenty seconds, each as fast as it is answered; then twenty downloads at once, through the service and
straight from the store in turn, by the same client, every byte hashed. Nothing may fail and the service's memory must stay flat. Clients,
service and store share the machine's cores. BENCH_CLIENTS, BENCH_SECONDS, BENCH_MB and BENCH_REPEATS make it smaller for a try.
"""

import asyncio
import hashlib
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from benchmark import tables
from distrnn import Registry
from distrnn.registry.layout import blob_key
from distrnn.storage import open_store
from fixtures_service import classifier

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]

CLIENTS = int(os.environ.get("BENCH_CLIENTS", "200"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))
MB = int(os.environ.get("BENCH_MB", "20"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
DOWNLOADS = 20
VERSIONS = 20
GROWTH_BYTES = 64 << 20
PATHS = (
    "/api/v1/models",
    "/api/v1/models/reviews",
    "/api/v1/models/reviews/versions?limit=20",
    "/api/v1/models/reviews/versions/7",
    "/api/v1/resolve?ref=reviews@production",
    "/api/v1/store/reviews/versions/0000000003.json",
)
TESTS = 2


class Report:
    """The lines of both parts, as the tests find them."""

    def __init__(self):
        self.lines = []
        self.tests = 0


@pytest.fixture(scope="module")
def report():
    found = Report()
    yield found
    made = tables.made_on(("fastapi", "uvicorn", "aiohttp"), "radosgw")
    tables.publish("service", [*found.lines, f"{made}. Clients, service and store share the cores."], complete=found.tests == TESTS)


@pytest.fixture
def registry(rgw_s3, fresh_home, tmp_path, monkeypatch):
    """`reviews` with twenty versions, the first with one large file, on a real server."""
    rgw_s3.use(monkeypatch)
    registry = Registry(rgw_s3.new_url())
    folder = classifier(tmp_path / "model", 1)
    large = folder / "numpy" / "large.bin"
    large.write_bytes(os.urandom(MB * 1_000_000))
    registry.publish("reviews", folder, metadata={"task": "classifier", "metrics": {"accuracy": 0.5}})
    large.unlink()
    for number in range(2, VERSIONS + 1):
        registry.publish("reviews", classifier(folder, number), metadata={"task": "classifier", "metrics": {"accuracy": 0.5}})
    registry.set_alias("reviews", "production", 1)
    return registry


@pytest.fixture
def running(serving, registry):
    return serving(registry.url, "--requests-per-second", "0", "--quiet")


def test_two_hundred_clients_ask_the_rest(running, report):
    memory = []
    times, errors = asyncio.run(load(running, memory))
    times.sort()
    p50, p99 = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.99))
    early, late = statistics.median(memory[len(memory) // 4 : len(memory) // 2]), max(memory[-5:])
    report.lines += [
        *tables.table(
            ("REST", "requests/s", "median, ms", "p99, ms", "errors", "memory of the service, MB"),
            [
                [
                    f"{CLIENTS} clients, {SECONDS:g} s",
                    *(f"{value:,.0f}" for value in (len(times) / SECONDS, p50, p99)),
                    str(len(errors)),
                    f"{early / 1e6:.0f}, at the end {late / 1e6:.0f}",
                ]
            ],
        ),
        "",
    ]
    report.tests += 1
    assert errors == []
    assert late < early + GROWTH_BYTES


def test_twenty_downloads_at_once(running, registry, report, tmp_path):
    file = next(file for file in registry.resolve("reviews@v1").manifest.files if file.path == "numpy/large.bin")
    key = blob_key("reviews", file.sha256)
    stores = {"the service": open_store(running.url), "the store itself": open_store(registry.url)}
    rates, slowest, memory = {name: [] for name in stores}, {name: [] for name in stores}, []
    for turn in range(REPEATS + 1):
        for name in sorted(stores, reverse=bool(turn % 2)):
            began = time.perf_counter()
            with ThreadPoolExecutor(DOWNLOADS) as pool:
                spent = list(pool.map(partial(fetch, stores[name], key, file.sha256, tmp_path), range(DOWNLOADS)))
            if turn:  # the first round connects
                rates[name].append(DOWNLOADS * file.size_bytes / 1e6 / (time.perf_counter() - began))
                slowest[name].append(max(spent))
            memory.append(running.memory_bytes())
    rows = [[name, f"**{statistics.median(rates[name]):.0f}**", f"{statistics.median(slowest[name]):.2f}"] for name in stores]
    report.lines += [*tables.table((f"{DOWNLOADS} downloads of {MB} MB at once, from", "MB/s together", "the slowest, s"), rows), ""]
    report.tests += 1
    assert memory[-1] < memory[1] + GROWTH_BYTES


def fetch(store, key, sha256, folder: Path, number: int) -> float:
    digest, path, began = hashlib.sha256(), folder / f"{number}.bin", time.perf_counter()
    store.get_file(key, path, update=digest.update)
    path.unlink()
    assert digest.hexdigest() == sha256
    return time.perf_counter() - began


async def load(running, memory):
    """Seconds of every request, and what went wrong."""
    times, errors, until = [], [], time.monotonic() + SECONDS
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client(number):
            for turn in range(10**9):
                if time.monotonic() > until:
                    return
                began = time.perf_counter()
                try:
                    async with session.get(running.url + PATHS[(number + turn) % len(PATHS)]) as answer:
                        await answer.read()
                        if answer.status != 200:
                            errors.append(answer.status)
                except aiohttp.ClientError as error:
                    errors.append(repr(error))
                times.append(time.perf_counter() - began)

        async def watch():
            while time.monotonic() < until:
                memory.append(running.memory_bytes())
                await asyncio.sleep(0.2)

        await asyncio.gather(watch(), *map(client, range(CLIENTS)))
    return times, errors
