"""The pure parts of the service: ranges, keys, limits, tokens, charts, cards, comparisons, metrics of a listing."""

import math
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import AccessError, ConflictError, DistrnnError, IntegrityError, NotFoundError, StorageError, UsageError
from distrnn.registry.catalog import HeldAlias, Summary, VersionSummary
from distrnn.registry.layout import alias_key, blob_key, catalog_key, lease_key, pending_key, signature_key, version_key
from distrnn.service.charts import Line, label, legend, line_chart, thinned, ticks
from distrnn.service.clients import client_address
from distrnn.service.comparing import figures, files, settings
from distrnn.service.errors import status_of, told
from distrnn.service.held import Held
from distrnn.service.keys import kind_of, may_list
from distrnn.service.limits import RateLimit
from distrnn.service.listing import Listing
from distrnn.service.markdown import LONGEST, card_html
from distrnn.service.metrics import listed, roles
from distrnn.service.ranges import matches, span_of
from distrnn.service.settings import Settings
from distrnn.service.tokens import Tokens
from distrnn.service.views import columns, learning_curves, lineage, over_versions, workflow_of
from fixtures_service import CARD, HOSTILE, TOKEN

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)


@given(st.text(max_size=40), st.integers(0, 10**6))
def test_a_span_lies_in_the_file_whatever_is_asked(header, size_bytes):
    span = span_of(header, size_bytes)
    assert span is None or (0 <= span.start <= span.end <= size_bytes)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 100))
def test_a_span_is_what_python_slices(first, last, size_bytes):
    span = span_of(f"bytes={first}-{last}", size_bytes)
    body = bytes(size_bytes)
    if last < first:
        assert span is not None
        assert not span.partial
    elif first >= size_bytes:
        assert span is None
    else:
        assert span is not None
        assert (span.partial, len(body[span.start : span.end])) == (True, len(body[first : last + 1]))
        assert span.content_range == f"bytes {first}-{min(last, size_bytes - 1)}/{size_bytes}"


def test_if_range_holds_for_its_own_tag_only():
    assert span_of("bytes=1-2", 9, condition='"a"', etag='"a"').partial
    assert not span_of("bytes=1-2", 9, condition='"b"', etag='"a"').partial


@pytest.mark.parametrize(
    ("header", "same"), [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), (None, False)]
)
def test_which_tags_match(header, same):
    assert matches(header, '"a"') is same


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (blob_key("m", "ab" * 32), "blob"),
        (version_key("m", 3), "document"),
        (alias_key("m", "production"), "document"),
        (signature_key("m", "ab" * 32, "0123456789abcdef"), "document"),
        (catalog_key("m"), "document"),
        (lease_key("m"), None),
        (pending_key("m", "0" * 32), None),
        (blob_key("m", "ab" * 32).replace("/ab/", "/cd/"), None),
        (version_key("m", 3) + "\n", None),
        ("M/versions/0000000003.json", None),
    ],
)
def test_which_objects_are_handed_out(key, kind):
    assert kind_of(key) == kind


@given(st.text(alphabet="abm./\\%_-0:\n\0", max_size=60))
def test_no_key_that_is_handed_out_leads_anywhere_else(key):
    if kind_of(key):
        assert not {"", ".", ".."} & set(key.split("/"))
    if may_list(key):
        assert not {".", ".."} & set(key.split("/"))


@given(st.lists(st.floats(0, 5), max_size=60), st.floats(0.1, 20))
def test_no_client_gets_more_than_its_rate_and_one_burst(pauses, rate):
    limit, now, passed = RateLimit(rate), 100.0, 0
    for pause in pauses:
        now += pause
        passed += limit.wait_s("a", now) == 0.0
    assert passed <= max(1.0, 2 * rate) + (now - 100.0) * rate + 1e-6


def test_who_waits_as_long_as_it_was_told_may_go_on():
    limit = RateLimit(0.5)
    assert limit.wait_s("a", 0.0) == 0.0
    wait_s = limit.wait_s("a", 0.0)
    assert wait_s == 2.0
    assert limit.wait_s("a", wait_s) == 0.0


