"""The words of the real reviews and their ranks are those of Keras' legacy Tokenizer, up to the order of words that occur equally often."""

import pytest

from distrnn.storage import open_store
from fixtures_data import document_workflow, prepare_here


@pytest.mark.slow
def test_ranks_of_the_reviews_equal_those_of_keras(shared_data, tmp_path):
    import pyarrow.parquet as pq
    from keras.src.legacy.preprocessing.text import Tokenizer

    texts = pq.read_table(shared_data / "imdb" / "train.parquet", columns=["text"])["text"].to_pylist()
    keras = Tokenizer()
    keras.fit_on_texts(texts)
    tokenizer = {"html": "keep", "vocabulary_size": 100_000}
    loaded = document_workflow(shared_data / "imdb", tokenizer=tokenizer, validation_fraction=0.0)
    ours = prepare_here(loaded, open_store(str(tmp_path / "storage"))).vocabulary_counts
    assert dict(ours) == dict(keras.word_counts)
    by_rank = sorted(keras.word_index, key=keras.word_index.get)
    assert [keras.word_counts[word] for word in by_rank] == [count for _, count in ours]
    assert (len(ours), ours[6]) == (88_582, ("br", 101_871))
