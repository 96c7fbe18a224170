"""What a training reads beside its dataset, named so that a worker can tell whether it is what the run began with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Inputs:
    """Plain values.

    Attributes:
        vectors: sha256 of the file that `model.pretrained` names; None: whatever stands there.
        weights: name of those of another model that training begins with, in the storage of the dataset; None: they are drawn.
        pseudo_labels: name of the documents that a teacher has labelled, in the storage of the dataset; None where there are none.
    """

    vectors: str | None = None
    pseudo_labels: str | None = None
    weights: str | None = None


NOTHING = Inputs()
