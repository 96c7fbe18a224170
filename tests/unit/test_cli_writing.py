"""`generate`, `score` and `complete` over a registry in a folder."""

import json
import math
import signal
import subprocess
import sys

import jsonschema
import pytest

from distrnn import load_model

NOTHING_DRAWN = (
    "--temperature 0 always takes the most probable token, which --top-k, --top-p, --seed and --samples cannot change. Leave them out, or "
    "give a temperature above 0. Received:"
)


def test_generate_takes_its_prompt_from_a_file(cli, published, tmp_path):
    (tmp_path / "prompt.txt").write_text("a cab\nfed", encoding="utf-8")
    done = cli("generate", "text", "--prompt-file", "prompt.txt", "--length", 9, "--seed", 1)
    assert done.stdout == cli("generate", "text", "--prompt", "a cab\nfed", "--length", 9, "--seed", 1).stdout
    assert cli("generate", "text", "--prompt-file", "-", "--length", 9, "--seed", 1, stdin="a cab\nfed").stdout == done.stdout


def test_generate_draws_as_the_library_does(cli, published):
    keys = {"temperature": 1.4, "top_k": 4, "top_p": 0.8, "stop": "a", "seed": 3}
    options = [part for key, value in keys.items() for part in (f"--{key.replace('_', '-')}", value)]
    document = json.loads(cli("generate", "text", "--length", 60, *options, "--json").stdout)
    expected = load_model("text", published).generate("a cab", 60, **keys)
    assert document == {"prompt": "a cab", "text": expected, "samples": [expected], "length": 60, **keys}
    assert "a" not in expected


def test_several_samples_differ_and_can_be_written_alone(cli, published):
    document = json.loads(cli("generate", "text", "--length", 30, "--samples", 3, "--seed", 5, "--json").stdout)
    model = load_model("text", published)
    assert document["samples"] == [model.generate("a cab", 30, seed=seed) for seed in (5, 6, 7)]


def test_several_samples_as_text_stand_under_lines_of_their_own(cli, published):
    first, second = (load_model("text", published).generate("a cab", 5, seed=seed) for seed in (5, 6))
    shown = cli("generate", "text", "--length", 5, "--samples", 2, "--seed", 5).stdout
    assert shown == f"--- 1 of 2, seed 5\na cab{first}\n--- 2 of 2, seed 6\na cab{second}\n"


def test_nothing_that_is_written_moves_the_cursor(cli, published, tiny_language_model):
    published.publish("rude", tiny_language_model("rude", tokens="\x1b[2J"), metadata={})
    assert "\x1b" not in cli("generate", "rude", "--prompt", "\x1b[", "--length", 40, "--seed", 1).stdout


def test_score_is_what_the_library_says(cli, published, tmp_path):
    (tmp_path / "text.txt").write_text("a bad cab\nfed a hag\n" * 9, encoding="utf-8")
    document = json.loads(cli("score", "text", "text.txt", "--top", 2, "--window", 5, "--json").stdout)
    model = load_model("text", published)
    expected, forgetful = (model.score("a bad cab\nfed a hag\n" * 9, window=window, top=2) for window in (None, 5))
    figures = [document[key] for key in ("loss_nats", "perplexity", "bits_per_character", "tokens", "unknown")]
    assert figures == [expected.loss_nats, expected.perplexity, expected.bits_per_character, 179, 0]
    assert (document["forgetful"]["window"], document["forgetful"]["loss_nats"]) == (5, forgetful.loss_nats)
    passages = [(one.line, one.loss_nats, one.tokens, one.text) for one in expected.passages]
    assert [tuple(one[key] for key in ("line", "loss_nats", "tokens", "text")) for one in document["passages"]] == passages


