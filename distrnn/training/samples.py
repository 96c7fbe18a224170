"""What a language model writes while it learns: after the first epoch, the second, the fourth and so on, from one prompt with one seed.

The text is written by the published form with NumPy, so that the training model and its random numbers are left alone, and a run that goes
on from a checkpoint ends with the weights it would have had.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distrnn.client import load_folder
from distrnn.data.dataset import Dataset
from distrnn.runtime import Preprocessing
from distrnn.workflow import Workflow

PROMPT_TOKENS = 40
LENGTHS = {"char": 400, "word": 80}
TEMPERATURE = 0.7


def prompt_of(workflow: Workflow, dataset: Dataset) -> str:
    """A piece of text to go on from: the beginning of what is held out, or else of what is learned."""
    vocabulary = dataset.vocabulary
    stream = dataset.reader("test" if workflow.has_test_split else "train")
    joint = "" if vocabulary.spec.level == "char" else " "
    first = stream.span(0, min(PROMPT_TOKENS, stream.tokens)).tolist()
    return joint.join(vocabulary.token(token) for token in first if token >= vocabulary.spec.first_id)


def is_shown(epochs_finished: int) -> bool:
    """Whether a sample is written after so many epochs: powers of two, because most is learned in the beginning."""
    return epochs_finished & (epochs_finished - 1) == 0


class Samples:
    """Writes a sample with the weights of the moment.

    Args:
        workflow: of a language model.
        dataset: what it is trained on.
        write: puts the NumPy form of the training model that it is given into a folder that exists.
    """

    def __init__(self, workflow: Workflow, dataset: Dataset, write: Callable[[Any, Path], None]) -> None:
        self._write, self._seed = write, workflow.train.seed
        self._rules = Preprocessing("language-model", dataset.vocabulary)
        self._prompt = prompt_of(workflow, dataset)

    def after(self, trained: Any, epochs_finished: int) -> str | None:
        """What the training model would write now, without the prompt; None after an epoch that is not shown."""
        if not is_shown(epochs_finished):
            return None
        with tempfile.TemporaryDirectory(prefix="distrnn-sample-") as temporary:
            self._write(trained, Path(temporary))
            self._rules.write(temporary)
            model = load_folder(temporary)
            return model.generate(self._prompt, LENGTHS[self._rules.vocabulary.spec.level], temperature=TEMPERATURE, seed=self._seed)
