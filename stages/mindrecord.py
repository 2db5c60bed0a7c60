"""Turn conversations into the MindRecord that training reads.

    python -m stages.mindrecord --profile NAME --base data/base --conversations data/train-v2-conversation.json
        --out data/train-v2.mindrecord --metrics metrics/mindrecord.json

Fields `input_ids` and `labels`, int32, each of shape (seq_length + 1,). A row that would be cut is left out
and counted, for a cut answer teaches a wrong one. The same input gives the same bytes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from stages.command import InputError, check_room, read_json, replacing, run, write_json
from stages.model.config import profile
from stages.model.prompt import IGNORED, Prompter
from stages.model.quiet import framework_log
from stages.model.tokenizer import Tokenizer

BATCH = 1000
BYTES = 8  # of a token: an id and a label, int32 each
SHOWN = 3


class Turn(NamedTuple):
    """A conversation of one question and one answer."""

    id: str
    problem: str
    solution: str


def read_turns(path: Path) -> list[Turn]:
    """Read a conversation file. Raises InputError naming the conversation that is not of the form."""
    document = read_json(path, "a JSON array of conversations", list)
    if not isinstance(document, list) or not document:
        raise InputError(f"{path}: expected a JSON array of conversations")
    return [turn(value, f"{path}, conversation {number}") for number, value in enumerate(document, 1)]


def turn(value: Any, place: str) -> Turn:
    """Read one conversation; every error begins with `place`."""
    try:
        question, answer = value["conversations"]
        if (question["from"], answer["from"]) != ("human", "gpt"):
            raise ValueError
        found = Turn(value["id"], question["value"], answer["value"])
        if not all(isinstance(text, str) for text in found):
            raise ValueError
        "".join(found).encode("utf-8")  # a lone surrogate is no text
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{place}: expected an id and two turns, from 'human' and from 'gpt'") from None
    return found


class Encoded(NamedTuple):
    """A row as training reads it, not yet padded; `labels` is IGNORED where nothing is learned."""

    input_ids: list[int]
    labels: list[int]


def encode(turns: list[Turn], prompter: Prompter) -> Iterator[Encoded]:
    """Yield each conversation's ids and labels; loss on the answer and on EOS."""
    for start in range(0, len(turns), BATCH):
        block = turns[start : start + BATCH]
        questions = prompter.problems([turn.problem for turn in block])
        answers = prompter.answers([turn.solution for turn in block])
        for question, answer in zip(questions, answers, strict=True):
            yield Encoded(question + answer, [IGNORED] * len(question) + answer)


def padded(row: Encoded, length: int, pad: int) -> dict[str, np.ndarray]:
    """Return the row's two arrays, int32 of shape (length,)."""
    missing = length - len(row.input_ids)
    return {
        "input_ids": np.array(row.input_ids + [pad] * missing, np.int32),
        "labels": np.array(row.labels + [IGNORED] * missing, np.int32),
    }


def write(path: Path, rows: Iterator[dict[str, np.ndarray]]) -> None:
    """Write rows to `path` and its index, `path` + .db. MindRecord keeps the base name inside."""
    from mindspore.mindrecord import FileWriter

    index = path.with_name(path.name + ".db")
    with replacing(path) as part:
        writer = FileWriter(str(part), shard_num=1)
        field = {"type": "int32", "shape": [-1]}
        writer.add_schema({"input_ids": field, "labels": field}, "conversations")
        block: list[dict[str, np.ndarray]] = []
        for row in rows:
            block.append(row)
            if len(block) == BATCH:
                writer.write_raw_data(block)
                block = []
        if block:
            writer.write_raw_data(block)
        writer.commit()
        for file in (part, part.with_name(index.name)):
            file.chmod(0o644)  # MindRecord leaves its files unreadable to others
        part.with_name(index.name).replace(index)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write training conversations as MindRecord.")
    parser.add_argument("--profile", required=True)
    for name in ("base", "conversations", "out", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    to = parser.parse_args()
    prompt = profile(to.profile)["abacus"]["prompt"]
    tokenizer = Tokenizer.load(to.base)
    turns = read_turns(to.conversations)
    length = prompt["seq_length"] + 1
    check_room(to.out, len(turns) * length * BYTES)
    tokens, learned, long = [], 0, []
    prompter = Prompter(tokenizer, prompt["template"], prompt["bos"])

    def fitting() -> Iterator[dict[str, np.ndarray]]:
        nonlocal learned
        bar = tqdm(encode(turns, prompter), "mindrecord", len(turns), unit=" rows", file=screen)
        for source, row in zip(turns, bar, strict=True):
            if len(row.input_ids) > length:
                long.append((source.id, len(row.input_ids)))
                continue
            tokens.append(len(row.input_ids))
            learned += sum(label != IGNORED for label in row.labels)
            yield padded(row, length, tokenizer.pad_id)
        if not tokens:
            raise InputError(
                f"{to.conversations}: all {len(turns)} rows are longer than {length} tokens;"
                f" raise abacus.prompt.seq_length in the profile {to.profile}"
            )

    with framework_log(Path("logs/mindrecord.log")) as screen:
        write(to.out, fitting())
        for name, count in long[:SHOWN]:
            print(f"left out: row {name} has {count} tokens, more than {length}", file=screen)
        if long[SHOWN:]:
            print(f"left out: {len(long)} rows in all", file=screen)
    write_json(
        to.metrics,
        {
            "rows": len(turns),
            "written": len(tokens),
            "too_long": len(long),
            "longest": max(tokens + [count for _, count in long]),
            "mean_tokens": sum(tokens) / len(tokens),
            "mean_learned": learned / len(tokens),
            "padding": 1 - sum(tokens) / (len(tokens) * length),
        },
    )


if __name__ == "__main__":
    run(main)
