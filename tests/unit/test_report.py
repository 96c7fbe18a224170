import re
import warnings
from html.parser import HTMLParser

import pytest

from distrnn.evaluation import figures, wording
from distrnn.evaluation.report import render
from fixtures_report import HOSTILE, classifier_run, language_run


class Page(HTMLParser):
    """The tags and attributes of a page, and the text it shows."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text += " " + " ".join(data.split())

    @property
    def words(self):
        return " ".join(self.text.split())


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


@pytest.fixture(scope="module")
def classifier():
    return render(*classifier_run())


@pytest.fixture(scope="module")
def language():
    return render(*language_run())


def test_a_classifier_has_its_sections(classifier):
    assert headings(classifier) == [
        *("Promotion", "Metrics", "Learning curves", "Confusion matrix", "Calibration", "Vectors of words", "Pre-trained vectors"),
        *("Most confident mistakes", "Where the time went", "Dataset", "Lineage", "Workflow"),
    ]


def test_a_language_model_has_its_sections(language):
    assert headings(language) == [
        *("Metrics", "Learning curves", "A generated sample", "Where the time went", "Dataset", "Lineage", "Workflow")
    ]


@pytest.mark.parametrize("run", [classifier_run, language_run])
def test_foreign_text_adds_no_tag(run):
    document, details = run()
    hostile = Page(render(document, details)).tags
    tame = Page(render(*tamed(document, details))).tags
    assert hostile == tame


def tamed(document, details):
    details = dict(details)
    if details["mistakes"]:
        details["mistakes"] = [mistake | {"text": "tame"} for mistake in details["mistakes"]]
    if details.get("sample"):
        details["sample"] = details["sample"] | {"text": "the slowly tame"}
        details["samples"] = [written | {"text": "tame"} for written in details["samples"]]
    return document, details


def test_samples_tell_how_a_model_learned_and_how_much_of_them_is_copied(language):
    words = Page(language).words
    assert (
        "3.1 % of what it wrote stands word for word in the training text, in runs of 20 tokens or more; the longest has 27. "
        "Of the held-out text, which nobody copied, 7 % stands there, the longest run with 41 tokens."
    ) in words
    assert "After 2 epochs the slowly the spirit 25 % stands word for word in the training text, the longest run with 21 tokens." in words
    assert "After 1 epoch the slowly" in words


def test_without_a_held_out_text_and_earlier_samples_a_sample_stands_alone():
    document, details = language_run()
    details |= {"samples": [], "held_out_copied": None}
    words = Page(render(document, details)).words
    assert "the longest has 27. Where the time went" in words


def test_foreign_text_is_shown_as_it_is(classifier):
    assert HOSTILE in Page(classifier).words


@pytest.mark.parametrize("place", ["workflow", "label", "alias", "lineage", "path", "name of a class", "split"])
def test_every_foreign_place_is_escaped(place):
    document, details = classifier_run()
    if place == "workflow":
        details["workflow"]["name"] = HOSTILE
        document["workflow"] = HOSTILE
    elif place == "label":
        details["mistakes"][0]["label"] = HOSTILE
    elif place == "alias":
        document["promotion"]["alias"] = HOSTILE
    elif place == "lineage":
        details["lineage"][HOSTILE] = HOSTILE
    elif place == "path":
        document["dataset"]["path"] = HOSTILE
    elif place == "split":
        details["splits"] = {HOSTILE: {"rows": 1, "tokens": 1}, "test": {"rows": 1, "tokens": 1}}
    else:
        details["labels"] = [HOSTILE, "positive"]
    page = Page(render(document, details))
    assert not {"script", "img"} & set(page.tags)


@pytest.mark.parametrize("run", [classifier_run, language_run])
def test_nothing_is_fetched(run):
    page = Page(render(*run()))
    references = [(tag, name, value) for tag, name, value in page.attributes if name in ("src", "href", "xlink:href", "action", "srcset")]
    assert [reference for reference in references if not reference[2].startswith("#")] == []
    assert not {"link", "script", "iframe", "img", "object"} & set(page.tags)


@pytest.mark.parametrize("run", [classifier_run, language_run])
def test_styles_fetch_nothing(run):
    style = re.search(r"<style>(.*?)</style>", render(*run()), re.DOTALL)[1]
    assert not re.search(r"url\(|@import|://", style)


@pytest.mark.parametrize("run", [classifier_run, language_run])
def test_ids_are_unique(run):
    ids = [value for _, name, value in Page(render(*run())).attributes if name == "id"]
    assert len(set(ids)) == len(ids)


def test_every_reference_into_a_figure_finds_its_id(classifier):
    ids = set(re.findall(r'\bid="([^"]+)"', classifier))
    assert set(re.findall(r'href="#([^"]+)"', classifier)) | set(re.findall(r"url\(#([^)]+)\)", classifier)) <= ids


def test_figures_take_their_colours_from_the_page(classifier):
    drawn = "".join(re.findall(r"<svg.*?</svg>", classifier, re.DOTALL))
    assert set(re.findall(r"(?:stroke|fill): ([^;\"]+)", drawn)) <= {"none", *(f"var({name})" for name in figures.VARIABLES.values())}


def test_every_colour_is_defined_for_light_and_dark(classifier):
    assert all(len(re.findall(rf"{name}: #", classifier)) == 2 for name in figures.VARIABLES.values())


def test_the_headline_is_the_metric_of_the_gate():
    document, details = classifier_run()
    document["promotion"]["rules"][0]["metric"] = "auc"
    assert "0.9123 AUC held-out test text" in Page(render(document, details)).words


def test_the_headline_of_a_language_model_is_bits_per_character(language):
    assert "2.453 Bits per character held-out test text" in Page(language).words


@pytest.mark.parametrize("metrics", [None, {"loss_nats": None, "bits_per_character": None, "perplexity": None, "tokens": None}])
def test_without_test_text_the_training_loss_leads(metrics):
    document, details = language_run()
    document["metrics"] = metrics
    words = Page(render(document, details)).words
    assert "1.687 Loss (nats) training text, last epoch" in words
    assert "Nothing was held out, so there are no test figures." in words


def test_a_refusal_is_told():
    document, details = classifier_run()
    document["promotion"] |= {"decision": "refused"}
    assert "The new version was refused for alias production ." in Page(render(document, details)).words


def test_a_rule_on_a_slice_says_which_documents(classifier):
    assert "Accuracy 401 tokens or more; 4,321 documents yes 0.7712 0.7533 0.7583" in Page(classifier).words


def test_a_forced_promotion_is_told():
    document, details = classifier_run()
    document["promotion"] |= {"forced": True}
    assert "promoted to alias production , forced past its rules." in Page(render(document, details)).words


def test_a_run_without_a_version_says_so():
    document, details = classifier_run()
    assert "Version not registered" in Page(render(document | {"version": None, "promotion": None}, details)).words


def test_confusion_shows_counts_and_shares(classifier):
    assert "negative 10,312 82.5 % 2,188 17.5 % positive 1,977 15.8 % 10,523 84.2 %" in Page(classifier).words


def test_the_prompt_is_marked_once(language):
    assert "<mark>the slowly</mark> &lt;/p&gt;" in language


def test_the_learning_rate_is_drawn_where_it_changes(language):
    assert "Learning rate by epoch, from 0.001 to 0.0001." in language


def test_a_constant_learning_rate_is_said(classifier):
    assert "Learning rate 0.001 throughout." in Page(classifier).words


def test_empty_keys_of_the_workflow_are_left_out(classifier):
    assert "name: imdb-lstm\ndata:\n  source: imdb\nmodel:" in classifier


def test_a_figure_tells_in_words_what_it_shows(classifier):
    assert "Loss by epoch: train from 0.7 to 0.2333; validation from 0.5 to 0.5." in classifier


def test_a_run_with_nothing_but_its_keys_renders():
    keys = "run_id workflow dataset metrics train_metrics history version promotion report seconds".split()
    page = render(dict.fromkeys(keys) | {"run_id": "r", "workflow": "w"}, {})
    assert headings(page) == ["Metrics", "Dataset"]


def test_text_that_utf8_cannot_hold_is_replaced():
    document, details = classifier_run()
    details["mistakes"][0]["text"] = "a\ud800b\x00c"
    assert "a\ufffdb\ufffdc" in render(document, details).encode().decode()


@pytest.mark.parametrize("losses", [[0.5], [None, None], [0.5, float("nan"), 0.2], [1e30, 1e-30], [0.1] * 200])
def test_any_history_is_drawn_without_a_warning(losses):
    history = [{"epoch": epoch, "loss": loss, "learning_rate": 10.0**-epoch} for epoch, loss in enumerate(losses)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(picture.svg.startswith("<svg") for picture in figures.learning_curves(history))


def test_calibration_is_told_in_figures_and_words(classifier):
    words = Page(classifier).words
    assert "Expected calibration error 0.04000 –" in words
    assert "Expected calibration error 0.0400 : so far apart are confidence and the share of right answers on average." in words
    assert "Accuracy by confidence. confidence 0.56: 0.6 right of 5,000; confidence 0.97: 0.93 right of 20,000." in classifier


def test_a_chosen_threshold_is_told_with_what_it_gains(classifier):
    assert (
        "The answer is positive above a probability of 0.4321 , which was chosen on the 4,998 documents of the validation split: 0.8412 of "
        "them are right with it, 0.8374 with one half."
    ) in Page(classifier).words


def test_without_a_chosen_threshold_nothing_is_said_of_one():
    document, details = classifier_run()
    assert "which was chosen" not in render(document, details | {"threshold": None})


def test_relations_between_words_are_counted(classifier):
    words = Page(classifier).words
    assert re.search(r"Gender 3 -?0\.\d\d Plural 3 -?0\.\d\d 1: the difference is the same vector for every pair", words)
    assert "Country and capital" not in words


def test_vectors_of_two_numbers_are_not_projected():
    document, details = classifier_run()
    details["vectors"].dimension = 2
    assert "Vectors of words" not in headings(render(document, details))


def test_a_word_without_pairs_is_drawn_alone():
    document, details = classifier_run()
    details["vectors"].words = ("film", "plot")
    page = render(document, details)
    assert "Most frequent words" in page
    assert "Differences between words" not in page


def test_speed_is_told_with_what_the_share_means(classifier):
    speed = "Samples a second 640.4 Tokens a second 51,233 Share of the matrix-product rate 13 %"
    meaning = (
        "operations of training's matrix products in a second, against those of the same devices when they only multiply large matrices."
    )
    assert f"{speed} In the last epoch. The share: {meaning}" in Page(classifier).words


@pytest.mark.parametrize(
    ("throughput", "told"),
    [
        ({"tokens_per_s": 51_233.4}, "Tokens a second 51,233 Dataset"),
        ({"matrix_share": 1.0}, "Share of the matrix-product rate 100 %"),
        ({"matrix_share": 0.000312}, "Share of the matrix-product rate 0.031 %"),
        (
            {"tokens_per_s": 51_233.4, "samples_per_s": 640.42, "matrix_share": None},
            "Samples a second 640.4 Tokens a second 51,233 Dataset",
        ),
    ],
)
def test_of_the_speed_what_is_known_is_told(throughput, told):
    document, details = classifier_run()
    assert told in Page(render(document, details | {"throughput": throughput})).words


def test_the_same_run_gives_the_same_page():
    assert render(*classifier_run()) == render(*classifier_run())


@pytest.mark.parametrize("seconds", [{}, {"train": 0.0}, {"a" * 40: 1e6, "b": 1e-9}])
def test_any_timing_is_drawn(seconds):
    document, details = classifier_run()
    assert render(document | {"seconds": seconds}, details).endswith("</html>")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.83344, "0.8334"),
        (25_000, "25,000"),
        (51_233.4, "51,233"),
        (1e-5, "1e-05"),
        (True, "True"),
        ("x", "x"),
    ],
)
def test_numbers_in_words(value, told):
    assert wording.number(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "–"), (1.7, "1.700"), (0.8, "0.8000"), (1234.0, "1234"), (51_233.4, "51,233"), (25_000, "25,000"), (float("nan"), "–")],
)
def test_measured_figures_line_up(value, told):
    assert wording.measured(value) == told


def test_a_snippet_is_one_line_cut_at_a_space():
    assert wording.snippet("one<br /><br />two\nthree four", longest=16) == "one two three …"


def test_a_snippet_without_spaces_is_cut_anywhere():
    assert wording.snippet("x" * 30, longest=10) == "xxxxxxxxxx …"


def test_what_pretrained_vectors_cover_is_told():
    document, details = classifier_run()
    text = Page(render(document, details)).words
    assert "2,600 of the 20,000 words of the vocabulary (13 %) began with a vector from the file: 75 % of the running words" in text
    assert "Training changed them." in text
    assert "cinematography" in text


def test_vectors_that_stayed_as_they_were_are_told_as_such():
    document, details = classifier_run()
    details["workflow"]["model"]["pretrained"] = {"path": "v.txt", "trainable": False}
    assert "Training left them as they are." in Page(render(document, details)).words


@pytest.mark.parametrize(("soft", "what"), [(True, "the teacher's probabilities as they are"), (False, "the likeliest label of each")])
def test_where_pseudo_labels_come_from_is_told(soft, what):
    document, details = classifier_run()
    origin = {"teacher": {"name": "teacher", "number": 2, "digest": "sha256:12"}, "documents": 50_000, "threshold": 0.9}
    origin |= {"accepted": 30_000, "accepted_share": 0.6, "copies_left_out": 123, "used": 29_877, "soft": soft}
    origin |= {"copies_of": {"test": 100, "pinned": 10, "validation": 8, "repeated": 5}}
    details["pseudo_labels"] = {**origin, "labels": {"negative": 15_000, HOSTILE: 14_877}}
    words = Page(render(document, details)).words
    assert "teacher@v2 judged 50,000 documents without labels and was sure enough, at 0.9 or more, of 60 %" in words
    assert (
        "123 of these were left out as exact or near copies: 100 of test documents, 10 of documents of the set that the alias has pinned, "
        "8 of validation documents, 5 of documents before them; 29,877 were learned"
    ) in words
    assert f"from, {what}." in words


def positions(epochs):
    return [{"epoch": epoch, "loss": 2.0, "learning_rate": 0.001, "position_losses": [2.5, 2.0 - epoch / 10]} for epoch in range(epochs)]


@pytest.mark.parametrize(("epochs", "drawn"), [(1, [1]), (2, [1, 2]), (8, [1, 3, 5, 8])])
def test_the_loss_of_each_position_is_drawn_for_some_epochs(epochs, drawn):
    (picture,) = [picture for picture in figures.learning_curves(positions(epochs)) if picture.title == "Loss by position"]
    assert re.findall(r">epoch (\d+)<", picture.svg) == [str(epoch) for epoch in drawn]


def test_the_loss_of_each_position_is_told_in_words():
    (picture,) = [picture for picture in figures.learning_curves(positions(6)) if picture.title == "Loss by position"]
    assert picture.description == (
        "Training loss by tokens of the window read, first and last epoch: after 1 from 2.5 to 2.5; after 2 from 2 to 1.5."
    )


def test_without_positions_there_is_no_such_figure():
    history = [{**row, "position_losses": [2.0]} for row in positions(2)]
    assert "Loss by position" not in [picture.title for picture in figures.learning_curves(history)]
    assert "Loss by position" not in [picture.title for picture in figures.learning_curves([{"epoch": 0, "loss": 1.0}])]
