"""The standard AWS settings have their effect, on what botocore sends and on what is sent over presigned URLs alike."""

import time
from dataclasses import dataclass

import pytest
from aiohttp import web
from fsspec.asyn import sync

from distrnn.errors import AccessError
from distrnn.storage import filesystem, open_store
from distrnn.storage.s3_session import endpoint, shared
from distrnn.storage.s3_transfer import presigned
from fixtures_faults import ThreadedServer
from fixtures_s3 import BUCKET

SIGNED_BY_KEY = "AWS4-HMAC-SHA256 Credential=the-key/{day}/{region}/s3/aws4_request"


@dataclass
class Request:
    """What arrived: its path, and who says to have sent it, in the header or in the URL."""

    path: str
    signature: str | None
    token: str | None


class Recorder(ThreadedServer):
    """A server that shows one body to everybody, and notes who asks."""

    def __init__(self) -> None:
        self.log: list[Request] = []
        super().__init__()

    async def handle(self, request: web.Request) -> web.Response:
        header, url = request.headers, request.query
        if "X-Amz-Algorithm" in url:
            signature, token = f"{url['X-Amz-Algorithm']} Credential={url['X-Amz-Credential']}", url.get("X-Amz-Security-Token")
        else:
            signature, token = header.get("Authorization"), header.get("X-Amz-Security-Token")
        self.log.append(Request(request.path, signature and signature.partition(",")[0], token))
        return web.Response(body=b"body", headers={"ETag": '"1"'})


@pytest.fixture
def recorder(monkeypatch, tmp_path):
    """A server, no credentials, and configuration files to be written."""
    server = Recorder()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    yield server
    server.close()


