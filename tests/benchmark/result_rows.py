"""The rows of the results table: which workflow, with which keys, beside which published figure."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[2]
DATA = REPO.parent / "shared" / "data"
LONGEST_OF_SEVERAL_MINUTES = 15


@dataclass(frozen=True)
class Row:
    """A row of the table: a workflow, perhaps with other keys, and a figure of the document of `run --json`.

    Attributes:
        workflow: its name.
        data: below the shared data.
        figure: in words.
        where: group and key of the figure; `best` has what is best over the epochs.
        published: the figure to reach, in words.
        source: who published it.
        expected_minutes: on two cores.
        keys: `KEY=VALUE` for `--set`.
        files: keys whose value is a file below the shared data.
        before: what runs before, into the same registry: a teacher, or a model whose weights this one begins with.
        shows_curve: its accuracy over time stands below the table.
        published_epoch_s: seconds an epoch, where they were published.
    """

    workflow: str
    data: str
    figure: str
    where: tuple[str, str]
    published: str
    source: str
    expected_minutes: float
    keys: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    before: "Row | None" = None
    shows_curve: bool = False
    published_epoch_s: float | None = None

    @property
    def name(self) -> str:
        """What tells it from other rows."""
        return " ".join((self.workflow, *self.keys))

    @property
    def digest(self) -> str:
        """Of what its workflow says, and those that it needs: eight hexadecimal digits."""
        document = yaml.safe_load((REPO / "workflows" / f"{self.workflow}.yaml").read_text(encoding="utf-8"))
        said = json.dumps([document, self.before.digest if self.before else None], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:8]

    @property
    def all_minutes(self) -> float:
        """With what it needs."""
        return self.expected_minutes + (self.before.all_minutes if self.before else 0.0)

    def seeds(self, most: int) -> range:
        """The seeds that it is run with."""
        return range(most if self.all_minutes <= LONGEST_OF_SEVERAL_MINUTES else min(most, 1))

    def is_current(self, result: dict[str, Any]) -> bool:
        """Whether a result is of this row as the workflows have it now."""
        return bool(result["workflow"] == self.digest)

    @property
    def settings(self) -> list[str]:
        """All that is set for it."""
        return [f"data.path={DATA / self.data}", *self.keys, *(f"{key}={DATA / file}" for key, file in self.files)]


TEST, TEST_LOSS = ("metrics", "accuracy"), ("metrics", "loss")
VALIDATION, TRAINING = ("best", "validation_accuracy"), ("train_metrics", "loss")
VALIDATION_LOSS = ("best", "validation_loss")
OTHER_END = ("model.padding=post", "model.truncating=post")  # zeros at the end, the first words kept: the lessons' words
VECTORS, UNLABELLED = "glove/glove.6B.100d.head2604.txt", "imdb/unsupervised.parquet"
BEGUN = ("model.weights_from=imdb-word2vec", "model.embedding_dim=100")
HASHED = ("data.tokenizer.buckets=262144", "data.tokenizer.vocabulary_size=null")
SURE = ("train.pseudo_labels.soft=false", "train.pseudo_labels.threshold=0.9")
WHOLE = ("data.validation_fraction=0", "train.early_stopping=null")


def review(workflow: str, published: str, source: str, minutes: float, *keys: str, where: tuple[str, str] = TEST) -> Row:
    """A row about the IMDB reviews."""
    figure = "validation accuracy, best epoch" if where == VALIDATION else "test accuracy"
    return Row(workflow, "imdb", figure, where, published, source, minutes, keys)


def four(workflow: str, published: str, loss: float, epoch_s: float) -> Row:
    """A row about one of four networks that a lesson compares."""
    return replace(review(workflow, published, f"the comparison of four, loss {loss}", 1), published_epoch_s=epoch_s)


def glove(published: str, source: str, *keys: str) -> Row:
    """A row about 200 reviews and vectors of a file."""
    return replace(review("imdb-glove-200", published, source, 1, *keys), files=(("model.pretrained.path", VECTORS),))


def begun(workflow: str, published: str, minutes: float) -> Row:
    """A row about a network whose embedding begins with vectors learned from the unlabelled reviews."""
    row = review(workflow, published, "our goal; from vectors of imdb-word2vec", minutes, *BEGUN)
    return replace(row, before=VECTORS_OF_REVIEWS)


def pseudo(workflow: str, *keys: str) -> Row:
    """A row about reviews that a teacher has labelled, or about its control; the teacher learns from the same labelled reviews."""
    if "train.pseudo_labels=null" in keys:
        return review(workflow, "", "the control: the same without them", 5, *keys)
    row = review(workflow, "", "the lesson: a slight gain over the control", 5, *keys)
    return replace(row, files=(("train.pseudo_labels.path", UNLABELLED),), before=TEACHER)


def tuned(published: str, source: str, minutes: float, *keys: str) -> Row:
    """A row about a language model's encoder that becomes a classifier, or about its control from drawn weights."""
    row = replace(review("imdb-lm-finetune", published, source, minutes, *keys), shows_curve=True)
    encoder = replace(review("imdb-lm", "", "", 63), data=UNLABELLED, before=VECTORS_OF_REVIEWS)
    return row if "model.weights_from=null" in keys else replace(row, before=encoder)


