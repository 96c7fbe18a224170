"""Versions in pages: every number is on one page, and each page leads to its neighbours."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.registry.maintenance import Maintenance
from distrnn.service import pages
from distrnn.service.documents import stretch


@given(head=st.integers(0, 300), limit=st.integers(1, 120))
def test_older_pages_show_every_number_once(head, limit):
    seen, before = [], None
    while True:
        page = stretch(head, limit, before)
        assert page.newest - page.oldest + 1 <= limit
        seen += range(page.newest, page.oldest - 1, -1)
        if page.older is None:
            break
        before = page.older
    assert seen == list(range(head, 0, -1))


@given(head=st.integers(1, 300), limit=st.integers(1, 120), before=st.integers(1, 400))
def test_newer_pages_end_with_the_newest(head, limit, before):
    page = stretch(head, limit, before)
    while page.newer is not None:
        newer = stretch(head, limit, page.newer)
        assert newer.newest > page.newest
        assert newer.oldest <= page.newest + 1
        page = newer
    assert page.newest == head


def shown(client, path):
    """The versions in the table of a page, and where its links to other pages lead."""
    text = client.get(path).text
    table = text[text.index("<h2>Versions</h2>") : text.index("<h2>Aliases</h2>")]
    return re.findall(r">(v\d+)</a>", table), dict(re.findall(r'<a rel="(prev|next)" href="([^"]+)"', table))


@pytest.mark.parametrize(
    ("path", "versions", "links"),
    [
        ("/models/reviews", ["v3", "v2"], {"next": "/models/reviews?before=2"}),
        ("/models/reviews?before=2", ["v1"], {"prev": "/models/reviews?before=4"}),
        ("/models/reviews?before=3", ["v2", "v1"], {"prev": "/models/reviews?before=4"}),
        ("/models/reviews?before=999", ["v3", "v2"], {"next": "/models/reviews?before=2"}),
        ("/models/text", ["v1"], {}),
    ],
)
def test_a_model_of_many_versions_leads_to_the_older_ones(service, foreign_models, monkeypatch, path, versions, links):
    monkeypatch.setattr(pages, "VERSIONS_SHOWN", 2)
    assert shown(service(foreign_models), path) == (versions, links)


@pytest.mark.parametrize("before", ["0", "v2", "-1", "99999999999"])
def test_a_page_that_there_cannot_be_is_refused(service, foreign_models, before):
    answer = service(foreign_models).get(f"/models/reviews?before={before}")
    assert (answer.status_code, "That cannot be shown" in answer.text) == (422, True)


def test_a_page_of_deleted_versions_only_leads_on(service, published):
    Maintenance(published).delete("reviews@v2", reason="a test")
    client = service()
    first = client.get("/api/v1/models/reviews/versions?limit=1").json()
    assert first == {"versions": [], "next_before": 2}
    second = client.get("/api/v1/models/reviews/versions?limit=1&before=2").json()
    assert ([row["number"] for row in second["versions"]], second["next_before"]) == ([1], None)