def test_files_are_judged_each_from_its_start_and_together(cli, published, tmp_path):
    for name, text in {"a.txt": "a bad cab", "b.txt": "fed a hag"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    document = json.loads(cli("score", "text", "a.txt", "b.txt", "--json").stdout)
    alone = [json.loads(cli("score", "text", name, "--json").stdout) for name in ("a.txt", "b.txt")]
    assert [one["loss_nats"] for one in document["files"]] == [one["loss_nats"] for one in alone]
    assert document["loss_nats"] == pytest.approx((alone[0]["loss_nats"] + alone[1]["loss_nats"]) / 2)
    assert {one["file"] for one in document["passages"]} == {"a.txt", "b.txt"}


def test_score_reads_stdin_once_and_judges_it_twice(cli, published, tmp_path):
    text = "a bad cab had a bad fad"
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    from_file, from_stdin = (
        json.loads(cli("score", "text", name, "--window", 4, "--json", stdin="a bad cab had a bad fad").stdout)
        for name in ("text.txt", "-")
    )
    assert from_stdin["forgetful"] == from_file["forgetful"]
    assert from_stdin["loss_nats"] == from_file["loss_nats"]


def test_score_as_text_shows_figures_states_and_passages(cli, published, tmp_path):
    (tmp_path / "text.txt").write_text("a bad cab had a bad fad", encoding="utf-8")
    shown = cli("score", "text", "text.txt", "--window", 4).stdout
    assert [line.strip().split("  ")[0] for line in shown.splitlines() if line] == [
        *("loss (nats)", "perplexity", "bits per character", "characters", "unknown"),
        *("STATE", "carried through", "forgotten after every 4"),
        *("Most surprising passages", "LINE", "1"),
    ]


def test_words_have_bits_of_their_characters_and_bits_a_word(cli, published, tiny_language_model, tmp_path):
    published.publish("words", tiny_language_model("words", level="word", tokens=("a", "good", "film")), metadata={})
    for name, text in {"a.txt": "a good film\n\n", "b.txt": "A film!"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    document = json.loads(cli("score", "words", "a.txt", "b.txt", "--window", 2, "--json").stdout)
    counts = [(document, 5, 20), *zip(document["files"], (3, 2), (13, 7), strict=True), (document["forgetful"], 5, 20)]
    for figures, words, characters in counts:
        bits = figures["loss_nats"] / math.log(2)
        assert figures["tokens"] == words
        assert figures["bits_per_word"] == pytest.approx(bits)
        assert figures["bits_per_character"] == pytest.approx(bits * words / characters)


def test_words_as_text_have_both_bits_too(cli, published, tiny_language_model):
    published.publish("words", tiny_language_model("words", level="word", tokens=("a", "good", "film")), metadata={})
    lines = cli("score", "words", "-", "--window", 2, stdin="a good film").stdout.splitlines()
    assert [line.rsplit(maxsplit=1)[0] for line in lines[2:5]] == ["bits per character", "bits per word", "words"]
    assert "BITS PER CHARACTER  BITS PER WORD" in lines[7]


def test_characters_have_no_bits_a_word(cli, published):
    assert "bits_per_word" not in json.loads(cli("score", "text", "-", "--json", stdin="a bad cab").stdout)


def test_complete_lists_what_may_come_next(cli, published):
    document = json.loads(cli("complete", "text", "a c", "--top", 3, "--each", "--json").stdout)
    model = load_model("text", published)
    expected = model.complete("a c", top=3)
    assert document["candidates"] == [{"token": one.token, "probability": one.probability} for one in expected]
    assert [one["token"] for one in document["each"]] == ["a", " ", "c"]
    assert document["each"][-1]["guess"] == expected[0].token


@pytest.mark.parametrize(
    ("name", "text", "tokens"), [("text", "", [None]), ("words", "", [None]), ("words", "A film", [None, "a", "film"])]
)
def test_what_the_model_reads_before_the_text_is_the_beginning(cli, published, tiny_language_model, name, text, tokens):
    published.publish("words", tiny_language_model("words", level="word", tokens=("a", "good", "film")), metadata={})
    document = json.loads(cli("complete", name, text, "--each", "--json").stdout)
    assert [one["token"] for one in document["each"]] == tokens
    lines = cli("complete", name, text, "--each").stdout.splitlines()
    shown = ["(beginning)" if token is None else repr(token) for token in tokens]
    assert [line.split()[0] for line in lines[1 : 1 + len(tokens)]] == shown


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ("generate", ["text"]),
        ("generate", ["text", "--samples", 2, "--top-k", 3, "--top-p", 0.5, "--stop", "b", "--seed", 1, "--length", 0]),
        ("generate", ["text", "--temperature", 0]),
        ("generate", ["words", "--prompt", ""]),
        ("score", ["text", "a.txt"]),
        ("score", ["text", "a.txt", "b.txt", "--window", 3, "--top", 1]),
        ("score", ["words", "a.txt", "--top", 0]),
        ("complete", ["text", "a c"]),
        ("complete", ["words", "", "--top", 2, "--each"]),
    ],
)
def test_json_holds_for_its_schema(cli, published, tiny_language_model, holds_for_schema, tmp_path, schema, arguments):
    published.publish("words", tiny_language_model("words", level="word", tokens=("a", "good", "film")), metadata={})
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("a bad film\n\nfed a hag\n", encoding="utf-8")
    done = cli(schema, *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    holds_for_schema(json.loads(done.stdout), schema)


@pytest.mark.parametrize(
    ("schema", "changes"),
    [
        ("generate", {"seed": -1}),
        ("generate", {"more": 1}),
        ("score", {"bits_per_character": None}),
        ("complete", {"each": [{"token": "", "guess": "a", "probability": 0.5}]}),
        ("complete", {"each": [{"token": "a", "guess": None, "probability": 0.5}]}),
        ("score", {"files": []}),
        ("score", {"more": 1}),
        ("complete", {"candidates": [{"token": "a", "probability": 1.5}]}),
    ],
)
def test_a_schema_refuses_what_is_not_of_its_verb(cli, published, holds_for_schema, tmp_path, schema, changes):
    (tmp_path / "a.txt").write_text("a bad cab", encoding="utf-8")
    document = json.loads(cli(schema, "text", *{"score": ["a.txt"], "complete": ["a"]}.get(schema, []), "--json").stdout)
    with pytest.raises(jsonschema.ValidationError):
        holds_for_schema({**document, **changes}, schema)


def test_complete_as_text_shows_spaces_and_line_breaks(cli, published):
    lines = cli("complete", "text", "a c", "--top", 10).stdout.splitlines()
    assert lines[0].split() == ["NEXT", "PROBABILITY"]
    assert {line.rsplit(maxsplit=1)[0].strip() for line in lines[1:]} == {repr(token) for token in " abcdefgh\n"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["generate", "text", "--prompt", "a", "--prompt-file", "b"],
            2,
            "--prompt and --prompt-file both say what the text goes on from; give one of them.",
        ),
        (["generate", "text", "--samples", "0"], 2, "--samples must be 1 or more. Received: 0"),
        (["generate", "text", "--temperature", "0", "--top-k", "3"], 2, f"{NOTHING_DRAWN} --top-k 3"),
        (["generate", "text", "--temperature", "0", "--top-p", "0.5"], 2, f"{NOTHING_DRAWN} --top-p 0.5"),
        (["generate", "text", "--temperature", "0", "--seed", "0"], 2, f"{NOTHING_DRAWN} --seed 0"),
        (["generate", "text", "--temperature", "0", "--samples", "3", "--seed", "1"], 2, f"{NOTHING_DRAWN} --seed 1, --samples 3"),
        (["generate", "text", "--top-p", "2"], 2, "top_p must be a share above 0 and at most 1, or None for all tokens. Received: 2.0"),
        (["generate", "text", "--stop", ""], 2, "stop must be a text of one character at least, or None. Received: ''"),
        (["generate", "text", "--prompt-file", "none.txt"], 3, "no file 'none.txt'. Name a text file, or '-' for stdin."),
        (["score", "text", "none.txt"], 3, "no file 'none.txt'. Name a text file, or '-' for stdin."),
        (["score", "text", "-", "-"], 2, "each FILE can be judged once. Received: - -"),
        (["score", "reviews", "-"], 2, "score needs a language model. This is a classifier; use predict."),
        (["complete", "reviews", "a"], 2, "complete needs a language model. This is a classifier; use predict."),
        (["complete", "text", "a", "--top", "0"], 2, "top must be a whole number of tokens, 1 or more. Received: 0"),
        (
            ["score", "text", "-"],
            1,
            "-: a text to score must have two tokens at least, for the second to follow the first. Received: fewer.",
        ),
    ],
)
def test_what_makes_no_sense(cli, published, arguments, code, message):
    done = cli(*arguments)
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (code, f"error: {message}")


