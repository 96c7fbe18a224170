"""Reach the published results: run each workflow on the real text, keep what came out, and write the README's table.

    python tests/benchmark/results.py [WORKFLOW…] [--seeds N] [--keep FOLDER]

It prints how long everything will take, skips what `results.json` beside it holds already, and writes after every run, so it may be
stopped and started again at any time. An entry holds as long as its workflow, and those of what it needs, say the same: after a change it
is run anew, and until then it is not in the table. With --keep a model that others begin with (an hour for imdb-lm) outlives the call.
Three seeds where a run takes at most fifteen minutes with what it needs, otherwise one; `--seeds 0` writes the table and runs nothing.
The rows that are no workflows (`lesson_rows.py`) come with it. The test split measures and selects nothing.
"""

import argparse
import atexit
import hashlib
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import lesson_rows
import yaml

REPO = Path(__file__).resolve().parents[2]
DATA = REPO.parent / "shared" / "data"
RESULTS = Path(__file__).with_name("results.json")
README = REPO / "README.md"
LONGEST_OF_SEVERAL_MINUTES = 15
REFUSED = 4  # the gate said no; the figures are there all the same
DIVERGED = 8
BEGIN, END = "<!-- results: written by make results -->", "<!-- end of results -->"


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
    review("imdb-simple-rnn", "up to 0.85", "the same, 500 words", 4, "model.sequence_length=500", where=VALIDATION),
    review("imdb-simple-rnn-stacked", "", "no figure", 4, where=VALIDATION),
    review("imdb-lstm", "0.81", "plain Keras after 15 epochs of the LSTM lesson, overfitted", 5),
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
    review("imdb-cnn-multi", "0.90", "our goal", 5),
    review("imdb-bigru", "0.90", "our goal", 8),
    VECTORS_OF_REVIEWS,
    replace(VECTORS_OF_REVIEWS, keys=("model.type=cbow",)),
    begun("imdb-cnn", "0.89", 3),
    begun("imdb-cnn-multi", "0.90", 5),
    begun("imdb-bigru", "0.90", 8),
    glove("0.56", "the GloVe lesson; here only the head of the file, 2,604 words"),
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
    corpus("nietzsche-holdout", "1.263", "the best found for such a model; our goal 1.30", 20, where=VALIDATION_LOSS),
)
BEFORE_OTHERS = {row.before for row in ROWS} | {WRITER}  # writing.py reads what it has written


