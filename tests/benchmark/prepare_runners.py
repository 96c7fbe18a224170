"""Whoever turns a folder of parquet files into encoded text on disk, each in a process of its own that keeps its imports and workers up.

    python tests/benchmark/prepare_runners.py NAME FOLDER TARGET

Every line on stdin is a round: it begins with nothing of the round before and ends with the files on disk; its JSON answer holds the
seconds, the most frequent words, to show that the work is the same, and of ours the largest resident memory of an actor (what it has
allocated, without mapped files). Each peer is written as its manual's first example has it, with two
processes or threads where it can use them.
"""

import json
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VOCABULARY = 20_000
CORES = 2
Round = Callable[[Path], list[str]]
_SAMPLE_EVERY_S = 0.05


class Memory:
    """The largest anonymous resident memory of processes with a given title, sampled while the block runs."""

    def __init__(self, title: str) -> None:
        self._title, self.peak_bytes = title, 0
        self._done = threading.Event()

    def __enter__(self) -> "Memory":
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(_SAMPLE_EVERY_S):
            pids = [path for path in Path("/proc").glob("[0-9]*") if self._title in _text(path / "cmdline")]
            for path in pids:
                found = re.search(r"RssAnon:\s+(\d+) kB", _text(path / "status"))
                self.peak_bytes = max(self.peak_bytes, int(found[1]) * 1024 if found else 0)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def ours(folder: Path, actors: int = CORES) -> Round:
    """distrnn with its actors started; `ours1` has one."""
    import logging

    import ray

    from distrnn.cluster.preprocess_actor import start_pool
    from distrnn.cluster.preprocess_driver import prepare_with
    from distrnn.data.lookup import lookup
    from distrnn.progress import silent
    from distrnn.storage import open_store
    from distrnn.workflow import LoadedWorkflow, validate

    settings: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init(address="local", num_cpus=CORES, configure_logging=False, **settings)
    data = {"source": "parquet", "path": str(folder), "labels": "none", "test_fraction": 0, "validation_fraction": 0}
    document = {"name": "reviews", "data": data, "model": {"type": "lstm", "sequence_length": 80}, "train": {"epochs": 1}}
    loaded = LoadedWorkflow(validate(document, "reviews.yaml"), "reviews.yaml")
    pool = start_pool(actors, actors)
    pool.run("ready", [()] * actors, lambda _number, _result: None)

    def run(target: Path) -> list[str]:
        store = open_store(str(target))
        found = lookup(loaded, store)
        dataset = prepare_with(pool, found.source.chunks(), found, store, silent)
        return [token for token, _ in dataset.vocabulary_counts[:5]]

    return run


def hugging_face(folder: Path) -> Round:
    """datasets and tokenizers: a word-level vocabulary is trained, the text encoded by `map`, the dataset saved.

    `encode_batch_fast` on the tokenizer's own threads, and separators replaced by spaces: the quickest of the ways that were tried.
    """
    import datasets
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    from distrnn.text import SEPARATORS

    datasets.disable_progress_bars()
    files = sorted(map(str, folder.glob("*.parquet")))
    separators = Regex("[" + "".join(f"\\x{{{ord(sign):x}}}" for sign in SEPARATORS) + "]+")

    def run(target: Path) -> list[str]:
        dataset = datasets.load_dataset("parquet", data_files=files, split="train", columns=["text"], cache_dir=str(target / "cache"))
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(separators, " "), normalizers.Lowercase()])
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        special = ["[PAD]", "[START]", "[UNK]"]
        trainer = trainers.WordLevelTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
        tokenizer.train_from_iterator((batch["text"] for batch in dataset.iter(1000)), trainer, length=len(dataset))

        def encode(batch: dict[str, Any]) -> dict[str, Any]:
            return {"input_ids": [found.ids for found in tokenizer.encode_batch_fast(batch["text"], add_special_tokens=False)]}

        dataset.map(encode, batched=True, remove_columns=["text"]).save_to_disk(str(target / "encoded"))
        return [token for token, number in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])[3:8]]

    return run


