"""Turn conversations into the MindRecord that training reads.

    python -m stages.mindrecord --profile data/profile --base data/base --conversations data/train-v2-conversation.json
        --test data/math-test.jsonl --squad data/reading/reading-v1.1.json
        --out data/train-v2.mindrecord --metrics metrics/mindrecord.json

Fields `input_ids` and `labels`, int32, each of shape (seq_length + 1,), or those of abacus/text/packing.py where rows
share sequences (`abacus.prompt.packing` of the profile). Rows that ask what the evaluation asks are
counted and left out (`inputs.overlap`). A row that would be cut is left out too, for a cut answer teaches a wrong
one; if these are more than a few, the stage stops. The same input gives the same bytes.
"""

from pathlib import Path

from tqdm import tqdm

from abacus.core.documents import write_json
from abacus.core.errors import InputError
from abacus.core.files import check_room
from abacus.core.options import Options
from abacus.core.params import PATH, section
from abacus.core.process import run
from abacus.core.quiet import framework_log
from abacus.data.conversation import read_turns
from abacus.data.inputs import Inputs, given
from abacus.data.overlap import Asked, without
from abacus.data.rows import read_rows
from abacus.data.squad import read_questions
from abacus.formats.mindrecord import BYTES, write
from abacus.profile.concerns import PROMPT, read
from abacus.profile.model import Prompt
from abacus.text.encode import Fitting
from abacus.text.packing import Layout
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer


def main() -> None:
    parser = Options("python -m stages.mindrecord", __doc__)
    for name in ("profile", "base", "conversations", "test", "squad", "out", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    to = parser.parse_args()
    prompt = read(to.profile / PROMPT, Prompt)
    tokenizer = Tokenizer.load(to.base)
    turns = read_turns(to.conversations)
    inputs, foreign = section("inputs", Inputs, to.params), given(to.params).get("mindrecord")
    problems = (row.problem for row in read_rows(to.test, keys=("problem",)))
    kept, overlap = without(turns, Asked(problems, read_questions(to.squad)), inputs.overlap == "drop")
    if not kept:
        raise InputError(
            to.conversations, f"all {len(turns)} rows ask what the evaluation asks", "other rows"
        )
    length, packing = prompt.seq_length + 1, prompt.packing
    check_room(to.out, len(kept) * length * BYTES)  # packed, it is less
    prompter = Prompter(tokenizer, prompt.template, prompt.bos)
    rows = Fitting(kept, prompter, length, packing.learned if packing else None)
    layout = Layout(prompt, tokenizer.pad_id)
    with framework_log(Path("logs/mindrecord.log")) as screen:
        # What is trained on is not what was measured here: its rows are tokens, and their text is gone.
        unknown = (
            f"overlap: not known, inputs.mindrecord is {foreign[0]}, whose rows are tokens" if foreign else ""
        )
        print(unknown or overlap, file=screen)
        bar = tqdm(desc="mindrecord", total=len(kept), unit=" rows", file=screen)
        with bar:
            write(to.out, layout.arrays(rows.rows(to.conversations, bar.update)), layout.fields)
        for line in rows.left_out():
            print(line, file=screen)
    figures = {"rows": len(turns)} | rows.figures(layout.sequences) | ({} if foreign else overlap.figures())
    write_json(to.metrics, figures)


if __name__ == "__main__":
    run(main)
