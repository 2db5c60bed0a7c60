"""Answer any problems with one checkpoint: bare JSON Lines in, the same lines with an answer each out.

    make predict CHECKPOINT=5 INPUT=in.jsonl OUTPUT=out.jsonl [PROFILE=name]

A row is an object with the text `problem`, of any kind; its other keys stay as they are, only `completion` (all
that the model said) and `answer` (its final answer as text, as scoring reads it, or null) are set. A row that
cannot be answered keeps its place, with `line` and `error` instead, is named on standard error, and makes the exit
code 1. Blank lines are no rows: they are left out. Byte order mark and CRLF do no harm here.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from abacus.core.documents import laid_out, not_json
from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.core.params import PATH, section
from abacus.core.quiet import framework_log
from abacus.data.rows import BOM, clip, loads, write_rows
from abacus.inference.answering import Decoder, Predict, complete, how_of, load, problem_prompts
from abacus.pipeline.lock import BASE, check_base, checkpoint_folder
from abacus.profile.load import chosen, profile
from abacus.profile.model import Decode
from abacus.scoring.arithmetic import answer_text
from abacus.text.prompt import Prompter

SHOWN = 10  # faults of rows on the screen; the output says all
SET = ("line", "error", "completion", "answer")  # keys of a row that are written, never read


class Line(NamedTuple):
    """One row: its line number, from 1, its object as far as there is one, and what is wrong with it, if anything."""

    number: int
    row: dict[str, Any]
    fault: str = ""


def read_lines(path: Path) -> list[Line]:
    """Read every line that is not blank; InputError only if the file as a whole cannot be read or holds no row."""
    if path.is_dir():
        raise InputError(path, "is a folder", "a JSON Lines file")
    if not path.exists():
        raise InputError(path, "no such file", "JSON Lines with a 'problem' each")
    whole = path.read_bytes().removeprefix(BOM).split(b"\n")
    lines = [parse(number, raw) for number, raw in enumerate(whole, 1) if raw.strip()]
    if not lines:
        raise InputError(path, "holds no rows", "JSON Lines with a 'problem' each")
    return lines


def check_lines(lines: list[Line], path: Path) -> None:
    """Raise InputError for the lines of a file that is something else than rows, whole."""
    if not lines[0].fault:
        return
    if found := laid_out(path.read_bytes().removeprefix(BOM).decode("utf-8", "replace")):
        raise InputError(path, f"is {found}", "JSON Lines with a 'problem' each", "write one object a line")
    if all(line.fault for line in lines):
        first = f"line {lines[0].number} is the first: {lines[0].fault}"
        raise InputError(path, f"none of {len(lines)} rows can be answered", advice=first)


def parse(number: int, raw: bytes) -> Line:
    """Read one line. An object that could not be written again as UTF-8 JSON is not kept."""
    try:
        text = raw.decode("utf-8")
        row = loads(text)
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeDecodeError as error:
        return Line(number, {}, f"byte {error.start + 1} is not UTF-8, expected a JSON object")
    except UnicodeEncodeError:
        return Line(number, {}, "holds a lone surrogate, which is no character, expected text")
    except json.JSONDecodeError as error:
        return Line(number, {}, f"{not_json(error)}, expected a JSON object: {clip(text)}")
    except RecursionError:
        return Line(number, {}, "nested too deep, expected a JSON object with a 'problem'")
    except ValueError:
        return Line(number, {}, f"holds a number that is too long, or none (NaN, Infinity): {clip(text)}")
    if not isinstance(row, dict):
        return Line(number, {}, f"not a JSON object, expected one with a 'problem': {clip(text)}")
    return Line(number, row, fault_of(row))


def fault_of(row: dict[str, Any]) -> str:
    """Say what is wrong with an object as a row; '' if nothing is."""
    if "problem" not in row:
        return f"key 'problem' is missing: {clip(row)}"
    if not isinstance(row["problem"], str):
        return f"'problem' is {clip(json.dumps(row['problem'], ensure_ascii=False))}, expected text"
    return "" if row["problem"].strip() else "'problem' is blank, expected text"


def check_output(output: Path, source: Path) -> None:
    """Raise InputError for an output that is no file to write, or the input, by whatever name."""
    if output.exists() and not output.is_file():
        raise InputError(output, "is a folder or a device", "a file to write")
    if output.resolve() == source.resolve() or (
        output.exists() and source.exists() and output.samefile(source)
    ):
        raise InputError(output, "is both INPUT and OUTPUT", "another file to write")


def ask(
    lines: Iterable[Line], prompter: Prompter, template: str, limit: int
) -> tuple[list[Line], dict[int, list[int]]]:
    """Return the lines, those whose prompt has more than `limit` tokens with a fault, and the others' prompts."""
    lines = list(lines)
    asked = [line for line in lines if not line.fault]
    prompts = problem_prompts(prompter, [line.row["problem"] for line in asked], template)
    long = {
        line.number: f"its prompt has {len(ids)} tokens, expected at most {limit}: {clip(line.row)}"
        for line, ids in zip(asked, prompts, strict=True)
        if len(ids) > limit
    }
    fit = {line.number: p for line, p in zip(asked, prompts, strict=True) if line.number not in long}
    return [line._replace(fault=long.get(line.number, line.fault)) for line in lines], fit