def keras(folder: Path) -> Round:
    """Keras' TextVectorization: adapt, then ragged ids, saved as arrays."""
    import numpy as np
    import pyarrow.parquet as pq
    import tensorflow as tf
    from keras.layers import TextVectorization

    tf.config.threading.set_inter_op_parallelism_threads(CORES)
    tf.config.threading.set_intra_op_parallelism_threads(CORES)

    def run(target: Path) -> list[str]:
        texts = pq.read_table(folder, columns=["text"])["text"].to_numpy()
        lines = tf.data.Dataset.from_tensor_slices(texts).batch(1024)
        layer = TextVectorization(max_tokens=VOCABULARY, output_mode="int", ragged=True)
        layer.adapt(lines)
        target.mkdir(parents=True)
        encoded = list(lines.map(layer, num_parallel_calls=CORES).prefetch(CORES))
        values = np.concatenate([batch.values.numpy() for batch in encoded]).astype(np.uint16)
        lengths = np.concatenate([batch.row_lengths().numpy() for batch in encoded])
        np.savez(target / "encoded.npz", values=values, lengths=lengths)
        return [str(word) for word in layer.get_vocabulary()[2:7]]

    return run


def ray_data(folder: Path) -> Round:
    """Ray Data: words are counted by `map_batches`, the text is encoded by a second one, and written as parquet."""
    import logging

    import pyarrow as pa
    import pyarrow.compute as pc
    import ray

    from distrnn.text import SEPARATORS

    settings: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init(address="local", num_cpus=CORES, configure_logging=False, **settings)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    pattern = "[" + "".join(f"\\x{{{ord(sign):x}}}" for sign in SEPARATORS) + "]+"

    def words(table: pa.Table) -> pa.Array:
        lists = pc.split_pattern_regex(pc.utf8_lower(table["text"]), pattern).combine_chunks()
        return lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists

    def count(table: pa.Table) -> pa.Table:
        counted = words(table).flatten().value_counts()
        return pa.table({"word": counted.field("values"), "count": counted.field("counts")})

    def encode(table: pa.Table, kept: pa.Array) -> pa.Table:
        lists = words(table)
        ids = pc.fill_null(pc.add(pc.index_in(lists.flatten(), value_set=kept), 3), 2)
        return pa.table({"tokens": pa.ListArray.from_arrays(lists.offsets, ids)})

    def run(target: Path) -> list[str]:
        texts = ray.data.read_parquet(str(folder)).select_columns(["text"])
        counts = pa.concat_tables(ray.get(texts.map_batches(count, batch_format="pyarrow", batch_size=8192).to_arrow_refs()))
        ranked = counts.group_by("word").aggregate([("count", "sum")]).sort_by([("count_sum", "descending")])
        ranked = ranked.filter(pc.not_equal(ranked["word"], "")).slice(0, VOCABULARY - 3)
        kept = ranked["word"].combine_chunks()
        kept = kept.chunk(0) if isinstance(kept, pa.ChunkedArray) else kept
        encoded = texts.map_batches(encode, batch_format="pyarrow", batch_size=8192, fn_kwargs={"kept": kept})
        encoded.write_parquet(str(target / "encoded"))
        return [str(word) for word in kept.slice(0, 5).to_pylist()]

    return run


RUNNERS: dict[str, Callable[[Path], Round]] = {
    "ours": ours,
    "ours1": lambda folder: ours(folder, 1),
    "hugging_face": hugging_face,
    "keras": keras,
    "ray_data": ray_data,
}


def main(name: str, folder: str, target: str) -> None:
    """Answer each line with a round."""
    run = RUNNERS[name](Path(folder))
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        shutil.rmtree(target, ignore_errors=True)
        started = time.perf_counter()
        with Memory("ray::PreprocessActor") as memory:
            words = run(Path(target))
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "words": words, "peak_bytes": memory.peak_bytes}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
