"""Answer any problems with one checkpoint: bare JSON Lines in, the same lines with an answer each out.

    python -m stages.answer [--profile NAME] --base data/base --adapter checkpoints/N --input FILE --output FILE
                                               (make predict CHECKPOINT=N INPUT=FILE OUTPUT=FILE)

A row is an object with the text `problem`, of any kind; its other keys stay as they are, only `completion` (all
that the model said) and `answer` (its final number as text, read as scoring reads it, or null) are set. A row that
cannot be answered keeps its place, with `line` and `error` instead, is named on standard error, and makes the exit
code 1. Blank lines are no rows: they are left out. Byte order mark and CRLF do no harm here.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from stages.command import InputError, replacing, run
from stages.finished import check_base
from stages.model.config import chosen, profile
from stages.model.prompt import Prompter
from stages.model.quiet import framework_log
from stages.params import PATH, section
from stages.predict import Predict, complete, load, problem_prompts
from stages.rows import BOM, clip, loads, write_rows
from stages.scoring.arithmetic import final_number

SET = ("line", "error", "completion", "answer")  # keys of a row that are written, never read


class Line(NamedTuple):
    """One row: its line number, from 1, its object as far as there is one, and what is wrong with it, if anything."""

    number: int
    row: dict[str, Any]
    fault: str = ""


def read_lines(path: Path) -> list[Line]:
    """Read every line that is not blank; InputError only if the file as a whole cannot be read or holds no row."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a JSON Lines file")
    if not path.exists():
        raise InputError(f"{path}: no such file, expected JSON Lines with a 'problem' each")
    whole = path.read_bytes().removeprefix(BOM).split(b"\n")
    lines = [parse(number, raw) for number, raw in enumerate(whole, 1) if raw.strip()]
    if not lines:
        raise InputError(f"{path}: holds no rows, expected JSON Lines with a 'problem' each")
    return lines


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
        fault = f"not JSON ({error.msg.removesuffix(' at')} at character {error.pos + 1})"
        return Line(number, {}, f"{fault}, expected a JSON object: {clip(text)}")
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


def answer_text(completion: str) -> str | None:
    """Return the final number of a completion, a fraction as `p/q`, as scoring reads it; None if there is none."""
    found = final_number(completion)
    if isinstance(found, tuple):
        return "/".join(map(str, found))
    return None if found is None else str(found)


def result(line: Line, completions: dict[int, str]) -> dict[str, Any]:
    """Return what is written for a line."""
    # What an earlier run has set is not this one's: its output may be the input of a second try.
    row = {key: value for key, value in line.row.items() if key not in SET}
    if line.fault:
        return {**row, "line": line.number, "error": line.fault}
    text = completions[line.number]
    return {**row, "completion": text, "answer": answer_text(text)}


def decode(
    prompts: dict[int, list[int]], prompter: Prompter, decoder: Any, how: dict[str, Any], progress: Any
) -> dict[int, str]:
    """Return the completion of each prompt; `how` is a profile's `abacus.decode`."""
    found = complete(
        decoder,
        prompter,
        list(prompts.values()),
        [()] * len(prompts),
        max_new_tokens=how["math_new_tokens"],
        min_new_tokens=how["min_new_tokens"],
        progress=progress,
    )
    return {number: done["completion"] for number, done in zip(prompts, found, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Answer any problems with one checkpoint.")
    parser.add_argument("--profile", help="by default the one in params.yaml")
    for name in ("base", "adapter", "input", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    to = parser.parse_args()
    settings = profile(to.profile or chosen(to.params))
    template = section("predict", Predict, to.params).template
    output = to.output.resolve()  # a link stays one
    if output.exists() and not output.is_file():
        raise InputError(f"{to.output}: is a folder or a device, expected a file to write")
    check_base(to.base, to.adapter)
    lines = read_lines(to.input)
    how = settings["abacus"]["decode"]
    # What a prompt may take of the model's positions; the answer needs the others.
    limit = settings["model"]["model_config"]["max_position_embedding"] - how["math_new_tokens"]
    with framework_log(Path("logs/answer.log")) as screen, replacing(output) as part:
        prompter, decoder, _ = load(settings, to.base, to.adapter, screen)
        lines, prompts = ask(lines, prompter, template, limit)
        for line in lines:
            if line.fault:
                print(f"{to.input}, line {line.number}: {line.fault}", file=screen)
        with tqdm(desc=f"predict {to.adapter.name}", total=len(prompts), unit=" answers", file=screen) as bar:
            completions = decode(prompts, prompter, decoder, how, bar.update)
        write_rows(part, (result(line, completions) for line in lines))
    failed = len(lines) - len(prompts)
    if failed:
        raise InputError(f"{to.input}: {failed} of {len(lines)} rows have no answer; {to.output} says which")
    print(f"{to.output}: {len(lines)} answers", file=sys.stderr)


if __name__ == "__main__":
    run(main)