def test_a_file_that_is_no_text(cli, published, tmp_path):
    (tmp_path / "bytes").write_bytes(b"good\n\xff\xfe\n")
    done = cli("score", "text", "bytes")
    message = "error: bytes must be text in UTF-8. Received: line 2 with invalid start byte. Convert it, for instance with iconv."
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (1, message)


WATCHED = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print("threads", os.environ.get("OPENBLAS_NUM_THREADS"), file=sys.stderr)
sys.meta_path.insert(0, Watch())
os.environ.pop("OPENBLAS_NUM_THREADS", None)
from distrnn.cli.main import main
main()
"""


ENDLESS = ("generate", "text", "--length", "1000000000", "--seed", "1")


@pytest.fixture
def writing(published):
    """Starts a process that writes for hours, with pipes."""
    started = []

    def start(*options):
        command = [sys.executable, "-m", "distrnn", *ENDLESS, *options]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.timeout(120)
def test_what_is_written_arrives_while_more_is_being_written(writing, published):
    process = writing()
    expected = "a cab" + load_model("text", published).generate("a cab", 200, seed=1)
    # Whoever waits for all of the text before it is shown waits for hours here: this read then ends with the test's time.
    assert process.stdout.read(len(expected)).decode() == expected
    assert process.poll() is None


@pytest.mark.parametrize("json_option", [(), ("--json",)], ids=["text", "json"])
def test_ctrl_c_ends_the_writing_at_once(writing, json_option):
    process = writing(*json_option)
    said = process.stderr.readline()  # which version it is: told just before it begins to write
    if not json_option:
        process.stdout.read(20)
    process.send_signal(signal.SIGINT)
    shown, complained = (stream.decode() for stream in process.communicate(timeout=60))
    assert said.startswith(b"text is text@v1 ")
    assert (process.returncode, "Traceback" in complained) == (130, False)
    if json_option:
        assert (json.loads(shown), complained) == ({"error": "InterruptedRun", "message": "interrupted by SIGINT", "code": 130}, "")
    else:
        assert complained == "error: interrupted by SIGINT\n"


@pytest.mark.parametrize("arguments", [("generate", "text", "--length", "2"), ("score", "text", "-"), ("complete", "text", "a")])
def test_one_token_at_a_time_is_work_for_one_thread(published, arguments):
    command = [sys.executable, "-c", WATCHED, *arguments]
    done = subprocess.run(command, input="a bad cab", capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if line.startswith("threads")] == ["threads 1"]
