"""S3 servers for the tests: moto in a thread, and a real Ceph RGW (monitor, object store daemon, gateway) on loopback.

A server is started once a session, on free ports, and ends with it, even when the session is killed. Where the Ceph programs are
not installed its tests are skipped, or fail if DISTRNN_REQUIRE_SERVERS is 1.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

BUCKET = "distrnn-tests"
_PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
_START_S = 60


@dataclass(frozen=True)
class S3Server:
    """A running server with a bucket; `kind` is `moto` or `rgw`."""

    kind: str
    endpoint: str
    access_key: str = "test"
    secret_key: str = "testtest"

    @property
    def environment(self) -> dict[str, str]:
        """The AWS variables that lead to it, and to nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this process and its children speak to the server."""
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    def new_url(self) -> str:
        """A prefix of the bucket that nobody else uses."""
        return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def moto_s3() -> Iterator[S3Server]:
    """moto's S3 in a thread of this process."""
    from moto.s3.responses import S3Response
    from moto.server import ThreadedMotoServer

    # moto looks before it writes, in many threads, so now and then two conditional writes win; a server that decides races does not
    put, one_by_one = S3Response._key_response_put, threading.Lock()

    def decided(self, *arguments):
        with one_by_one:
            return put(self, *arguments)

    S3Response._key_response_put = decided
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = S3Server("moto", f"http://{host}:{port}")
    _make_bucket(found)
    yield found
    server.stop()
    S3Response._key_response_put = put


@pytest.fixture(scope="session")
def rgw_s3(require_server) -> Iterator[S3Server]:
    """A real Ceph RGW; everything it stores is in memory."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    require_server(not missing, f"Ceph RGW ({', '.join(missing)}; Debian's radosgw, ceph-mon and ceph-osd)")
    folder = Path(tempfile.mkdtemp(prefix="rgw-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        found = _start_rgw(folder, cleanup)
        _make_bucket(found)
        yield found


@pytest.fixture
def fresh_home(tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DISTRNN_HOME is an empty folder, but for what the session knows about its servers already (finding out takes seconds)."""
    home, known = tmp_path / "home", isolated_home / "cache" / "capabilities"
    known.mkdir(parents=True, exist_ok=True)
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "capabilities").symlink_to(known)
    monkeypatch.setenv("DISTRNN_HOME", str(home))
    return home


@pytest.fixture(params=["folder", "moto", "rgw"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh place on each kind of storage in turn; DISTRNN_HOME is fresh too."""
    if request.param == "folder":
        return str(tmp_path / "storage")
    server: S3Server = request.getfixturevalue(f"{request.param}_s3")
    server.use(monkeypatch)
    return server.new_url()


@pytest.fixture(params=["moto", "rgw"])
def s3_server(request: pytest.FixtureRequest, fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Each S3 server in turn, with the environment that leads to it."""
    server: S3Server = request.getfixturevalue(f"{request.param}_s3")
    server.use(monkeypatch)
    return server


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [opened.getsockname()[1] for opened in sockets]


def _make_bucket(server: S3Server) -> None:
    import s3fs

    fs = s3fs.S3FileSystem(
        key=server.access_key, secret=server.secret_key, endpoint_url=server.endpoint, use_listings_cache=False, skip_instance_cache=True
    )
    fs.call_s3("create_bucket", Bucket=BUCKET)


def _start_rgw(folder: Path, cleanup: ExitStack) -> S3Server:
    mon_v2, mon_v1, port = free_ports(3)
    for name in ("mon", "osd", "run", "rgw", "log"):
        (folder / name).mkdir()
    cluster = str(uuid.uuid4())
    config = folder / "ceph.conf"
    monitors = f"[v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]"
    config.write_text(_CONFIG.format(cluster=cluster, monitors=monitors, folder=folder, port=port))

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_START_S)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def serve(name: str, *command: str) -> None:
        dies_with_us = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
        with (folder / "log" / f"{name}.out").open("wb") as log:
            process = subprocess.Popen((*dies_with_us, *command), cwd=folder, stdout=log, stderr=log, start_new_session=True)
        cleanup.callback(_stop, process)

    options = ("-c", str(config))
    run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", monitors, str(folder / "monmap"))
    run("ceph-mon", *options, "--mkfs", "-i", "a", "--monmap", str(folder / "monmap"))
    serve("mon", "ceph-mon", *options, "-i", "a", "-f")
    osd = str(uuid.uuid4())
    number = run("ceph", *options, "osd", "new", osd)
    run("ceph-osd", *options, "-i", number, "--mkfs", "--osd-uuid", osd, "--monmap", str(folder / "monmap"))
    serve("osd", "ceph-osd", *options, "-i", number, "-f")
    _wait(lambda: "1 up" in run("ceph", *options, "osd", "stat"), "the object store daemon", folder)
    user = ("--uid=tests", "--display-name=tests", "--access-key=test", "--secret-key=testtest")
    run("radosgw-admin", *options, "-n", "client.rgw.a", "user", "create", *user)
    serve("rgw", "radosgw", *options, "-n", "client.rgw.a", "-f")
    server = S3Server("rgw", f"http://127.0.0.1:{port}")
    _wait(lambda: _answers(server.endpoint), "the gateway", folder)
    return server


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


def _wait(ready, what: str, folder: Path) -> None:
    until = time.monotonic() + _START_S
    while not ready():
        if time.monotonic() > until:
            logs = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in sorted((folder / "log").glob("*.out")))
            pytest.fail(f"{what} of the test's Ceph did not start within {_START_S} s\n{logs}", pytrace=False)
        time.sleep(0.1)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


_CONFIG = """
[global]
fsid = {cluster}
mon_host = {monitors}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = {folder}/run
admin_socket = {folder}/run/$name.$pid.asok
log_file = {folder}/log/$name.log
mon_cluster_log_file = {folder}/log/cluster.log
pid_file =
setuser =
keyring = /dev/null
ms_bind_ipv6 = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_warn_on_pool_no_redundancy = false
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
mon_tick_interval = 1
rgw_zone_root_pool_pg = 8
osd_mon_initial_require_min_compat_client = luminous
[mon]
mon_data = {folder}/mon
mon_initial_members = a
mon_data_avail_crit = 1
mon_data_avail_warn = 2
auth_allow_insecure_global_id_reclaim = true
[osd]
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_memory_target = 1073741824
osd_numa_auto_affinity = false
[client.rgw.a]
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_data = {folder}/rgw
rgw_thread_pool_size = 32
ms_mon_client_mode = crc
auth_client_required = none
rgw_enable_usage_log = false
rgw_dynamic_resharding = false
rgw_run_sync_thread = false
rgw_gc_obj_min_wait = 1
rgw_gc_processor_period = 2
rgw_gc_processor_max_time = 60
rgw_dns_name = 127.0.0.1
"""