def test_one_client_does_not_slow_another():
    limit = RateLimit(0.5)
    assert [limit.wait_s(client, 0.0) for client in "abc"] == [0.0] * 3


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], "10.0.0.1"),
        (["192.0.2.7"], "192.0.2.7"),
        (["203.0.113.9, 192.0.2.7"], "192.0.2.7"),
        (["203.0.113.9", "192.0.2.7"], "192.0.2.7"),
        (["2001:DB8::0:7"], "2001:db8::7"),
        (["192.0.2.7, "], "10.0.0.1"),
        (["192.0.2.7, unknown"], "10.0.0.1"),
        (["fe80::1%" + "x" * 99], "fe80::1"),
    ],
)
def test_of_what_was_forwarded_only_the_proxys_own_word_is_believed(forwarded, client):
    assert client_address("10.0.0.1", forwarded, behind_proxy=True) == client
    assert client_address("10.0.0.1", forwarded, behind_proxy=False) == "10.0.0.1"


def test_only_a_known_token_is_accepted():
    tokens = Tokens.of([TOKEN, "another-token-0123456789"])
    assert [tokens.accept(f"{scheme} {TOKEN}") for scheme in ("Bearer", "bearer", "Basic")] == [True, True, False]
    assert not any(tokens.accept(shown) for shown in ("", "Bearer", "Bearer x", TOKEN, f"Bearer {TOKEN}x", "Bearer \ud800"))
    assert not Tokens().accept("Bearer ")
    assert TOKEN not in repr(tokens)


def test_a_file_of_tokens(tmp_path):
    (tmp_path / "tokens").write_text(f"# those who operate it\n\n{TOKEN}\n")
    assert Tokens.read(tmp_path / "tokens") == Tokens.of([TOKEN])
    (tmp_path / "empty").write_text("# nobody\n")
    with pytest.raises(UsageError, match=r"holds no token. Expected one a line\.$"):
        Tokens.read(tmp_path / "empty")
    with pytest.raises(NotFoundError):
        Tokens.read(tmp_path / "nothing")


def test_a_token_that_is_no_secret_is_refused_and_not_repeated():
    with pytest.raises(UsageError) as caught:
        Tokens.of(["hunter2"])
    assert caught.value.message == (
        "a token must have 16 or more printable ASCII characters without spaces. Received one with 7; make one with: openssl rand -hex 32"
    )


@pytest.mark.parametrize("public", ["ftp://x", "http://", "http://x y", "javascript:alert(1)", "http://x/?a", 'http://x"><script>'])
def test_a_public_address_is_an_address(public):
    with pytest.raises(UsageError, match=r"^--public-url must be"):
        Settings(public_url=public)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("x"), 422),
        (NotFoundError("x"), 404),
        (ConflictError("x"), 409),
        (ConflictError("x", kind="busy"), 503),
        (IntegrityError("x"), 500),
        (AccessError("x"), 503),
        (StorageError("x"), 503),
        (DistrnnError("x"), 500),
    ],
)
def test_the_status_of_an_error(error, status):
    assert status_of(error) == status


def test_where_the_registry_lies_is_not_told():
    assert told(NotFoundError("registry /srv/models has no model 'x'."), "/srv/models") == "this registry has no model 'x'."
    assert told(IntegrityError("s3://b/m/x/versions/1.json is damaged"), "s3://b/m") == "the registry/x/versions/1.json is damaged"


@given(st.lists(st.tuples(st.integers(1, 10**6), FINITE), max_size=30, unique_by=lambda point: point[0]), st.text(max_size=20))
def test_a_chart_is_well_formed_and_its_points_lie_in_it(points, name):
    drawn = line_chart(name, [Line(name, tuple(sorted((float(x), y) for x, y in points)))], name)
    if not points:
        assert drawn == ""
        return
    root = ElementTree.fromstring(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]", "?", drawn))  # noqa: S314 (our own output)
    width, height = map(int, root.attrib["viewBox"].split()[2:])
    for circle in root.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height


