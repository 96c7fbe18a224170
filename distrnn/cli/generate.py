"""`distrnn generate`: a language model writes, and one can watch it."""

from typing import Annotated, Any

import typer

from distrnn.cli.options import Debug, Json, Reference, RegistryUrl
from distrnn.cli.output import Output
from distrnn.cli.predict import load_writer
from distrnn.cli.text_files import read_text
from distrnn.errors import UsageError


def generate(
    reference: Reference,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="What the text goes on from. Default: a piece of text the model knows.")
    ] = None,
    prompt_file: Annotated[
        str | None, typer.Option("--prompt-file", metavar="FILE", help="Read the prompt from a file; - is stdin. In place of --prompt.")
    ] = None,
    length: Annotated[int, typer.Option("--length", metavar="N", help="Tokens to write: characters, or words for a model of words.")] = 400,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="T", help="Above 1 more daring, below 1 safer, 0 always the most probable token.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option("--top-k", metavar="K", help="Draw among the K most probable tokens only.")] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", metavar="P", help="Nucleus: draw among the fewest tokens that together have the probability P."),
    ] = None,
    stop: Annotated[str | None, typer.Option("--stop", metavar="TEXT", help="End where this text would come.")] = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", help="Write N texts from the same prompt; after the first the seed counts up by one.")
    ] = 1,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="The same seed gives the same text.")] = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the text that follows a prompt, letter by letter as it comes."""
    out = Output(json=json)
    if prompt is not None and prompt_file is not None:
        raise UsageError("--prompt and --prompt-file both say what the text goes on from; give one of them.")
    if samples < 1:
        raise UsageError(f"--samples must be 1 or more. Received: {samples}")
    if temperature == 0.0:
        _nothing_to_draw({"--top-k": top_k, "--top-p": top_p, "--seed": seed, "--samples": samples if samples > 1 else None})
    beginning = prompt if prompt_file is None else read_text(prompt_file)
    model = load_writer(reference, registry, out, "generate")
    if beginning is None:
        beginning = model.sample_prompt
    drawn: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "stop": stop}
    seeds = [seed if seed is None else seed + number for number in range(samples)]
    if json:
        texts = [model.generate(beginning, length, seed=one, **drawn) for one in seeds]
        out.result({"prompt": beginning, "text": texts[0], "samples": texts, "length": length, **drawn, "seed": seed})
        return
    for number, one in enumerate(seeds, 1):
        if samples > 1:
            out.pieces([f"--- {number} of {samples}{'' if one is None else f', seed {one}'}\n"])
        written = model.stream(beginning, length, seed=one, **drawn)
        out.pieces([beginning, model.joint])
        out.pieces(written)
        out.pieces(["\n"])


def _nothing_to_draw(options: dict[str, Any]) -> None:
    if useless := ", ".join(f"{name} {value}" for name, value in options.items() if value is not None):
        raise UsageError(
            "--temperature 0 always takes the most probable token, which --top-k, --top-p, --seed and --samples cannot change. Leave them "
            f"out, or give a temperature above 0. Received: {useless}"
        )
