"""The kernels that a workflow's model is trained with, where it is placed; pure."""

from dataclasses import replace

from distrnn.training.kernels.choice import Kernels, Network, choose
from distrnn.training.plan import Placement, plan_batches
from distrnn.workflow.sections import ClassifierModel, LanguageModel, Train


def kernels_for(model: ClassifierModel | LanguageModel, train: Train, placement: Placement) -> Kernels:
    """Choose the kernels for a workflow.

    Args:
        model: the workflow's section.
        train: the workflow's section.
        placement: of its workers.
    """
    if isinstance(model, ClassifierModel):
        model = model.resolved()
        network = Network(
            model.type,
            model.units or 0,
            0,
            model.sequence_length,
            str(model.activation),
            str(model.recurrent_activation or "sigmoid"),
            mask_zero=model.mask_zero,
            padding=model.padding,
            rows_meet=model.embedding_normalization == "batch",
        )
    else:
        network = Network(model.type, model.units, 0, model.window, rows_meet=True)
    rows = plan_batches(train.rows_of_step, placement.all_replicas).per_replica_batch_size
    return choose(
        replace(network, per_replica_rows=rows, recurrent_dropout=model.recurrent_dropout, precision=train.precision),
        device=placement.device,
        replicas=placement.replicas,
        workers=placement.workers,
        cores=placement.cpus,
    )
