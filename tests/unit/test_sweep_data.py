"""Which combinations of a sweep can be trained at all, found out before anything is prepared."""

import json

import pytest

from distrnn.cluster.sweep_data import check_all_trainable
from distrnn.cluster.sweep_plan import make_plan
from distrnn.errors import WorkflowError
from fixtures_workflow import changed

TEACHER = {"teacher": "teacher@production", "path": "more.parquet", "rows": 16}


@pytest.mark.parametrize(
    ("key", "value", "received"),
    [("train.pseudo_labels", TEACHER, "teacher teacher@production"), ("model.weights_from", "encoder@v2", "encoder@v2")],
)
def test_a_sweep_reads_no_other_model(workflow_file, classifier, key, value, received):
    workflow_file.write_text(json.dumps(changed(changed(classifier, "data.source", "synthetic-reviews"), key, value)))
    with pytest.raises(WorkflowError) as caught:
        check_all_trainable(make_plan(workflow_file, (), ["train.epochs=1,2"], None))
    assert str(caught.value) == (
        f"key '{key}': expected nothing in a sweep, whose trials read no registry. Received: {received}. "
        "Sweep the other keys without it, then run with it."
    )
