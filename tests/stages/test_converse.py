"""The conversation file, to the byte."""

import json

from abacus.data.conversation import conversation, converse
from abacus.data.rows import Row

ROWS = [
    {"problem": "计算 2.00 的平方根？", "solution": "计算过程：√2.00 = 1.4142"},
    {"problem": '一 "二"\n', "solution": "\\"},
]
WRITTEN = r"""[
  {
    "id": "1",
    "conversations": [
      {
        "from": "human",
        "value": "计算 2.00 的平方根？"
      },
      {
        "from": "gpt",
        "value": "计算过程：√2.00 = 1.4142"
      }
    ]
  },
  {
    "id": "2",
    "conversations": [
      {
        "from": "human",
        "value": "一 \"二\"\n"
      },
      {
        "from": "gpt",
        "value": "\\"
      }
    ]
  }
]"""


def test_all_rows_are_laid_out_as_json_lays_them_out():
    rows = [
        Row(line, "%s {} \\ " + ROWS[line % 2]["problem"], ROWS[line % 2]["solution"])
        for line in range(5, 17)
    ]
    whole = [conversation(str(number), row.problem, row.solution) for number, row in enumerate(rows, 1)]
    assert "".join(converse(rows)) == json.dumps(whole, ensure_ascii=False, indent=2)
    assert [one["id"] for one in json.loads("".join(converse(rows)))] == [str(n) for n in range(1, 13)]


def test_the_command_writes_the_published_format(stage, write_lines, tmp_path):
    train, out = write_lines(tmp_path / "train.json", *ROWS), tmp_path / "new" / "conversations.json"
    done = stage("converse", "--train", train, "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == WRITTEN.encode()
    assert len(json.loads(WRITTEN)) == 2
