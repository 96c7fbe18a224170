"""What must hold between the keys of a workflow, each rule with the message it gives."""

from collections.abc import Iterator

from distrnn.errors import UsageError
from distrnn.refs import check_alias
from distrnn.workflow.mixture_rules import mixture_problems
from distrnn.workflow.model_rules import model_problems
from distrnn.workflow.problems import Problem, show, with_article
from distrnn.workflow.schedule_rules import problems as schedule_problems
from distrnn.workflow.sections import (
    CORPUS_SOURCES,
    DOCUMENT_SOURCES,
    FILE_SOURCES,
    TABLE_SOURCES,
    ClassifierModel,
    CosineSchedule,
    PromotionRule,
    StepSchedule,
    Tokenizer,
    Workflow,
)
from distrnn.workflow.sweep_rules import problems as sweep_problems
from distrnn.workflow.threshold_rules import problems as threshold_problems

CLASSIFIER_METRICS = ("accuracy", "auc", "loss")
LANGUAGE_METRICS = ("loss_nats", "bits_per_character", "perplexity")
SMALLER_IS_BETTER = ("loss", *LANGUAGE_METRICS)
MAX_LABELS = 2**15 - 1
FILELESS_SOURCES = ("synthetic-reviews", "python-docs")
KERAS_FILE, KERAS_ENDING = "imdb.npz", ".npz"
KERAS_STAYS_HERE = (
    "parquet files, aclImdb or a CSV file in S3; Keras' imdb.npz is opened from a disk alone: name a local file, or leave the key out to "
    "download it"
)
RESERVED = "an alias; latest and v<digits> name versions by themselves"


def problems(workflow: Workflow) -> list[Problem]:
    """Every rule that `workflow` breaks, in the order of the sections."""
    parts = (_data, _splits, _limits, model_problems, _train, mixture_problems, _scaling, threshold_problems, _promotion, schedule_problems)
    return [*(problem for part in parts for problem in part(workflow)), *sweep_problems(workflow.sweep)]


def _data(workflow: Workflow) -> Iterator[Problem]:
    data, task = workflow.data, workflow.model.task
    sources = DOCUMENT_SOURCES if task == "classifier" else CORPUS_SOURCES
    if data.source not in sources:
        yield Problem("data.source", f"one of {', '.join(sources)} for {with_article(task)} (model.task)", show(data.source))
    if data.source in FILELESS_SOURCES and data.path is not None:
        yield Problem("data.path", f"nothing, {data.source} needs no file", show(data.path))
    if data.source in FILE_SOURCES and not data.path:
        expected = f"a file, a folder, a glob or an s3:// URL of one; the key is required for {data.source}"
        yield Problem("data.path", expected, "nothing" if data.path is None else show(data.path))
    for key in ("path", "test_path"):
        url = getattr(data, key) or ""
        if "://" in url and not url.startswith("s3://"):
            yield Problem(f"data.{key}", "a file or folder, or an s3:// URL", show(url))
    if data.source == "imdb" and (data.path or "").startswith("s3://") and (data.path or "").endswith(KERAS_ENDING):
        yield Problem("data.path", KERAS_STAYS_HERE, show(data.path))
    yield from _columns(workflow)
    yield from _labels(workflow)
    if task != "classifier" and data.duplicates != "keep":
        yield Problem("data.duplicates", f"keep for {with_article(task)}, whose text is one stream", show(data.duplicates))
    if task == "embedding" and data.tokenizer.level != "word":
        yield Problem("data.tokenizer.level", "word for an embedding (model.task)", show(data.tokenizer.level))
    yield from _tokenizer(data.tokenizer, task)