def corpus(workflow: str, published: str, source: str, minutes: float, *, where: tuple[str, str] = TRAINING) -> Row:
    """A row about the text of Nietzsche."""
    figure = "training loss, nats" if where == TRAINING else "validation loss, nats, best epoch"
    return Row(workflow, "nietzsche.txt", figure, where, published, source, minutes)


VECTORS_OF_REVIEWS = Row(
    "imdb-word2vec", UNLABELLED, "training loss of a pair of words, nats", TRAINING, "", "no figure: see `distrnn neighbors`", 6
)
WRITER = corpus("nietzsche-writer", "", "the lesson shows samples", 60)
TEACHER = review("imdb-bag-of-grams", "", "ours; about 0.89 for such models (Wang and Manning 2012)", 1)
ROWS = (
    review("imdb-embedding-mlp", "about 0.75", "the embedding lesson, validation", 1, where=VALIDATION),
    review("imdb-embedding-mlp", "about 0.75", "the same, the other end of the review", 1, *OTHER_END, where=VALIDATION),
    review("imdb-simple-rnn-tiny", "0.78", "the SimpleRNN lesson, loss 0.45", 2),
    review("imdb-simple-rnn-tiny", "0.78", "the same, the other end of the review", 2, *OTHER_END),
    review("imdb-simple-rnn", "up to 0.85", "the SimpleRNN lesson, validation", 2, where=VALIDATION),
    review("imdb-simple-rnn", "up to 0.85", "the same, the other end of the review", 2, *OTHER_END, where=VALIDATION),
    review("imdb-simple-rnn", "up to 0.85", "the same, 500 words", 4, "model.sequence_length=500", where=VALIDATION),
    review("imdb-simple-rnn-stacked", "", "no figure", 4, where=VALIDATION),
    review("imdb-lstm", "0.81", "plain Keras after 15 epochs of the LSTM lesson, overfitted", 5),
    review("imdb-lstm", "0.81", "the same, the other end of the review", 5, *OTHER_END),
    review("imdb-lstm", "0.81", "the same, all 25,000 reviews for 15 epochs", 10, *WHOLE),
    review("imdb-gru", "", "no figure", 5),
    review("imdb-gru", "", "no figure, all 25,000 reviews for 15 epochs", 10, *WHOLE),
    four("imdb-four-dense", "0.793", 0.597, 2),
    four("imdb-four-rnn", "0.791", 0.495, 53),
    four("imdb-four-lstm", "0.832", 0.409, 85),
    four("imdb-four-conv", "0.792", 0.649, 2),
    review("imdb-multi-hot", "0.88", "dense network over multi-hot words", 1),
    TEACHER,
    review("imdb-bag-of-grams", "", "the same, hashed into 262,144 buckets without a vocabulary", 1, *HASHED),
    review("imdb-cnn", "0.89", "our goal", 3),
    review("imdb-cnn-multi", "0.90", "our goal", 16),
    review("imdb-bigru", "0.90", "our goal", 8),
    VECTORS_OF_REVIEWS,
    replace(VECTORS_OF_REVIEWS, keys=("model.type=cbow",)),
    begun("imdb-cnn", "0.89", 3),
    begun("imdb-cnn-multi", "0.90", 5),
    begun("imdb-bigru", "0.90", 8),
    glove("0.56", "the GloVe lesson; here only the head of the file, 2,604 words"),
    glove("", "the same, the other end of the review", *OTHER_END),
    glove("", "the same, tuned", "model.pretrained.trainable=true"),
    review("imdb-glove-200", "", "the same, learned from scratch", 1, "model.pretrained=null"),
    pseudo("imdb-pseudo-label"),
    pseudo("imdb-pseudo-label", *SURE),
    pseudo("imdb-pseudo-label", "train.pseudo_labels=null"),
    pseudo("imdb-pseudo-label-final"),
    pseudo("imdb-pseudo-label-final", "train.pseudo_labels=null"),
    tuned("0.928", "SA-LSTM of Dai and Le 2015, on GPUs", 12),
    tuned("", "the control: the same network from drawn weights", 10, "model.weights_from=null"),
    corpus("nietzsche-3char", "", "the lesson has no figure", 3),
    corpus("nietzsche-rnn-dense", "1.8", "the lesson", 2),
    corpus("nietzsche-simple-rnn", "1.6421", "the lesson's notebook, 8 epochs", 2),
    corpus("nietzsche-sequence-dense", "", "the lesson: lower than the one before, 1.6421", 4),
    corpus("nietzsche-sequence", "1.7258", "the lesson's notebook, 8 epochs", 2),
    corpus("nietzsche-onehot", "1.7410", "the lesson's notebook, 8 epochs", 2),
    corpus("nietzsche-lstm", "1.6881", "the lesson's notebook, 12 epochs", 5),
    corpus("nietzsche-stateful-simple-rnn", "", 'the lesson: "no luck at all"', 2),
    WRITER,
    corpus("nietzsche-holdout", "1.263", "the best found for such a model; our goal 1.30", 35, where=VALIDATION_LOSS),
)
BEFORE_OTHERS = {row.before for row in ROWS} | {WRITER}  # writing.py reads what it has written


def needs(row: Row) -> list[Row]:
    """The rows that run once and that this one is, or begins with."""
    earlier = needs(row.before) if row.before else []
    return [*earlier, row] if row in BEFORE_OTHERS else earlier
