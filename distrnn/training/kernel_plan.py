"""The kernels that a workflow's model is trained with, where it is placed; pure."""

from dataclasses import replace

from distrnn.training.kernels.choice import Kernels, Network, choose
from distrnn.training.plan import Placement, plan_batches
from distrnn.workflow.model_sections import Model
from distrnn.workflow.sections import ClassifierModel, EmbeddingModel, Train


def kernels_for(model: Model, train: Train, placement: Placement) -> Kernels:
    """Choose the kernels for a workflow.

    Args:
        model: the workflow's section.
        train: the workflow's section.
        placement: of its workers.
    """
    dropout = 0.0
    if isinstance(model, EmbeddingModel):
        network = Network(model.type, 0, 0, 1)
    elif isinstance(model, ClassifierModel):
        model, dropout = model.resolved(), model.recurrent_dropout
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
        model, dropout = model.resolved(), model.recurrent_dropout
        meet = model.carries_state or model.embedding_normalization == "batch"
        network = Network(model.type, model.units, 0, model.window, str(model.activation), rows_meet=meet)
    rows = plan_batches(train.rows_of_step, placement.all_replicas).per_replica_batch_size
    return choose(
        replace(network, per_replica_rows=rows, recurrent_dropout=dropout, precision=train.precision),
        device=placement.device,
        replicas=placement.replicas,
        workers=placement.workers,
        cores=placement.cpus,
    )