def _tokenizer(tokenizer: Tokenizer, task: str) -> Iterator[Problem]:
    if tokenizer.level == "char" and tokenizer.html is not None:
        yield Problem("data.tokenizer.html", "nothing, characters are taken as they are", show(tokenizer.html))
    if tokenizer.buckets is not None and tokenizer.vocabulary_size is not None:
        yield Problem("data.tokenizer.vocabulary_size", "nothing beside data.tokenizer.buckets", show(tokenizer.vocabulary_size))
    if task == "classifier" and tokenizer.boundaries:
        yield Problem("data.tokenizer.boundaries", "nothing for a classifier, whose documents are apart", show(tokenizer.boundaries))
    if task != "classifier":
        does = "gives one token after another" if task == "language-model" else "has a vector for each word"
        for key, plain in (("ngrams", 1), ("layout", "sequence"), ("buckets", None)):
            if (value := getattr(tokenizer, key)) != plain:
                yield Problem(f"data.tokenizer.{key}", f"nothing for {with_article(task)}, which {does}", show(value))


def _columns(workflow: Workflow) -> Iterator[Problem]:
    data, is_classifier = workflow.data, workflow.model.task == "classifier"
    for key in ("text_column", "label_column"):
        if data.source not in TABLE_SOURCES and (value := getattr(data, key)) is not None:
            yield Problem(f"data.{key}", f"nothing, {data.source} has no columns to choose from", show(value))
    if data.label_column is not None and data.source in TABLE_SOURCES and (not is_classifier or data.labels == "none"):
        yield Problem("data.label_column", "nothing where no labels are read", show(data.label_column))
    if data.label_column is not None and workflow.label_column == workflow.text_column:
        yield Problem("data.label_column", "another column than data.text_column", show(data.label_column))
    if data.document is not None and data.source != "text":
        yield Problem("data.document", "nothing, only text has files that hold several documents", show(data.document))
    elif data.document is not None and not is_classifier and not data.tokenizer.boundaries:
        yield Problem("data.document", "nothing for a corpus without data.tokenizer.boundaries", show(data.document))
    if data.invalid_utf8 is not None and data.source not in FILE_SOURCES:
        yield Problem("data.invalid_utf8", f"nothing for {data.source}", show(data.invalid_utf8))


def _labels(workflow: Workflow) -> Iterator[Problem]:
    data = workflow.data
    if data.labels is None:
        return
    if data.source not in FILE_SOURCES or workflow.model.task != "classifier":
        what = data.source if data.source not in FILE_SOURCES else with_article(workflow.model.task)
        yield Problem("data.labels", f"nothing for {what}", show(data.labels))
    elif data.labels != "none":
        names = list(map(str, data.labels)) if isinstance(data.labels, list) else list(dict.fromkeys(data.labels.values()))
        if len(names) > MAX_LABELS:
            yield Problem("data.labels", f"at most {MAX_LABELS:,} labels", f"{len(names):,}")
        elif len(names) < 2:
            yield Problem("data.labels", "two labels or more", show(data.labels))
        elif len(set(names)) < len(names):
            yield Problem("data.labels", "names that differ", show(next(name for name in names if names.count(name) > 1)))


def _splits(workflow: Workflow) -> Iterator[Problem]:
    data = workflow.data
    if data.test_path is not None and data.source not in ("imdb", *FILE_SOURCES):
        yield Problem("data.test_path", f"nothing, {data.source} has no second file", show(data.test_path))
    elif data.test_path is not None and workflow.model.task == "language-model":
        yield Problem("data.test_path", "nothing for a language-model, which is tested on the tail of its text", show(data.test_path))
    elif workflow.model.task == "embedding":
        yield from _untested(workflow)
    if data.test_path is not None and data.test_fraction is not None:
        yield Problem("data.test_fraction", "nothing beside data.test_path", show(data.test_fraction))
    if workflow.model.task == "classifier" and data.test_fraction == 0.0 and data.labels != "none":
        yield Problem("data.test_fraction", "a number above 0 for a classifier", "0")
    if workflow.validation_fraction + (workflow.test_fraction or 0.0) >= 1.0:
        expected = f"less than 1 together with data.test_fraction ({workflow.test_fraction:g})"
        yield Problem("data.validation_fraction", expected, show(workflow.validation_fraction))


