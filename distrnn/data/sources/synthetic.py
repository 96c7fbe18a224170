"""`synthetic-reviews`: film reviews in which the order of the words decides the label.

A review is a few sentences: one or two verdicts of the reviewer, told among plot summaries and opinions that do not count (about
the trailer, the popcorn, the last film of the same director). In `ORDER_SHARE` of the reviews every verdict is a contrast
("good at first, but in the end dreadful") whose opposite has the same words in another order, so that nothing in the multiset
of words tells the label: no order-blind model can be right in more than 1 - ORDER_SHARE / 2 of the reviews. The other reviews
say plainly what they think, negations included.

Every document depends on its index, its split and the seed alone, so any number of processes can make them. Sentences belong
to a split by a hash of their words: no sentence of the test split occurs in training, whatever the seed.
"""

import hashlib
import json
from random import Random
from types import ModuleType

from distrnn.data.sources import synthetic_frames, synthetic_grammar, synthetic_words
from distrnn.data.sources.synthetic_grammar import CONTRASTS, DISTRACTORS, NEUTRAL, PLAIN, pick, sentence, within

VERSION = 1
SIZES = {"train": 12_000, "test": 3_000}
ORDER_SHARE = 0.42
SECOND_VERDICT_SHARE = 0.5
DISTRACTOR_SHARE = 0.15
MAX_COMPANIONS = 5
SHORTEST, LONGEST = 10, 60


def document(index: int, split: str, seed: int) -> tuple[str, int]:
    """One review.

    Args:
        index: its place in the split, from 0.
        split: `train` or `test`.
        seed: another seed gives other reviews.
    Returns:
        the text, and its label: 0 negative, 1 positive. Documents 2i and 2i + 1 have different labels.
    """
    # Pairs keep the classes equal without any document knowing the others; the coin keeps the labels from simply alternating.
    label = (index + int(Random(f"{seed}/{split}/pair/{index // 2}").random() * 2)) % 2  # noqa: S311 (text, no secret)
    random = Random(f"{seed}/{split}/{index}")  # noqa: S311 (text, no secret)
    verdicts = _verdicts(label, split, random)
    words = sum(len(verdict.split()) for verdict in verdicts)
    companions = int(random.random() * (MAX_COMPANIONS + 1))
    before: list[str] = []
    after: list[str] = []
    while companions > 0 or words < SHORTEST:
        text = within(split, lambda: _companion(random))
        words += len(text.split())
        if words > LONGEST:
            break
        (before if random.random() < 0.6 else after).append(text)
        companions -= 1
    return " ".join([*before, *verdicts, *after]), label


def _verdicts(label: int, split: str, random: Random) -> list[str]:
    frames = CONTRASTS if random.random() < ORDER_SHARE else PLAIN
    count = 2 if random.random() < SECOND_VERDICT_SHARE else 1
    return [within(split, lambda: sentence(frames, label, random)) for _ in range(count)]


def _companion(random: Random) -> str:
    frames = DISTRACTORS if random.random() < DISTRACTOR_SHARE else NEUTRAL
    return sentence(frames, pick((0, 1), random), random)


def digest() -> str:
    """Sha256 over everything that decides the text: the generator's version, its word lists and its sentences."""
    parts: list[object] = [VERSION, ORDER_SHARE, SECOND_VERDICT_SHARE, DISTRACTOR_SHARE, MAX_COMPANIONS, SHORTEST, LONGEST]
    parts += [synthetic_grammar.TRAIN_SHARE, synthetic_grammar.NEGATED_SHARE]
    tables = [_tables(module) for module in (synthetic_words, synthetic_frames)]
    return hashlib.sha256(json.dumps([parts, tables], sort_keys=True).encode()).hexdigest()


def _tables(module: ModuleType) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if name.isupper()}
