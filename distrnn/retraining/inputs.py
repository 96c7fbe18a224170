"""What decides the model that a run would make: its data, its workflow and the code, each in a form that can be compared.

The digest of the data costs reading its bytes: neither Ray nor TensorFlow is needed to find out that there is nothing to do.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import distrnn
from distrnn.cluster.initial_weights import weights_from
from distrnn.data.fingerprint import fingerprint_parts
from distrnn.data.pretrained import digest_of
from distrnn.data.sources import open_source
from distrnn.registry import Registry
from distrnn.retraining.state import Inputs
from distrnn.workflow import Workflow, load_workflow

# Where, how fast, when, and who is told (whose URL may hold a secret): the weights do not depend on these
ELSEWHERE = ("storage", "scaling", "schedule", "notify")


def inputs_of(file: str, settings: Sequence[str], registry: Registry) -> Inputs:
    """The inputs of a run, as they are now: the file is read anew, as the run will read it.

    Args:
        file: of the workflow.
        settings: `--set` texts.
        registry: holds the versions whose labels the run learns from and whose weights it begins with, if there are any.
    Raises:
        NotFoundError: the file or the source does not exist.
        WorkflowError: a key is wrong by now.
        DataError: it is not what the workflow says.
    """
    loaded = load_workflow(file, settings)
    document = loaded.to_json()
    kept = {key: value for key, value in document.items() if key not in ELSEWHERE}
    return Inputs(data=_data(loaded.workflow, registry), workflow=kept, code=code())


def code() -> str:
    """The version of distrnn and a digest of its files, which change without a new version too."""
    folder = Path(distrnn.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    return f"{distrnn.__version__} ({digest.hexdigest()[:12]})"


def _data(workflow: Workflow, registry: Registry) -> dict[str, Any]:
    source = open_source(workflow)
    parts = fingerprint_parts(source.name, source.digest(), workflow.data.tokenizer.spec(), source.rules.to_json())
    if vectors := digest_of(workflow):
        parts["vectors"] = {"sha256": vectors}
    if reference := weights_from(workflow):
        parts["weights_from"] = registry.resolve(reference).digest
    if (section := workflow.train.pseudo_labels) is not None:
        from distrnn.cluster.pseudo_labelling import unlabelled

        texts = open_source(unlabelled(workflow, section)).digest()
        parts["pseudo_labels"] = {"sha256": texts, "teacher": registry.resolve(section.teacher).digest}
    return parts
