"""The grammar of references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.errors import UsageError
from distrnn.refs import ModelRef, check_alias

NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("imdb", ModelRef("imdb", "latest")),
        ("imdb@latest", ModelRef("imdb", "latest")),
        ("imdb@production", ModelRef("imdb", "alias", "production")),
        ("imdb@v3", ModelRef("imdb", "number", "3")),
        ("imdb@v003", ModelRef("imdb", "number", "3")),
        ("imdb@sha256:0123456789ab", ModelRef("imdb", "digest", "0123456789ab")),
        ("models:/imdb@production", ModelRef("imdb", "alias", "production")),
        ("models:/imdb/3", ModelRef("imdb", "number", "3")),
        ("models:/imdb/latest", ModelRef("imdb", "latest")),
    ],
)
def test_a_reference_is_read(text, expected):
    assert ModelRef.parse(text) == expected


@pytest.mark.parametrize("text", ["", "IMDB", "a b", "../a", "a/b", "-a", "a" * 64, "a@B", "a@b@c", "@x", "a\n", "models:/a/b/c", "_gc"])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(UsageError, match="must start with a lower-case letter or digit and go on"):
        ModelRef.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imdb@", "reference must be NAME@ALIAS, NAME@v3 or NAME@sha256:…. Received: 'imdb@'"),
        ("imdb@v0", "version numbers start at v1. Received: 'imdb@v0'"),
        ("imdb@sha256:0123", "a digest reference needs 12 to 64 hexadecimal digits. Received: 'imdb@sha256:0123'"),
        ("imdb@sha256:0123456789AB", "a digest reference needs 12 to 64 hexadecimal digits. Received: 'imdb@sha256:0123456789AB'"),
    ],
)
def test_an_almost_right_reference_says_what_is_wrong(text, message):
    with pytest.raises(UsageError) as caught:
        ModelRef.parse(text)
    assert caught.value.message == message


@pytest.mark.parametrize("alias", ["latest", "v1", "v0042"])
def test_reserved_words_are_no_aliases(alias):
    with pytest.raises(UsageError) as caught:
        check_alias(alias)
    assert caught.value.message == (
        f"alias {alias!r} is reserved: 'latest' and v<digits> name versions by themselves. Choose another word."
    )


@given(NAMES, st.integers(1, 9_999_999_999))
def test_a_version_is_written_as_it_is_read(name, number):
    assert str(ModelRef.parse(f"{name}@v{number}")) == f"{name}@v{number}"


@given(st.text(max_size=80))
def test_a_reference_never_names_a_path(text):
    try:
        ref = ModelRef.parse(text)
    except UsageError:
        return
    assert not {"/", "\\", "\0", "\n"} & set(ref.name + ref.selector)
    assert not ref.name.startswith((".", "_"))
