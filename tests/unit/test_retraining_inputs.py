"""What a run is made from, as it is recorded: what decides the weights, and nothing that is nobody's business."""

import json

import pytest

from distrnn.registry import Registry
from distrnn.retraining.inputs import inputs_of


@pytest.fixture
def recorded(tmp_path, classifier):
    """The inputs of a workflow with these sections."""

    def make(**sections):
        file = tmp_path / "reviews.yaml"
        file.write_text(json.dumps({**classifier, "data": {"source": "synthetic-reviews"}, "schedule": {"cron": "0 3 * * 1"}, **sections}))
        return inputs_of(file, [], Registry(str(tmp_path / "registry")))

    return make


@pytest.mark.parametrize(
    "sections",
    [
        {"schedule": {"cron": "0 4 * * *", "retries": {"count": 0}}},
        {"notify": {"url": "https://hooks.example/T0/secret"}},
        {"storage": {"root": "s3://bucket/elsewhere"}},
        {"scaling": {"workers": 2}},
    ],
)
def test_when_where_and_who_is_told_is_no_change(recorded, sections):
    assert recorded(**sections) == recorded()


def test_how_it_is_trained_is_a_change(recorded, classifier):
    assert recorded(train={**classifier.get("train", {}), "seed": 7}).workflow != recorded().workflow


def test_another_version_of_the_model_it_begins_with_is_a_change(recorded, classifier, tmp_path):
    registry, model = Registry(str(tmp_path / "registry")), {**classifier["model"], "weights_from": "encoder"}

    def published(text):
        folder = tmp_path / text
        folder.mkdir()
        (folder / "model.json").write_text(text)
        registry.publish("encoder", folder, metadata={})
        return recorded(model=model).data

    first = published("1")
    assert recorded(model=model).data == first
    assert published("2") != first
