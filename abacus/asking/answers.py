"""A checkpoint and the base model, opened to be asked; on a CPU they share one decoder and show their tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TextIO

from abacus.asking.pieces import Pieces
from abacus.inference.answering import How
from abacus.text.prompt import Completion, Prompt, Prompter
from abacus.text.tokenizer import Tokenizer
from abacus.weights.architecture import Architecture, Weights, check_same, read_architecture

GRAPHS = Path("logs/graphs-ask")  # MindSpore takes those of another program, as predict's, for changed ones
Stream = Callable[[str, Prompt, Callable[[list[int]], object]], Completion]


class Voices(NamedTuple):
    """Models by name, and what makes prompts of questions and completions of prompts."""

    names: tuple[str, ...]
    prompter: Prompter
    stream: Stream

    def answer(self, name: str, question: str, tell: Callable[[str], object]) -> tuple[str, Completion]:
        """What a model says to a question, asked as it was trained; `tell` gets the text piece by piece."""
        pieces = Pieces(self.prompter.tokenizer.decode)
        prompt = Prompt(self.prompter.problems([question])[0])
        done = self.stream(name, prompt, lambda ids: tell(pieces.new(ids)))
        tell(pieces.new(done.ids, last=True))
        return self.prompter.tokenizer.decode(done.ids), done


def opened(how: How, base: Path, adapters: dict[str, Path | None], screen: TextIO) -> Voices:
    """Load models by their names: each the base model in the folder `base`, with an adapter folded in or with none."""
    print("ask: loading the models; the first answer compiles them", file=screen)
    from abacus.weights.checkpoint import load_checkpoint
    from abacus.weights.lora import fold

    architecture = read_architecture(base)
    check_same(architecture, how.llama.architecture, base / "model.json")
    tokenizer = Tokenizer.load(base)
    weights = load_checkpoint(base / "model.ckpt")
    models = {name: fold(weights, adapter) if adapter else weights for name, adapter in adapters.items()}
    decoders = _cached if how.decode.engine == "cached" else _framework
    stream = decoders(how, models, architecture, tokenizer)
    prompt = how.prompt
    return Voices(tuple(models), Prompter(tokenizer, prompt.template, prompt.bos, prompt.reading), stream)


def _limits(how: How) -> dict[str, int]:
    return {"max_new_tokens": how.decode.math_new_tokens, "min_new_tokens": how.decode.min_new_tokens}


def _cached(how: How, models: dict[str, Weights], architecture: Architecture, tokenizer: Tokenizer) -> Stream:
    from abacus.asking.streaming import StreamingDecoder

    # The batch is predict's, so that sums are rounded as there and an answer is the same to the token.
    size = how.decode.batch_size
    decoder = StreamingDecoder(models, architecture, eos_id=tokenizer.eos_id, batch_size=size, graphs=GRAPHS)
    return lambda name, prompt, seen: decoder.stream(name, prompt, seen, **_limits(how))


def _framework(
    how: How, models: dict[str, Weights], architecture: Architecture, tokenizer: Tokenizer
) -> Stream:
    """MindFormers' own decoder, which gives its answer whole."""
    from abacus.asking.unstreamed import UnstreamedDecoder

    ids = {"eos_id": tokenizer.eos_id, "pad_id": tokenizer.pad_id}
    decoder = UnstreamedDecoder(how, models, architecture, **ids)
    return lambda name, prompt, seen: decoder.answer(name, prompt, **_limits(how))
