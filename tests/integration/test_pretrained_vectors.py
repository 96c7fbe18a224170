"""An embedding begins with the vectors of a file and stays so, or learns on."""

import numpy as np
import pytest

from distrnn.data.vectors import read_embedding, zeros
from distrnn.text import TokenizerSpec, Vocabulary
from distrnn.training.tasks import ClassifierTask
from distrnn.workflow.sections import ClassifierModel

pytestmark = pytest.mark.usefixtures("two_devices")

WORDS = ("the", "strong", "nosuchword", "queen")
SPEC = TokenizerSpec(level="word", case="fold", html="strip", vocabulary_size=100)


@pytest.fixture(scope="module")
def glove(shared_data):
    """Vectors of four words, one of which the head of GloVe does not have, and their ids."""
    vocabulary = Vocabulary(list(WORDS), SPEC)
    return read_embedding(shared_data / "glove/glove.6B.100d.head2604.txt", vocabulary, initialise=zeros), vocabulary


def task(vectors, **pretrained):
    section = ClassifierModel.model_validate(
        {
            "type": "mlp",
            "sequence_length": 6,
            "embedding_dim": 100,
            "pretrained": {"path": "glove.txt", **pretrained},
            "initializers": {"embeddings": {"type": "ones"}},
        }
    )
    return ClassifierTask(section, len(vectors.matrix), vectors=vectors)


def embedding_of(model):
    return np.asarray(model.get_layer("embedding").embeddings)


@pytest.mark.parametrize("replicas", [1, 2])
def test_words_with_a_vector_begin_with_it_and_others_as_initializers_say(glove, replicas):
    from distrnn.training.plan import Placement
    from distrnn.training.strategy import make_strategy

    vectors, vocabulary = glove
    strategy = make_strategy(Placement("cpu", 1, 0, replicas))
    with strategy.scope():
        model = task(vectors).training_model(per_replica_batch_size=4, replicas=replicas)
    for value in strategy.experimental_local_results(model.get_layer("embedding").embeddings.value):
        begun = value.numpy()
        strong, unknown = vocabulary.encode("strong")[-1], vocabulary.encode("nosuchword")[-1]
        assert begun[strong][:3] == pytest.approx(vectors.matrix[strong][:3])
        assert np.abs(begun[strong]).max() > 0.1
        assert (begun[unknown] == 1.0).all()
        assert (begun[0] == 0.0).all()


@pytest.mark.parametrize("trainable", [False, True])
def test_vectors_stay_as_they_are_or_learn_on(glove, trainable):
    from distrnn.data.reader import ShardArrays, ShardReader
    from distrnn.progress import silent
    from distrnn.training.kernel_plan import kernels_for
    from distrnn.training.loop import Hooks, Trainer
    from distrnn.training.plan import Placement, plan_batches
    from distrnn.training.strategy import make_strategy
    from distrnn.workflow.sections import Train

    vectors, vocabulary = glove
    learner = task(vectors, trainable=trainable)
    train = Train(epochs=1, global_batch_size=4)
    placement = Placement("cpu", 1, 0, 1)
    kernels = kernels_for(learner.model, train, placement)
    trainer = Trainer(learner, train, plan_batches(4, 1), make_strategy(placement), kernels=kernels)
    before = embedding_of(trainer.model)
    tokens = np.array(vocabulary.encode("the strong queen"), np.uint16)
    reader = ShardReader([ShardArrays(np.tile(tokens, 8), np.arange(9) * len(tokens), np.arange(8).astype(np.int16) % 2)])
    output = trainer.model.get_layer("output").get_weights()[0]
    trainer.fit(learner.training_batches(reader, global_batch_size=4, seed=0), Hooks(silent, lambda: False, lambda _: None))
    assert (embedding_of(trainer.model) == before).all() != trainable
    assert (trainer.model.get_layer("output").get_weights()[0] != output).any()
    published = learner.published_model()
    published.set_weights(trainer.model.get_weights())
    assert (embedding_of(published) == embedding_of(trainer.model)).all()