def _untested(workflow: Workflow) -> Iterator[Problem]:
    why = "nothing or 0 for an embedding, whose loss depends on the words that are drawn: judge it by what it is used for"
    for key in ("test_fraction", "validation_fraction"):
        if value := getattr(workflow.data, key):
            yield Problem(f"data.{key}", why, show(value))
    if workflow.data.test_path is not None:
        yield Problem("data.test_path", why.replace(" or 0", ""), show(workflow.data.test_path))


def _limits(workflow: Workflow) -> Iterator[Problem]:
    data, batch = workflow.data, workflow.train.global_batch_size
    for key in ("train_limit", "validation_limit"):
        value = getattr(data, key)
        if value is not None and workflow.model.task != "classifier":
            stream = f"nothing for {with_article(workflow.model.task)}, whose text is one stream: use data.limit"
            yield Problem(f"data.{key}", stream, show(value))
        elif key == "train_limit" and value is not None and value < batch:
            yield Problem("data.train_limit", f"at least train.global_batch_size ({batch})", show(value))
        elif key == "validation_limit" and value is not None and workflow.validation_fraction == 0.0:
            expected = "nothing without a validation split: set data.validation_fraction above 0"
            yield Problem("data.validation_limit", expected, show(value))


def _train(workflow: Workflow) -> Iterator[Problem]:
    train = workflow.train
    for key in ("early_stopping", "keep_best"):
        if getattr(train, key) and workflow.validation_fraction == 0.0:
            expected = "a validation split to watch: set data.validation_fraction above 0"
            yield Problem(f"train.{key}", expected, "data.validation_fraction 0")
    if train.keep_best and train.early_stopping:
        yield Problem("train.keep_best", "nothing beside train.early_stopping, which keeps the best epoch too", show(train.keep_best))
    yield from _length_buckets(workflow)
    schedule = train.learning_rate_schedule
    if isinstance(schedule, StepSchedule) and (late := [epoch for epoch in schedule.epochs if epoch >= train.epochs]):
        yield Problem("train.learning_rate_schedule.epochs", f"epochs below train.epochs ({train.epochs}), counted from 0", show(late[0]))
    if isinstance(schedule, CosineSchedule) and schedule.warmup_epochs >= train.epochs:
        expected = f"less than train.epochs ({train.epochs})"
        yield Problem("train.learning_rate_schedule.warmup_epochs", expected, show(schedule.warmup_epochs))


def _length_buckets(workflow: Workflow) -> Iterator[Problem]:
    buckets, model = workflow.train.length_buckets, workflow.model
    if buckets is None:
        return
    if not isinstance(model, ClassifierModel):
        yield Problem("train.length_buckets", f"nothing for {with_article(model.task)}, whose text is one stream", show(buckets))
    elif model.is_flat:
        flat = "an mlp" if model.type == "mlp" else "model.pooling flatten"
        yield Problem("train.length_buckets", f"nothing for {flat}, which reads all documents at one length", show(buckets))
    elif not model.ignores_padding:
        expected = "model.mask_zero true beside it, or the model would learn from less padding than it meets later"
        yield Problem("train.length_buckets", expected, "model.mask_zero false")
    elif buckets > model.sequence_length:
        yield Problem("train.length_buckets", f"at most model.sequence_length ({model.sequence_length})", show(buckets))


def _scaling(workflow: Workflow) -> Iterator[Problem]:
    scaling, batch = workflow.scaling, workflow.train.rows_of_step
    known = 1 if scaling.replicas_per_worker == "auto" else scaling.replicas_per_worker
    if batch % (known * scaling.workers):
        factors = [f"scaling.{key} ({count})" for key, count in (("workers", scaling.workers), ("replicas_per_worker", known)) if count > 1]
        beside = "" if batch == workflow.train.global_batch_size else " together with the other rows of a step"
        yield Problem("train.global_batch_size", f"a multiple of {' times '.join(factors)}{beside}", show(batch))
    if scaling.device == "cpu" and scaling.gpus_per_worker not in ("auto", 0):
        yield Problem("scaling.gpus_per_worker", "nothing or 0 with scaling.device cpu", show(scaling.gpus_per_worker))
    if scaling.device == "gpu" and scaling.gpus_per_worker == 0:
        yield Problem("scaling.gpus_per_worker", "an integer of at least 1, or auto, with scaling.device gpu", "0")
    if scaling.device == "cpu" and scaling.workers > 1 and known > 1:
        expected = "1 or auto with several workers on CPU, where TensorFlow gives each worker one device: use more scaling.workers"
        yield Problem("scaling.replicas_per_worker", expected, show(known))