@given(FINITE, FINITE)
def test_ticks_span_the_values(one, other):
    low, high = sorted((one, other))
    found = ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high), 1e-9)
    assert found[0] <= low + slack
    assert found[-1] >= high - slack
    assert 2 <= len(found) <= 7


def test_a_chart_leaves_out_what_is_no_number():
    drawn = line_chart("loss", [Line("a", ((1.0, 2.0), (2.0, math.nan), (3.0, 1.0))), Line("b", ((1.0, math.inf),))], "epoch")
    assert drawn.count("<circle") == 2
    assert drawn.count("<polyline") == 1


def test_a_chart_escapes_names():
    drawn = line_chart(HOSTILE, [Line(HOSTILE, ((1.0, 2.0),))], HOSTILE) + legend([HOSTILE])
    assert "<img" not in drawn
    assert "<script" not in drawn


def test_labels_tell_ticks_apart():
    assert [label(value, ticks(0.9, 0.96)) for value in ticks(0.9, 0.96)] == ["0.90", "0.92", "0.94", "0.96"]
    assert thinned([float(x) for x in range(1, 21)]) == [1.0, 4.0, 7.0, 10.0, 13.0, 16.0, 19.0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**a**", "<strong>a</strong>"),
        ("# a", "<h3>a</h3>"),
        ("###### a", "<h6>a</h6>"),
        ("---\nlicense: mit\n---\n\na", "<p>a</p>"),
        ("[a](https://x.test)", '<a href="https://x.test" rel="nofollow noopener noreferrer">a</a>'),
        ("[a](//x.test)", "[a](//x.test)"),
        ("[a](/models/x)", "[a](/models/x)"),
        ("<b>a</b>", "&lt;b&gt;a&lt;/b&gt;"),
        ("&lt;script&gt;", "&lt;script&gt;"),
    ],
)
def test_cards_are_markdown(text, shown):
    assert shown in card_html(text)


@pytest.mark.parametrize(
    "text",
    [
        CARD,
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](java\nscript:alert(1))",
        "[a]( javascript:alert(1))",
        "<javascript:alert(1)>",
        "[a]: javascript:alert(1)\n\n[a]",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "![a](https://x.test/y.png)",
        '[a](https://x.test "\\" onmouseover=alert(1) x=\\"")',
        "`<script>`\n\n    <script>\n\n```<script>\n<script>\n```",
        '| a |\n| --- |\n| <img src=x onerror="alert(1)"> |',
        "<!-- --><svg onload=alert(1)>",
    ],
)
def test_hostile_cards_do_nothing(text):
    root = ElementTree.fromstring(f"<div>{card_html(text)}</div>")  # noqa: S314 (our own output)
    allowed = {"href", "rel", "class", "tabindex", "title"}
    for element in root.iter():
        assert element.tag not in {"script", "img", "svg", "iframe", "object", "form", "b"}
        assert set(element.attrib) <= allowed
        assert re.match(r"https?://|mailto:", element.attrib.get("href", "http://"))


def test_a_very_long_card_is_shown_as_it_is_typed():
    assert card_html("**a**\n" * LONGEST).startswith("<pre>**a**")


def test_nested_cards_take_no_time():
    began = time.process_time()
    assert card_html("> " * 5000 + "a").count("<blockquote>") < 100
    assert "[[[" in card_html("[" * 5000 + "*" * 5000 + "`" * 5000)
    assert time.process_time() - began < 10


def test_a_comparison_of_figures_knows_which_way_is_better():
    rows = figures({"accuracy": 0.5, "loss": 0.5, "examples": 3, "x": None}, {"accuracy": 0.75, "loss": 0.25, "examples": 5, "auc": 0.5})
    assert [(row["metric"], row["change"], row["better"]) for row in rows] == [
        ("accuracy", 0.25, True),
        ("loss", -0.25, True),
        ("examples", 2, None),
        ("x", None, None),
        ("auc", None, None),
    ]


