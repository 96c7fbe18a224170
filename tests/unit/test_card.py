"""The model card of a run: what it says, that it says it the same way twice, and that nobody's text breaks out of it."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from distrnn.evaluation.card import escape, render
from distrnn.workflow import LoadedWorkflow, validate
from fixtures_report import HOSTILE
from fixtures_workflow import CLASSIFIER, LANGUAGE_MODEL, changed

SPLITS = {"train": {"rows": 20_012, "tokens": 4_701_223}, "validation": {"rows": 0, "tokens": 0}, "test": {"rows": 25_000, "tokens": 5}}
REVIEWS = {"accuracy": 0.8334, "loss": 0.3872, "auc": None, "examples": 25_000}
CORPUS = {"loss_nats": 1.7, "bits_per_character": 2.4525, "perplexity": 5.474, "tokens": 60_090}


def metadata(document, metrics, **others):
    workflow = LoadedWorkflow(validate(document, "w.yaml"), "w.yaml").to_json()
    lineage = {
        "dataset": "ab" * 32,
        "evaluation_set": "cd" * 32,
        "workflow": workflow,
        "run_id": "w-20261121-015300-ab12",
        "commit": "7af90dd",
    }
    labels = ["negative", "positive"] if workflow["model"]["task"] == "classifier" else []
    common = {"task": workflow["model"]["task"], "labels": labels, "parameters": 2_691_713, "metrics": metrics, "lineage": lineage}
    return {**common, **others}


def card(document=CLASSIFIER, metrics=REVIEWS, **others):
    return render("reviews", metadata(document, metrics, **others), SPLITS)


def front_matter(text):
    _, front, body = re.split(r"^---$", text, maxsplit=2, flags=re.MULTILINE)
    return yaml.safe_load(front), body


def test_front_matter_has_what_is_known():
    front, _ = front_matter(card())
    assert front == {
        "language": "en",
        "library_name": "distrnn",
        "pipeline_tag": "text-classification",
        "tags": ["distrnn", "keras", "lstm"],
        "datasets": ["imdb"],
        "metrics": ["accuracy", "loss"],
        "model-index": [
            {
                "name": "reviews",
                "results": [
                    {
                        "task": {"type": "text-classification"},
                        "dataset": {"name": "imdb", "type": "imdb", "split": "test"},
                        "metrics": [{"type": "accuracy", "value": 0.8334}, {"type": "loss", "value": 0.3872}],
                    }
                ],
            }
        ],
    }


def test_nothing_is_claimed_about_a_file_of_the_users():
    front, body = front_matter(card(changed(CLASSIFIER, "data.path", "/home/me/reviews.csv")))
    assert {"language", "datasets"}.isdisjoint(front)
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == "the publisher's file in the form of imdb"
    assert "Source: imdb (a file of the publisher's in that form)." in body


@pytest.mark.parametrize(
    ("type_", "told"),
    [
        ("mlp", "A text classifier (MLP)"),
        ("conv", "A text classifier (convolution)"),
        ("bag", "A text classifier (bag of words)"),
        ("simple-rnn", "A recurrent text classifier (simple RNN)"),
        ("gru", "A recurrent text classifier (GRU)"),
        ("lstm", "A recurrent text classifier (LSTM)"),
    ],
)
def test_a_card_says_what_kind_of_model_it_is(type_, told):
    model = {"type": type_, "sequence_length": 80}
    document = changed(CLASSIFIER, "model", model)
    if type_ == "bag":
        document = changed(document, "data.tokenizer.layout", "bag")
    assert f"{told} with 2,691,713 parameters, trained by distrnn." in card(document).splitlines()


def test_a_card_says_which_threshold_was_chosen():
    said = "Its answer is positive above a probability of 0.4321, which was chosen on the validation split."
    assert said in card(threshold=0.4321).splitlines()
    assert "above a probability" not in card()


def test_a_model_that_was_not_measured_says_so():
    front, body = front_matter(card(changed(changed(LANGUAGE_MODEL, "data.test_fraction", 0), "register", None), None))
    assert {"metrics", "model-index"}.isdisjoint(front)
    assert "Nothing was held out, so this model was not measured." in body
    assert "- It was not measured: how it does on other text is not known." in body


@pytest.mark.parametrize(
    ("document", "metrics", "lines"),
    [
        (
            CLASSIFIER,
            REVIEWS,
            [
                "A recurrent text classifier (LSTM) with 2,691,713 parameters, trained by distrnn.",
                "It tells these labels apart: negative, positive.",
                "| train | 20,012 | 4,701,223 |",
                "| `train.optimizer.learning_rate` | 0.001 |",
                "| Accuracy | 0.8334 |",
                "| Loss (nats) | 0.3872 |",
                'distrnn predict reviews "some text"',
                'model.predict(["some text"])',
                "- It reads the last 80 tokens of a text and nothing of the rest.",
            ],
        ),
        (
            LANGUAGE_MODEL,
            CORPUS,
            [
                "A recurrent language model (LSTM) with 2,691,713 parameters, trained by distrnn.",
                "| Loss (nats per token) | 1.700 |",
                "distrnn generate reviews --length 200",
                "- It writes text that resembles what it was trained on; what it says need not be true or make sense.",
            ],
        ),
    ],
    ids=["classifier", "language-model"],
)
def test_a_card_says(document, metrics, lines):
    assert [line for line in lines if line not in card(document, metrics).splitlines()] == []


def test_an_empty_split_is_left_out():
    assert "| validation |" not in card()


def test_two_runs_of_one_model_have_one_card():
    other = metadata(CLASSIFIER, REVIEWS)
    other["lineage"] |= {"run_id": "another", "commit": "0000000", "placement": {"device": "gpu"}, "versions": {"keras": "4"}}
    assert render("reviews", other, SPLITS) == card()


def test_no_path_of_the_machine_is_in_it():
    document = changed(changed(CLASSIFIER, "data.path", "/home/me/reviews"), "storage.root", "/home/me/storage")
    assert "/home/me" not in card(document)


def test_a_label_cannot_break_out():
    text = card(labels=[HOSTILE, "---\nlicense: mit\n---", "| a | b |"])
    front, body = front_matter(text)
    assert "license" not in front
    assert "<script" not in body.replace("\\<", "")
    assert "\nlicense" not in body


@given(st.text())
def test_escaped_text_is_one_line_without_markup(text):
    line = escape(text)
    assert "\n" not in line
    assert re.search(r"(?<!\\)(\\\\)*[<>`*_\[\]|#]", line) is None
    assert "://" not in line


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_any_labels_make_a_card_that_utf8_can_hold(labels):
    front, _ = front_matter(card(labels=labels).encode().decode())
    assert front["library_name"] == "distrnn"
