"""Whether a published language model closes what it opens: 20 samples of each model, beside the text it learned from.

    python tests/benchmark/writing.py REF… [--text FILE] [--temperature T] [--show]

Of the quotes and brackets that are opened in 20 samples of 2,000 characters, the share that is closed within 300 characters is printed,
after the share in the text itself. Two models in one registry, of all epochs and of one, are made by

    distrnn run workflows/nietzsche-writer.yaml --set data.path=nietzsche.txt
    distrnn run workflows/nietzsche-writer.yaml --set data.path=nietzsche.txt --set train.epochs=1 --set register.name=nietzsche-beginner
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import distrnn
from closing import WITHIN, closed_share
from distrnn.client import LanguageModel

TEXT = Path(__file__).resolve().parents[3] / "shared" / "data" / "nietzsche.txt"
SAMPLES, CHARACTERS = 20, 2000
PROMPT = "\n\n"


def samples(model: LanguageModel, temperature: float) -> list[str]:
    """Texts that begin a paragraph, one for each seed from 0 on."""
    return [model.generate(PROMPT, CHARACTERS, temperature=temperature, seed=seed) for seed in range(SAMPLES)]


def row(name: str, texts: list[str]) -> str:
    """A row of the table."""
    share, count = closed_share(texts)
    return f"| {name} | {count:,} | {'–' if share is None else f'**{share:.2f}**'} |"


def main() -> None:
    """Write, count, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", metavar="REF")
    parser.add_argument("--text", type=Path, default=TEXT, help="what the models learned from")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--show", action="store_true", help="print the samples as well")
    arguments = parser.parse_args()
    rows = [row("the text", [arguments.text.read_text(encoding="utf-8")])]
    for name in arguments.models:
        model = distrnn.load_model(name)
        if not isinstance(model, LanguageModel):
            parser.error(f"{name} is no language model")
        texts = samples(model, arguments.temperature)
        if arguments.show:
            print(*texts, sep="\n" + "=" * 40 + "\n")
        rows.append(row(f"`{name}`", texts))
    print(f"| {SAMPLES} samples of {CHARACTERS:,} characters | opened | closed within {WITHIN} |\n|---|---|---|")
    print("\n".join(rows))
    print(f"\nTemperature {arguments.temperature}. {datetime.now(UTC).date().isoformat()}.")


if __name__ == "__main__":
    main()
