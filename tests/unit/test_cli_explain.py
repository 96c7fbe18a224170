"""`predict --explain`: on a terminal, in a pipe, as JSON, as a page."""

import io
import json
import re
from html.parser import HTMLParser

import pytest

from distrnn import load_model
from distrnn.cli.explain import FOR, ShadedText, blocks, pieces, plain, signed
from distrnn.cli.explain_page import page
from distrnn.explanation import Explanation, Word, explain
from fixtures_report import HOSTILE


class Terminal(io.StringIO):
    def isatty(self):
        return True


def explained(*parts, label="negative"):
    """An explanation from (text, state, contribution), words apart by a space."""
    words, start = [], 0
    for text, state, contribution in parts:
        words.append(Word(text, start, start + len(text), state, contribution))
        start += len(text) + 1
    return Explanation(" ".join(text for text, *_ in parts), label, 0.9, {"positive": 0.1, "negative": 0.9}, tuple(words))


SAMPLE = explained(
    ("long", "unread", None),
    ("ago", "unread", None),
    ("zebras", "unknown", 0.0),
    ("were", "read", 0.001),
    ("good", "read", -0.2),
    ("dreadful", "read", 0.4),
)


def test_without_colours_numbers_stand_behind_the_words():
    assert plain(SAMPLE) == "[not read: long ago] zebras(?) were good(-0.20) dreadful(+0.40)"


def test_the_shade_is_the_share_of_the_largest_contribution():
    assert [(piece.text, piece.shade) for piece in pieces(SAMPLE) if piece.state == "read"] == [("were", 0), ("good", 3), ("dreadful", 4)]


def test_pieces_are_the_whole_text():
    assert "".join(piece.text for piece in pieces(SAMPLE)) == SAMPLE.text


def shown_on_a_terminal(monkeypatch, **environment):
    monkeypatch.delenv("NO_COLOR")
    for name, value in {"TERM": "xterm-256color", "COLORTERM": "truecolor", **environment}.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    ShadedText(SAMPLE).show(terminal)
    return terminal.getvalue()


def test_a_terminal_shows_colours(monkeypatch):
    shown = shown_on_a_terminal(monkeypatch)
    red, green, blue = (int(FOR[-1][-6:][at : at + 2], 16) for at in (0, 2, 4))
    assert f"48;2;{red};{green};{blue}mdreadful\x1b[0m" in shown
    assert re.sub(r"\x1b\[[\d;]*m", "", shown) == SAMPLE.text + "\n"


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_shows_numbers(monkeypatch, environment):
    assert shown_on_a_terminal(monkeypatch, **environment) == plain(SAMPLE) + "\n"


def test_a_text_moves_no_cursor(monkeypatch):
    assert "\x1b" not in plain(explained(("a", "read", 0.1))) + "".join(
        block for block in blocks(explained(("a", "read", 0.1))) if isinstance(block, str)
    )
    stream = io.StringIO()
    ShadedText(explained(("a\x1b[2Jb", "read", 0.1))).show(stream)
    assert "\x1b" not in stream.getvalue()


def test_what_was_not_read_is_counted():
    assert list(blocks(SAMPLE))[-1] == "Of 6 words 2 are cut off and 1 is not in the vocabulary."


def test_where_no_word_counts_alone_it_is_said():
    sure = explained(("good", "read", 0.0), ("zebra", "unknown", 0.0))
    said = "No word alone changes the probability."
    assert said in list(blocks(sure))
    assert said in page("m", [sure])
    assert said not in list(blocks(SAMPLE)) + list(blocks(explained()))


@pytest.mark.parametrize(("contribution", "told"), [(0.58, "+0.5800"), (-0.0123, "-0.0123"), (0.00004, "+4e-05")])
def test_a_contribution_has_its_sign(contribution, told):
    assert signed(contribution) == told


def test_explanations_as_json_are_the_librarys(cli, published, holds_for_schema):
    documents = json.loads(cli("predict", "reviews", "not a good zebra", "bad", "--explain", "--json").stdout)
    holds_for_schema(documents, "predict")
    expected = explain(load_model("reviews", published), "not a good zebra")
    assert [word["contribution"] for word in documents[0]["words"]] == pytest.approx(
        [word.contribution for word in expected.words], abs=1e-6
    )
    assert [word["state"] for word in documents[0]["words"]] == ["read", "unknown", "read", "unknown"]
    assert documents[0]["label"] == expected.label


def test_explanations_as_text(cli, published):
    lines = cli("predict", "reviews", "not good", "--explain").stdout.splitlines()
    assert lines[0].split()[0] in ("negative", "positive")
    assert lines[2].startswith("not")
    assert lines[4].startswith("what the probability of")


@pytest.mark.parametrize(
    ("model", "what"), [("text", "a language model; use generate"), ("vectors", "a set of word vectors; use neighbors")]
)
def test_explaining_needs_a_classifier(cli, published, tiny_vectors, model, what):
    published.publish("vectors", tiny_vectors(), metadata={"task": "embedding"})
    done = cli("predict", model, "hi", "--explain")
    message = f"error: explaining needs a classifier, whose answer words contribute to. This is {what}."
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, message)


def test_a_page_is_written_and_implies_explaining(cli, published, tmp_path):
    done = cli("predict", "reviews", "not good", "--explain-html", "why.html")
    assert done.exit_code == 0
    assert done.stderr.splitlines()[-1] == f"Wrote {tmp_path / 'why.html'}"
    assert "what the probability of" in done.stdout
    assert "<title>reviews@v2</title>" in (tmp_path / "why.html").read_text(encoding="utf-8")


def test_a_page_needs_its_folder_before_anything_is_computed(cli, published):
    done = cli("predict", "reviews", "not good", "--explain-html", "none/why.html")
    assert (done.exit_code, done.stderr) == (3, "error: no folder 'none' to write the page into. Make it first.\n")


def test_a_folder_in_place_of_a_page_is_told_before_anything_is_computed(cli, published, tmp_path):
    (tmp_path / "pages").mkdir()
    done = cli("predict", "reviews", "not good", "--explain-html", "pages")
    message = "error: --explain-html needs a file to write. Received: the folder 'pages'. Name a file in it: pages/explained.html"
    assert (done.exit_code, done.stderr) == (2, message + "\n")


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text += data


def test_a_page_shows_strangers_text_as_it_is_and_runs_none_of_it():
    found = Tags(page(HOSTILE, [explained((HOSTILE, "read", 0.3), (HOSTILE, "unread", None), (HOSTILE, "unknown", 0.0), label=HOSTILE)]))
    assert not {"script", "img", "link", "iframe"} & set(found.tags)
    assert not [name for name in found.attributes if name.startswith("on") or name in ("src", "href")]
    assert found.text.count(HOSTILE) == 7


def test_a_page_holds_what_utf8_cannot():
    assert "a\ufffdb" in page("m", [explained(("a\ud800b", "read", 0.3))]).encode().decode()


def test_a_page_tells_sides_and_states_apart():
    text = page("m", [SAMPLE])
    assert '<mark class="for" style="--share: 1.000" title="+0.4000">dreadful</mark>' in text
    assert '<mark class="against" style="--share: 0.500" title="-0.2000">good</mark>' in text
    assert '<span class="unread" title="cut off">long ago</span>' in text
    assert '<span class="unknown" title="not in the vocabulary">zebras</span>' in text
