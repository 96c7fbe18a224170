"""Batches of a step that has more than labelled training documents in it: some of the validation split, some that a teacher labelled."""

from distrnn.data import pseudo_labels
from distrnn.data.batches import Batches
from distrnn.data.dataset import Dataset
from distrnn.data.mixing import Ingredient, MixedBatches
from distrnn.data.parts import Part
from distrnn.data.subsets import open_split
from distrnn.workflow import ClassifierModel, Workflow


def is_mixed(workflow: Workflow) -> bool:
    """Whether a step has other rows than those of the training split."""
    return workflow.train.rows_of_step != workflow.train.global_batch_size


def mixed_batches(workflow: Workflow, dataset: Dataset, part: Part, labelled: str | None) -> Batches:
    """`global_batch_size` rows of the training split, then `validation_rows` of the validation split, then pseudo-labelled ones.

    The training split makes the epoch; the others go on from epoch to epoch.

    Args:
        workflow: what to do.
        dataset: prepared.
        part: of this worker.
        labelled: name of the pseudo-labelled documents, in the dataset's storage.
    Raises:
        NotFoundError: they are not there.
        IntegrityError: they are altered.
        DataError: a dataset is empty, or the training split smaller than its share.
    """
    model, train = workflow.model, workflow.train
    if not isinstance(model, ClassifierModel):
        raise AssertionError("the workflow's rules allow mixtures for classifiers only")
    ingredients = [Ingredient(open_split(dataset, workflow, "train"), train.global_batch_size)]
    if train.validation_rows:
        ingredients.append(Ingredient(open_split(dataset, workflow, "validation"), train.validation_rows))
    if train.pseudo_labels is not None and labelled is not None:
        found = pseudo_labels.read(dataset.store, labelled)
        soft = found.probabilities if train.pseudo_labels.soft else None
        ingredients.append(Ingredient(found.reader(), train.pseudo_labels.rows, labels=soft))
    return MixedBatches(
        ingredients,
        sequence_length=model.sequence_length,
        padding=model.padding,
        truncating=model.truncating,
        seed=train.seed,
        part=part,
    )