def test_a_comparison_of_settings_shows_what_differs():
    assert settings({"a": 1, "b": {"c": 2, "d": []}}, {"a": 1, "b": {"c": 3, "d": []}, "e": {}}) == [("b.c", 2, 3), ("e", None, {})]


def test_a_comparison_of_files():
    file = {"path": "a", "size_bytes": 1, "sha256": "x", "form": None}
    assert files([file, {**file, "path": "b"}], [file, {**file, "path": "c", "size_bytes": 2}]) == [
        {"path": "a", "left": 1, "right": 1, "same": True},
        {"path": "b", "left": 1, "right": None, "same": False},
        {"path": "c", "left": None, "right": 2, "same": False},
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["loss", "accuracy", "history", "lineage", "workflow"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_a_publisher_wrote_can_be_shown(written):
    metadata = {"history": written, "lineage": written, "metrics": written}
    learning_curves(metadata)
    lineage(metadata)
    workflow_of(metadata)
    rows = [{"number": number, "metrics": written} for number in (2, 1)]
    assert len(over_versions(rows)) <= 4
    assert len(columns(rows)) <= 5


def test_what_a_listing_says_as_metrics():
    latest = VersionSummary(3, "sha256:c", "2026-11-27T02:00:00Z", "classifier", ("numpy",), 10, {"accuracy": 0.9})
    listing = Listing((Summary("m", 4, latest, {"production": HeldAlias(2, "sha256:b", "2026-11-26T00:00:00Z")}),), 1.0, 0.1)
    found = listed(listing)
    model = ("model", "m")
    assert found["distrnn_registry_models"] == {(): 1.0}
    assert found["distrnn_registry_model_versions"] == {(model,): 4.0}
    assert found["distrnn_registry_latest_created_timestamp_seconds"] == {(model,): 1795744800.0}
    assert found["distrnn_registry_alias_info"] == {(model, ("alias", "production"), ("version", "v2")): 1.0}
    assert found["distrnn_registry_alias_updated_timestamp_seconds"] == {(model, ("alias", "production")): 1795651200.0}
    assert list(roles(listing)) == [("m", "latest", 3, "sha256:c"), ("m", "production", 2, "sha256:b")]


def counted():
    """A clock that a test sets, and what made how often."""
    now, made = [0.0], []
    held = Held(2.0, clock=lambda: now[0])
    return now, made, held


def test_what_is_asked_again_in_time_is_made_once():
    now, made, held = counted()
    bodies = [held.get("a", lambda: made.append(1) or b"%d" % len(made)) for now[0] in (0.0, 2.0, 2.1, 4.0)]
    assert bodies == [b"1", b"1", b"2", b"2"]


def test_what_failed_or_is_large_is_not_kept():
    _, made, held = counted()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            held.get("a", lambda: made.append(1) or 1 // 0)
        held.get("b", lambda: made.append(1) or bytes(1 << 20))
    assert len(made) == 4


def test_what_was_being_worked_out_when_something_changed_is_not_kept():
    _, _, held = counted()
    assert held.get("a", lambda: held.clear() or b"old") == b"old"
    assert held.get("a", lambda: b"new") == b"new"


def test_who_asks_for_the_same_at_once_waits_for_one():
    held, made, begun = Held(60.0), [], threading.Barrier(8)

    def make():
        made.append(1)
        time.sleep(0.05)
        return b"x"

    def ask():
        begun.wait(10)
        return held.get("a", make)

    with ThreadPoolExecutor(8) as pool:
        assert [one.result() for one in [pool.submit(ask) for _ in range(8)]] == [b"x"] * 8
    assert len(made) == 1


def test_no_more_answers_are_kept_than_there_is_room_for():
    held, made = Held(60.0), []
    for number in [*range(300), 0, 299]:
        held.get(str(number), lambda: made.append(1) or b"")
    assert len(made) == 301