def use(monkeypatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def asked(recorder: Recorder) -> Request:
    """What the server sees of either way to read: the same."""
    store = open_store("s3://models/x")
    assert (store.read("a"), list(store.read_many(["a"]))) == (b"body", [("a", b"body")])
    first, second = recorder.log
    assert first == second
    return first


def signed(region: str) -> str:
    return SIGNED_BY_KEY.format(day=time.strftime("%Y%m%d", time.gmtime()), region=region)


def host_of_bucket() -> tuple[str, str]:
    url = sync(shared().loop, presigned, shared(), "get_object", Bucket="models", Key="a")
    return url.host, url.path


def test_keys_sign_with_version_4(recorder, monkeypatch):
    use(monkeypatch, ENDPOINT_URL=recorder.endpoint, ACCESS_KEY_ID="the-key", SECRET_ACCESS_KEY="secret", DEFAULT_REGION="eu-west-1")
    assert asked(recorder) == Request("/models/x/a", signed("eu-west-1"), None)


def test_no_region_is_as_good_as_any(recorder, monkeypatch):
    use(monkeypatch, ENDPOINT_URL=recorder.endpoint, ACCESS_KEY_ID="the-key", SECRET_ACCESS_KEY="secret")
    assert asked(recorder).signature == signed("us-east-1")


def test_aws_region_is_preferred(recorder, monkeypatch):
    use(monkeypatch, ENDPOINT_URL=recorder.endpoint, ACCESS_KEY_ID="the-key", SECRET_ACCESS_KEY="secret")
    use(monkeypatch, REGION="eu-north-1", DEFAULT_REGION="eu-west-1")
    assert asked(recorder).signature == signed("eu-north-1")


def test_a_session_token_is_sent_along(recorder, monkeypatch):
    use(monkeypatch, ENDPOINT_URL=recorder.endpoint, ACCESS_KEY_ID="the-key", SECRET_ACCESS_KEY="secret", SESSION_TOKEN="the-token")
    assert asked(recorder) == Request("/models/x/a", signed("us-east-1"), "the-token")


def test_without_credentials_nothing_is_signed(recorder, monkeypatch):
    use(monkeypatch, ENDPOINT_URL=recorder.endpoint)
    assert asked(recorder) == Request("/models/x/a", None, None)


def test_signing_can_be_forbidden(recorder, monkeypatch):
    use(monkeypatch, ENDPOINT_URL=recorder.endpoint, ACCESS_KEY_ID="the-key", SECRET_ACCESS_KEY="secret", NO_SIGN_REQUEST="YES")
    assert asked(recorder) == Request("/models/x/a", None, None)


def test_a_profile_says_who_where_and_which_region(recorder, monkeypatch, tmp_path):
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = the-key\naws_secret_access_key = s\naws_session_token = t\n")
    (tmp_path / "config").write_text(f"[profile work]\nregion = ap-south-1\nendpoint_url = {recorder.endpoint}\n")
    use(monkeypatch, PROFILE="work")
    assert asked(recorder) == Request("/models/x/a", signed("ap-south-1"), "t")
    assert open_store("s3://models/x").endpoint == recorder.endpoint


def test_a_service_of_a_profile_may_have_its_own_endpoint(recorder, monkeypatch, tmp_path):
    services = f"[services mine]\ns3 =\n  endpoint_url = {recorder.endpoint}\n"
    (tmp_path / "config").write_text(f"[profile work]\nservices = mine\nendpoint_url = http://127.0.0.1:1\n{services}")
    use(monkeypatch, PROFILE="work")
    assert asked(recorder).path == "/models/x/a"


def test_the_endpoint_of_s3_goes_before_the_general_one(recorder, monkeypatch):
    use(monkeypatch, ENDPOINT_URL="http://127.0.0.1:1", ENDPOINT_URL_S3=recorder.endpoint)
    assert asked(recorder).path == "/models/x/a"


def test_configured_endpoints_can_be_ignored(recorder, monkeypatch):
    use(monkeypatch, ENDPOINT_URL=recorder.endpoint, IGNORE_CONFIGURED_ENDPOINT_URLS="true")
    assert (endpoint(), host_of_bucket()) == ("the S3 endpoint", ("models.s3.amazonaws.com", "/a"))


def test_a_server_with_a_name_is_asked_by_path(recorder, monkeypatch):
    use(monkeypatch, ENDPOINT_URL=recorder.endpoint.replace("127.0.0.1", "localhost"))
    assert asked(recorder).path == "/models/x/a"
    assert host_of_bucket() == ("localhost", "/models/a")


def test_a_profile_may_want_the_bucket_in_the_name(recorder, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[profile work]\ns3 =\n  addressing_style = virtual\n")
    use(monkeypatch, PROFILE="work", ENDPOINT_URL="http://store.example:9000")
    assert host_of_bucket() == ("models.store.example", "/a")


def test_a_profile_that_does_not_exist_is_named(recorder, monkeypatch):
    use(monkeypatch, PROFILE="nobody")
    for ask in (lambda: open_store("s3://models/x").read("a"), lambda: filesystem("s3://models/x")):
        with pytest.raises(
            AccessError, match=r"no usable credentials for s3://models/x.* \(The config profile \(nobody\) could not be found\)"
        ):
            ask()


def test_missing_credentials_are_asked_for_where_they_are_needed(rgw_s3, monkeypatch, tmp_path):
    rgw_s3.use(monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "sent").write_bytes(b"1")
    store = open_store(f"s3://{BUCKET}/x")
    for ask in (
        lambda: store.read("a"),
        lambda: list(store.read_many(["a"])),
        lambda: store.create_if_absent("a", b""),
        lambda: store.put_file("a", tmp_path / "sent"),
        lambda: store.get_file("a", tmp_path / "received"),
    ):
        with pytest.raises(AccessError) as caught:
            ask()
        assert caught.value.message == (
            f"no usable credentials for s3://{BUCKET}/x/a (Unable to locate credentials). Expected them in AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE) or the machine's role."
        )


def test_a_public_bucket_needs_no_credentials(rgw_s3, monkeypatch, tmp_path):
    rgw_s3.use(monkeypatch)
    shared().call_s3("create_bucket", Bucket="public-models", ACL="public-read")
    shared().call_s3("put_object", Bucket="public-models", Key="x/a", Body=b"1", ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = open_store("s3://public-models/x")
    store.get_file("a", tmp_path / "received")
    found = store.read("a"), list(store.read_many(["a"])), [entry.key for entry in store.list()], (tmp_path / "received").read_bytes()
    assert found == (b"1", [("a", b"1")], ["a"], b"1")
