"""Rows to ids and labels by `datasets.map` in two processes, written to a folder.

python map_tokens.py rows.jsonl tokenizer.json folder
"""

import shutil
import sys
import tempfile

from datasets import load_dataset
from tokenizers import Tokenizer

EOS, IGNORED = 2, -100


def main(rows, tokenizer, out):
    tokenizer = Tokenizer.from_file(tokenizer)

    def encode(batch):
        questions = tokenizer.encode_batch(
            [text + "\n" for text in batch["problem"]], add_special_tokens=False
        )
        answers = tokenizer.encode_batch(batch["solution"], add_special_tokens=False)
        pairs = [(q.ids, [*a.ids, EOS]) for q, a in zip(questions, answers, strict=True)]
        return {
            "input_ids": [question + answer for question, answer in pairs],
            "labels": [[IGNORED] * len(question) + answer for question, answer in pairs],
        }

    with tempfile.TemporaryDirectory(dir=".") as cache:  # so that no earlier pair's work is taken
        data = load_dataset("json", data_files=rows, split="train", cache_dir=cache)
        data.map(encode, batched=True, num_proc=2, remove_columns=data.column_names).save_to_disk(out)
    shutil.rmtree(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
