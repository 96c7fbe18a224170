"""Which combinations of a sweep can be trained at all, found out before anything is prepared."""

import json

import pytest

from distrnn.cluster.sweep_data import check_all_trainable
from distrnn.cluster.sweep_plan import make_plan
from distrnn.errors import WorkflowError
from fixtures_workflow import changed


def test_a_sweep_has_no_teacher(workflow_file, classifier):
    section = {"teacher": "teacher@production", "path": "more.parquet", "rows": 16}
    document = changed(changed(classifier, "data.source", "synthetic-reviews"), "train.pseudo_labels", section)
    workflow_file.write_text(json.dumps(document))
    with pytest.raises(WorkflowError) as caught:
        check_all_trainable(make_plan(workflow_file, (), ["train.epochs=1,2"], None))
    assert str(caught.value) == (
        "key 'train.pseudo_labels': expected nothing in a sweep, whose trials read no registry. Received: teacher teacher@production. "
        "Sweep the other keys without it, then run with it."
    )