def result(line: Line, completions: dict[int, tuple[str, bool]]) -> dict[str, Any]:
    """Return what is written for a line."""
    # What an earlier run has set is not this one's: its output may be the input of a second try.
    row = {key: value for key, value in line.row.items() if key not in SET}
    if line.fault:
        return {**row, "line": line.number, "error": line.fault}
    text, ended = completions[line.number]
    return {**row, "completion": text, "answer": answer_text(text, row["problem"], ended)}


def decode(
    prompts: dict[int, list[int]],
    prompter: Prompter,
    decoder: Decoder,
    how: Decode,
    progress: Callable[[int], object],
) -> dict[int, tuple[str, bool]]:
    """Return the completion of each prompt, and whether the model ended it; `how` is a profile's."""
    found = complete(
        decoder,
        prompter,
        list(prompts.values()),
        [()] * len(prompts),
        max_new_tokens=how.math_new_tokens,
        min_new_tokens=how.min_new_tokens,
        progress=progress,
    )
    return {number: (done["completion"], done["ended"]) for number, done in zip(prompts, found, strict=True)}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=int, help="number of one in checkpoints/, 0 is the base model")
    parser.add_argument("--adapter", type=Path, help="folder of one that lies elsewhere")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--profile", help="by default the one in params.yaml")
    parser.add_argument("--base", type=Path, default=BASE, help="folder of the base model")
    parser.add_argument("--params", type=Path, default=PATH)


def main(args: argparse.Namespace) -> None:
    to = args
    check_output(to.output, to.input)
    to.adapter = checkpoint_folder(to.adapter, to.checkpoint)
    how = how_of(profile(to.profile or chosen(to.params)))
    template = section("predict", Predict, to.params).template
    check_base(to.base, to.adapter)
    lines = read_lines(to.input)
    check_lines(lines, to.input)
    # What a prompt may take of the model's positions; the answer needs the others.
    limit = how.llama.max_position_embedding - how.decode.math_new_tokens
    with (
        framework_log(Path("logs/answer.log")) as screen,
        replacing(to.output.resolve()) as part,
    ):  # a link stays one
        prompter, decoder, _ = load(how, to.base, to.adapter, screen, Path("logs/graphs"))
        lines, prompts = ask(lines, prompter, template, limit)
        faults = [line for line in lines if line.fault]
        for line in faults[:SHOWN]:
            print(f"{to.input}, line {line.number}: {line.fault}", file=screen)
        if faults[SHOWN:]:
            print(f"{to.input}: and {len(faults) - SHOWN} rows more", file=screen)
        with tqdm(desc=f"predict {to.adapter.name}", total=len(prompts), unit=" answers", file=screen) as bar:
            completions = decode(prompts, prompter, decoder, how.decode, bar.update)
        write_rows(part, (result(line, completions) for line in lines))
    failed = len(lines) - len(prompts)
    if failed:
        raise InputError(
            to.input, f"{failed} of {len(lines)} rows have no answer", advice=f"{to.output} says which"
        )
    print(f"{to.output}: {len(lines)} answers", file=sys.stderr)