def _promotion(workflow: Workflow) -> Iterator[Problem]:
    promote = workflow.register_.promote if workflow.register_ else None
    if promote is None:
        return
    if _is_reserved(promote.alias):
        yield Problem("register.promote.alias", RESERVED, show(promote.alias))
    if workflow.model.task == "embedding":
        yield Problem("register.promote", "nothing for an embedding, which is not measured", f"alias {promote.alias}")
        return
    if not workflow.has_test_split:
        yield Problem("register.promote", "a test split to measure on: set data.test_fraction above 0", "data.test_fraction 0")
    if promote.rules is not None and promote.short_form:
        key = next(iter(promote.short_form))
        yield Problem(f"register.promote.{key}", "nothing beside register.promote.rules: put it into a rule", show(promote.short_form[key]))
    elif promote.rules is None and promote.metric is None:
        expected = f"one of {', '.join(_metrics(workflow))}; the key is required where there are no register.promote.rules"
        yield Problem("register.promote.metric", expected, "nothing")
    elif promote.rules is None:
        yield from _rule(workflow, promote.gate[0], "register.promote")
    else:
        for index, rule in enumerate(promote.rules):
            yield from _rule(workflow, rule, f"register.promote.rules.{index}")


def _rule(workflow: Workflow, rule: PromotionRule, at: str) -> Iterator[Problem]:
    metrics, task = _metrics(workflow), workflow.model.task
    if rule.metric not in metrics:
        yield Problem(f"{at}.metric", f"one of {', '.join(metrics)} for a {task}", show(rule.metric))
    if rule.better_than is not None and _is_reserved(rule.better_than):
        yield Problem(f"{at}.better_than", RESERVED, show(rule.better_than))
    if all(bound is None for bound in (rule.min, rule.max, rule.better_than, rule.min_delta)):
        yield Problem(at, "a rule for the metric: min, max or better_than", "none of them")
    if rule.min is not None and rule.metric in SMALLER_IS_BETTER:
        yield Problem(f"{at}.min", f"nothing for {rule.metric}, where smaller is better: use max", show(rule.min))
    if rule.min is not None and rule.max is not None and rule.min > rule.max:
        yield Problem(f"{at}.min", f"at most {at}.max ({rule.max:g})", show(rule.min))
    if rule.min_delta is not None and rule.better_than is None:
        yield Problem(f"{at}.min_delta", "better_than beside it, the alias whose holder to beat by that much", show(rule.min_delta))
    yield from _slice(task, rule, at)


def _slice(task: str, rule: PromotionRule, at: str) -> Iterator[Problem]:
    for key in ("min_tokens", "max_tokens", "label"):
        if task == "language-model" and getattr(rule, key) is not None:
            yield Problem(f"{at}.{key}", "nothing for a language-model, whose text is one stream", show(getattr(rule, key)))
    if rule.min_tokens is not None and rule.max_tokens is not None and rule.min_tokens > rule.max_tokens:
        yield Problem(f"{at}.min_tokens", f"at most {at}.max_tokens ({rule.max_tokens})", show(rule.min_tokens))
    if rule.label is not None and rule.metric == "auc":
        yield Problem(f"{at}.label", "nothing for auc, which needs documents of every label", show(rule.label))


def _metrics(workflow: Workflow) -> tuple[str, ...]:
    return CLASSIFIER_METRICS if workflow.model.task == "classifier" else LANGUAGE_METRICS


def _is_reserved(alias: str) -> bool:
    try:
        check_alias(alias)
    except UsageError:
        return True
    return False
