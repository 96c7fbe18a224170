"""Who signed a version: what the page and the REST of a registry service say of it, and what they leave to whoever has the key."""

import re

import pytest

from distrnn.registry.layout import card_key, signature_key
from distrnn.registry.maintenance import Maintenance
from fixtures_service import HOSTILE

PATH = "/api/v1/models/reviews/versions/1"


@pytest.fixture
def signed(published, key_pair):
    """The signature of reviews@v1."""
    return Maintenance(published).sign("reviews@v1", key_pair.private)


@pytest.fixture
def damage(published):
    """A function that puts other bytes in the place of a signature of reviews@v1."""
    version = published.resolve("reviews@v1")

    def put(key_id, body):
        published.store.put(signature_key("reviews", version.hex_digest, key_id), body)

    return put


def test_of_an_unsigned_version_rest_has_no_signature_and_the_page_says_nothing(service, published):
    assert service().get(PATH).json()["signatures"] == []
    assert "signature" not in service().get("/models/reviews/v1").text


def test_rest_has_what_models_show_has(service, signed):
    kept = {key: getattr(signed, key) for key in ("key_id", "public_key", "signature", "signed_at")}
    assert service().get(PATH).json()["signatures"] == [{**kept, "problem": None}]


def test_the_page_names_the_key_and_how_to_check_it(service, signed):
    page = service().get("/models/reviews/v1").text
    (section,) = re.findall(r'<section id="signatures">.*?</section>', page, re.DOTALL)
    assert f"<code>{signed.key_id}</code></th><td>{signed.signed_at[:10]} {signed.signed_at[11:16]} UTC</td>" in section
    assert "This page has not checked it: whose key that is, only you can know." in section
    assert "distrnn pull reviews@v1 \\\n  --registry http://registry.test \\\n  --require-signature FILE</pre>" in section


def test_each_key_has_a_line(service, published, signed, new_keys):
    second = Maintenance(published).sign("reviews@v1", new_keys("second").private)
    listed = service().get(PATH).json()["signatures"]
    assert [one["key_id"] for one in listed] == sorted([signed.key_id, second.key_id])
    page = service().get("/models/reviews/v1").text
    assert all(f"<code>{one.key_id}</code>" in page for one in (signed, second))
    assert "This page has not checked them: " in page


@pytest.mark.parametrize("body", [b"{}", b"\xff", b"x" * 20_000], ids=["empty", "no text", "too long"])
def test_one_that_is_damaged_hides_neither_the_version_nor_the_others(service, published, signed, damage, body):
    damage("0" * 16, body)
    first, second = service().get(PATH).json()["signatures"]
    assert (first["key_id"], first["public_key"], first["signature"], first["signed_at"]) == ("0" * 16, "", "", "")
    assert first["problem"].startswith("the registry/reviews/signatures/")
    assert published.url not in first["problem"]
    assert (second["key_id"], second["problem"]) == (signed.key_id, None)
    page = service().get("/models/reviews/v1")
    assert (page.status_code, "the registry/reviews/signatures/" in page.text) == (200, True)


def test_a_hostile_time_is_text(service, published, signed, damage):
    key = signature_key("reviews", published.resolve("reviews@v1").hex_digest, signed.key_id)
    damage(signed.key_id, published.store.read(key).replace(signed.signed_at.encode(), HOSTILE.encode()))
    assert service().get(PATH).json()["signatures"][0]["signed_at"] == HOSTILE
    assert "<img" not in service().get("/models/reviews/v1").text


def test_why_a_card_cannot_be_shown_does_not_tell_where_the_registry_lies(service, published):
    published.store.put(card_key("reviews", 1), b"{}")
    problem = service().get(f"{PATH}/card").json()["problem"]
    assert problem.startswith("the registry/reviews/cards/")
