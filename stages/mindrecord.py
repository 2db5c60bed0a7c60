"""Turn conversations into the MindRecord that training reads.

    python -m stages.mindrecord --profile data/profile --base data/base --conversations data/train-v2-conversation.json
        --test data/math-test.jsonl --squad data/reading/reading-v1.1.json
        --out data/train-v2.mindrecord --metrics metrics/mindrecord.json

Fields `input_ids` and `labels`, int32, each of shape (seq_length + 1,), or those of abacus/text/packing.py where rows
share sequences (`abacus.prompt.packing` of the profile). Rows that ask what the evaluation asks are
counted and left out (`inputs.overlap`). A row that would be cut is left out too, for a cut answer teaches a wrong
one; if these are more than a few, the stage stops. The same input gives the same bytes under the same name, which is inside.
"""

import functools
import gc
from pathlib import Path

from tqdm import tqdm

from abacus.core.documents import write_json
from abacus.core.files import check_room
from abacus.core.options import Options, positive
from abacus.core.params import PATH, section
from abacus.core.process import run
from abacus.core.quiet import framework_log
from abacus.core.workers import cores, workers
from abacus.data.conversation import about, spans
from abacus.data.inputs import Inputs, given
from abacus.formats.mindrecord import BYTES, write
from abacus.profile.concerns import PROMPT, read
from abacus.profile.model import Prompt
from abacus.text.encode import Fitting
from abacus.text.packing import Layout
from abacus.text.spans import Rows, Source, encoded
from abacus.text.tokenizer import specials


def main() -> None:
    parser = Options("python -m stages.mindrecord", __doc__)
    for name in ("profile", "base", "conversations", "test", "squad", "out", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    parser.add_argument("--processes", type=positive, default=cores(), help="any gives the same outputs")
    to = parser.parse_args()
    gc.disable()  # there are hundreds of thousands of objects, MindSpore's own too, and hardly a cycle
    prompt = read(to.profile / PROMPT, Prompt)
    *_, pad = specials(to.base)
    inputs, foreign = section("inputs", Inputs, to.params), given(to.params).get("mindrecord")
    source = Source(to.conversations, to.test, to.squad, to.profile, to.base, inputs.overlap == "drop")
    length, total = prompt.seq_length + 1, about(to.conversations)
    check_room(to.out, total * length * BYTES)  # packed, it is less
    rows = Rows(to.conversations, Fitting(length, prompt.packing.learned if prompt.packing else None))
    layout = Layout(prompt, pad)
    with framework_log(Path("logs/mindrecord.log")) as screen, workers(to.processes, busy=True) as ordered:
        parts = ordered(functools.partial(encoded, source=source), spans(to.conversations))
        with tqdm(desc="mindrecord", total=total, unit=" rows", file=screen) as bar:
            write(to.out, layout.arrays(rows.of(parts, bar.update)), layout.fields)
            bar.total = bar.n
        # What is trained on is not what was measured here: its rows are tokens, and their text is gone.
        unknown = f"not known, inputs.mindrecord is {foreign[0]}, whose rows are tokens" if foreign else ""
        print(f"overlap: {unknown}" if unknown else rows.overlap, file=screen)
        for line in rows.fitting.left_out():
            print(line, file=screen)
    figures = {"rows": rows.overlap.rows} | rows.fitting.figures(layout.sequences)
    write_json(to.metrics, figures | ({} if foreign else rows.overlap.figures()))


if __name__ == "__main__":
    run(main)
