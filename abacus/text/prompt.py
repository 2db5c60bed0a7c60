"""The one place where a question becomes tokens: training and inference share it.

Templates: `vicuna` is Vicuna v1.1 (https://github.com/lm-sys/FastChat/blob/main/docs/vicuna_weights_version.md),
`alpaca` Stanford Alpaca's without input (https://github.com/tatsu-lab/stanford_alpaca), `bare` the problem
and a newline. Of the reading prompts `contest` is the contest's, and `one_shot` shows it answered once before it asks. They
are asked, and the contest's is trained on, alone, in no template and without BOS.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from abacus.text.tokenizer import Tokenizer

IGNORED = -100  # the label of a token that is not learned


@dataclass(frozen=True)
class Prompt:
    """The ids of a prompt, and of the text that should follow it, if its likelihood is wanted."""

    ids: Sequence[int]
    reference: Sequence[int] = ()


@dataclass(frozen=True)
class Completion:
    """The generated ids, without EOS; minus the natural logarithm of the reference's probability.

    `ended` says that EOS came next; otherwise the limit of new tokens or of the model's positions cut it.
    """

    ids: list[int]
    reference_nll: float | None
    ended: bool


class Template(NamedTuple):
    """What stands before the problem, between problem and answer, and before the answer.

    The answer's own lead is learned with it: in `vicuna` the first learned token starts with the space.
    """

    before: str
    after: str
    lead: str


TEMPLATES = {
    "vicuna": Template(
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: ",
        " ASSISTANT:",
        " ",
    ),
    "alpaca": Template(
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n### Instruction:\n",
        "\n\n### Response:",
        " ",
    ),
    "bare": Template("", "\n", ""),
}
READING = (
    "Read the passage and answer the question below.\n\n"
    "### Instruction:\n{context}\n\n### Input:\n{question}\n\n### Response:"
)


# The example of `one_shot`, in no set of questions. Of three examples in two layouts it gave the base model of the default
# profile its highest F1 and EM (MindFormers') on 48 questions of SQuAD's that no run is asked.
EXAMPLE = {
    "context": "The harbour of Lind was built in 1872 by the engineer Ada Moor. It has two piers and a small lighthouse.",
    "question": "Who built the harbour of Lind?",
}
ANSWER = "Ada Moor"
READINGS = {"contest": READING, "one_shot": f"{READING.format(**EXAMPLE)} {ANSWER}\n\n{READING}"}
BEGINS, ENDS = READING.partition("{context}")[0], READING.rpartition("{question}")[2]
ALONE = Template("", "", " ")  # of a reading prompt


class Prompter:
    """Turns problems, answers and passages into ids, with a profile's templates and BOS."""

    def __init__(
        self, tokenizer: Tokenizer, template: str | Template, bos: bool, reading: str = "contest"
    ) -> None:
        self.tokenizer = tokenizer
        self.template = TEMPLATES[template] if isinstance(template, str) else template
        self.bos = [tokenizer.bos_id] if bos else []
        self.reading = READINGS[reading]

    def problems(self, problems: Sequence[str]) -> list[list[int]]:
        """Return the ids of each problem in the template, up to where the answer begins."""
        before, after, _ = self.template
        texts = self.tokenizer.encode_batch([before + problem + after for problem in problems])
        return [self.bos + ids for ids in texts]

    def answers(self, answers: Sequence[str]) -> list[list[int]]:
        """Return the ids of each answer as it is learned: its lead, its text and EOS."""
        texts = self.tokenizer.encode_batch([self.template.lead + answer for answer in answers])
        return [[*ids, self.tokenizer.eos_id] for ids in texts]

    def rows(self, problems: Sequence[str], answers: Sequence[str]) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the ids of each problem and of its answer, as they are trained on; a reading prompt may be a problem."""
        alone = Prompter(self.tokenizer, ALONE, bos=False)
        asked = list(zip(self.problems(problems), self.answers(answers), strict=True))
        for problem, answer, row in zip(problems, answers, asked, strict=True):
            if problem.startswith(BEGINS) and problem.endswith(ENDS):
                yield alone.problems([problem])[0], alone.answers([answer])[0]
            else:
                yield row

    def untemplated(self, problems: Sequence[str]) -> list[list[int]]:
        """Return the ids of the problem alone, no BOS: what the reference run gave at inference."""
        return self.tokenizer.encode_batch(problems)

    def passages(self, pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
        """Return the ids of the reading prompt for each (context, question). It never has a BOS."""
        return self.tokenizer.encode_batch([self.reading.format(context=c, question=q) for c, q in pairs])

    def spans(self, answers: Sequence[str]) -> list[list[int]]:
        """Return the ids of reference answers to reading questions, as they would follow the prompt."""
        return self.tokenizer.encode_batch([f" {answer}" for answer in answers])