def main() -> None:
    """Run what is missing, then write the table."""
    names = sorted({row.workflow for row in ROWS} | {name for rows in lesson_rows.LESSONS.values() for name in rows})
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workflows", nargs="*", metavar="WORKFLOW", help=", ".join(names))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where models that others begin with stay; default: nowhere")
    arguments = parser.parse_args()
    keep = arguments.keep or Path(tempfile.mkdtemp(prefix="distrnn-results-"))
    if arguments.keep is None:
        atexit.register(shutil.rmtree, keep, ignore_errors=True)
    if unknown := set(arguments.workflows) - set(names):
        parser.error(f"no such workflow: {', '.join(sorted(unknown))}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    current = current_results(results)
    chosen = [row for row in ROWS if not arguments.workflows or row.workflow in arguments.workflows]
    missing = [(row, seed) for seed in range(arguments.seeds) for row in chosen if seed in row.seeds(arguments.seeds)]
    missing = [(row, seed) for row, seed in missing if f"{row.name}/{seed}" not in current]
    lessons = missing_lessons(arguments.workflows) if arguments.seeds else []
    if (missing or lessons) and not DATA.is_dir():
        parser.error("the real data (../shared/data) is not beside this checkout")
    print(f"{len(missing) + len(lessons)} runs, about {minutes_of_all(missing, lessons):.0f} minutes on two cores", flush=True)
    for row, seed in missing:
        print(f"{row.name}, seed {seed} ...", flush=True)
        results[f"{row.name}/{seed}"] = current[f"{row.name}/{seed}"] = run(row, seed, keep)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    if lessons:
        subprocess.run([sys.executable, lesson_rows.__file__, *lessons], check=True)
    table = "\n".join(lines(current))
    print(table)
    text = README.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    README.write_text(f"{before}\n{table}\n{after}", encoding="utf-8")


def current_results(results: dict[str, Any]) -> dict[str, Any]:
    """Those whose workflows still say what they said."""
    return {key: found for row in ROWS for key, found in results.items() if key.rpartition("/")[0] == row.name and row.is_current(found)}


def missing_lessons(chosen: list[str]) -> list[str]:
    """What `lesson_rows.py` is to run."""
    done = kept_lessons()
    return [name for name, rows in lesson_rows.LESSONS.items() if name not in done and (not chosen or set(rows) & set(chosen))]


def kept_lessons() -> dict[str, Any]:
    """What `lesson_rows.py` has kept."""
    found: dict[str, Any] = json.loads(lesson_rows.RESULTS.read_text())
    return found


def minutes_of_all(missing: list[tuple[Row, int]], lessons: list[str]) -> float:
    """What is expected, on two cores; what several rows of a seed need runs once."""
    own = sum(row.expected_minutes for row, _ in missing if row not in BEFORE_OTHERS)
    needed = {(one, seed) for row, seed in missing for one in needs(row)}
    return own + sum(row.expected_minutes for row, _ in needed) + sum(lesson_rows.MINUTES[name] for name in lessons)


def needs(row: Row) -> list[Row]:
    """The rows that run once and that this one is, or begins with."""
    earlier = needs(row.before) if row.before else []
    return [*earlier, row] if row in BEFORE_OTHERS else earlier


def run(row: Row, seed: int, keep: Path) -> dict[str, Any]:
    """What the table needs of a run, which comes after the one that it needs."""
    before = home_of(row.before, seed, keep) if row.before else None
    document, minutes = run_once(row, seed, keep) if row in BEFORE_OTHERS else run_apart(row, seed, before)
    validation = [entry for entry in document["history"] if entry["validation_loss"] is not None]
    trained = itertools.accumulate(entry["seconds"] / 60 for entry in document["history"])
    curve = [(round(at, 2), entry["validation_accuracy"]) for at, entry in zip(trained, document["history"], strict=True)]
    best = {
        "validation_accuracy": max((entry["validation_accuracy"] for entry in validation), default=None),
        "validation_loss": min((entry["validation_loss"] for entry in validation), default=None),
    }
    return {
        "workflow": row.digest,
        "metrics": document["metrics"],
        "train_metrics": document["train_metrics"],
        "best": best,
        "curve": [(at, accuracy) for at, accuracy in curve if accuracy is not None],
        "epochs": len(document["history"]),
        "seconds_per_epoch": round(statistics.median(entry["seconds"] for entry in document["history"]), 2)
        if document["history"]
        else None,
        "minutes": round(minutes, 2),
        "minutes_before": round(minutes_before(row, seed, keep), 2),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": {package: metadata.version(package) for package in ("tensorflow", "keras", "ray")},
    }


def run_apart(row: Row, seed: int, before: Path | None) -> tuple[dict[str, Any], float]:
    """The document of a run in a home of its own, and its minutes; `before` is the home of the model that it needs."""
    with tempfile.TemporaryDirectory() as home:
        if before:
            shutil.copytree(before / "registry", Path(home, "registry"))
        started = time.perf_counter()
        document = executed(row, seed, home)
    return document, (time.perf_counter() - started) / 60


def run_once(row: Row, seed: int, keep: Path) -> tuple[dict[str, Any], float]:
    """The document of a run that others need too, and its minutes."""
    home = home_of(row, seed, keep)
    return record_of(home), minutes_of(home)


def home_of(row: Row, seed: int, keep: Path) -> Path:
    """The home that a row's run has published into, after the one that it needs itself; it runs once however many rows need it."""
    home = keep / f"{row.name} {seed} {row.digest}".replace(" ", "-")
    if not list(home.glob("storage/runs/*/report.html")):
        shutil.rmtree(home, ignore_errors=True)
        if row.before:
            shutil.copytree(home_of(row.before, seed, keep) / "registry", home / "registry")
        executed(row, seed, str(home))
    return home


def record_of(home: Path) -> dict[str, Any]:
    """What the one run in a home has left."""
    (record,) = home.glob("storage/runs/*/run.json")
    found: dict[str, Any] = json.loads(record.read_text())
    return found


def minutes_before(row: Row, seed: int, keep: Path) -> float:
    """What all that a row needs took."""
    if row.before is None:
        return 0.0
    return minutes_of(home_of(row.before, seed, keep)) + minutes_before(row.before, seed, keep)


def minutes_of(home: Path) -> float:
    """What the run in a home took, from its start to its report."""
    return sum(record_of(home)["seconds"].values()) / 60


def executed(row: Row, seed: int, home: str) -> dict[str, Any]:
    """The document of a run."""
    command = [sys.executable, "-m", "distrnn", "run", str(REPO / "workflows" / f"{row.workflow}.yaml"), "--json"]
    for key in (f"train.seed={seed}", *row.settings):
        command += ["--set", key]
    env = {name: value for name, value in os.environ.items() if not name.startswith("DISTRNN_")} | {"DISTRNN_HOME": home}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=env, check=False, text=True)
    if done.returncode not in (0, REFUSED, DIVERGED):
        sys.exit(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return {"metrics": None, "train_metrics": None, "history": []} if done.returncode == DIVERGED else found


def lines(results: dict[str, Any]) -> list[str]:
    """The table in Markdown."""
    table = ["| workflow | figure | published | ours | loss | seeds | epochs | minutes | date |", "|---|---|---|---|---|---|---|---|---|"]
    for row in ROWS:
        found = [results[key] for key in sorted(results) if key.rpartition("/")[0] == row.name]
        if not found:
            continue
        ours, losses = (spread([(result[group] or {}).get(key) for result in found]) for group, key in (row.where, TEST_LOSS))
        seeds = f"{len(found)}, long" if len(row.seeds(3)) == 1 else str(len(found))
        link = " ".join([f"[{row.workflow}](workflows/{row.workflow}.yaml)", *(f"`{key}`" for key in row.keys)])
        minutes = statistics.mean(result["minutes"] for result in found)
        epochs = ", ".join(dict.fromkeys(str(result["epochs"]) for result in found))
        published = f"{row.published} ({row.source})" if row.published else row.source
        date = max(result["date"] for result in found)
        ended = "**diverged**" if all(result["train_metrics"] is None for result in found) else f"**{ours}**"
        table.append(f"| {link} | {row.figure} | {published} | {ended} | {losses} | {seeds} | {epochs} | {minutes:.1f} | {date} |")
    one = next(iter(results.values()), None)
    if one:
        versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
        table += [
            "",
            "Mean ± standard deviation over the seeds; long: one seed, as a run takes more than a quarter of an hour with what it begins "
            f"with. The loss is that of the test split, in nats; minutes from the command to its exit. {one['machine']}, {versions}.",
            *told_seconds(results),
            *told_curves(results),
            "",
            "What is no workflow, learned by lessons to read (`distrnn/runtime/lesson`):",
            "",
            *lesson_rows.table(kept_lessons()),
        ]
    return table


def told_seconds(results: dict[str, Any]) -> list[str]:
    """How long an epoch takes, beside what was published of it."""
    told = []
    for row in ROWS:
        found = [entry.get("seconds_per_epoch") for key, entry in results.items() if key.rpartition("/")[0] == row.name]
        if row.published_epoch_s is not None and found and all(found):
            told.append(f"`{row.name}` {statistics.median(found):.1f} ({row.published_epoch_s:g})")
    return ["", f"Seconds of an epoch, and in brackets those of the lesson's machine: {', '.join(told)}."] if told else []


def told_curves(results: dict[str, Any]) -> list[str]:
    """How the rows that say so came to their accuracy, with the first seed."""
    told = []
    for row in ROWS:
        if row.shows_curve and (found := results.get(f"{row.name}/0")):
            before = found["minutes_before"]
            points = ", ".join(f"{accuracy:.4f} at {before + at:.1f}" for at, accuracy in found["curve"])
            told += [
                "",
                f"Validation accuracy of `{row.name}` by minutes, {before:.1f} of which went into what it begins with: {points}.",
            ]
    return told


def spread(values: list[float | None]) -> str:
    """Mean and standard deviation, or nothing where there is no figure."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    return f"{statistics.mean(known):.4f}" + (f" ± {statistics.stdev(known):.4f}" if len(known) > 1 else "")


if __name__ == "__main__":
    main()
