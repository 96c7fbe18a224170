"""What every test shares: an own home, no credentials from outside, the data beside the repository, one Ray.

Fixtures of one part live in `tests/fixtures_<part>.py`; every such file is loaded from here.
"""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPO = Path(__file__).resolve().parents[1]
LEAKING_PREFIXES = ("AWS_", "DISTRNN_", "RAY_ADDRESS")
KEPT = ("DISTRNN_REQUIRE_SERVERS",)

pytest_plugins = sorted(path.stem for path in Path(__file__).parent.glob("fixtures_*.py"))
pytest.register_assert_rewrite(*pytest_plugins)  # all before the first is loaded, because some import others

settings.register_profile("distrnn", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("distrnn")


def pytest_configure() -> None:
    """Let Ctrl-C mean what it means, also where the tests were started in the background: shells make that ignore it, for children too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of this test session, and an environment that says nothing about the machine's own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(LEAKING_PREFIXES) and name not in KEPT:
                patch.delenv(name)
        patch.setenv("DISTRNN_HOME", str(home))
        patch.setenv("AWS_CONFIG_FILE", str(home / "no-aws-config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "no-aws-credentials"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_COLOR", "1")
        patch.setenv("COLUMNS", "200")
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        yield home


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The checkout."""
    return REPO


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data that lies beside the checkout and is never copied into it."""
    folder = REPO.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data (../shared/data) is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def require_server():
    """A function that skips where a server's program is missing, and fails where CI has said that it must be there."""

    def check(available: bool, name: str) -> None:
        if available:
            return
        if os.environ.get("DISTRNN_REQUIRE_SERVERS") == "1":
            pytest.fail(f"{name} is missing and DISTRNN_REQUIRE_SERVERS=1; .ci/run installs it", pytrace=False)
        pytest.skip(f"{name} is not installed")

    return check


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One Ray with two logical CPUs for the whole test session; it takes seconds to start, and code under test reuses it."""
    import ray

    from fixtures_ray import ASKS_NOBODY

    with pytest.MonkeyPatch.context() as patch:
        for name, value in ASKS_NOBODY.items():
            patch.setenv(name, value)
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False
        )
    yield
    ray.shutdown()
