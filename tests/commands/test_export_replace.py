"""An export that is there is written over only when that is asked for."""

import argparse
from pathlib import Path

import pytest

from abacus.commands import export
from abacus.core.errors import InputError


def args(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    export.arguments(parser)
    return parser.parse_args(list(map(str, words)))


def place(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name, encoding="utf-8")
    return folder


@pytest.fixture
def words(tmp_path) -> list[object]:
    return [
        "--adapter",
        tmp_path / "adapter",
        "--profile",
        "none",
        "--base",
        tmp_path / "base",
        "--out",
        tmp_path / "out",
    ]


def test_an_earlier_export_stays_unless_replace_is_given(tmp_path, words):
    out = place(tmp_path / "out", "export.json", "model.ckpt")
    with pytest.raises(InputError) as caught:
        export.main(args(*words))
    assert str(caught.value) == f"{out}: holds an earlier export, expected a new name, or REPLACE=1"
    assert (out / "model.ckpt").read_text(encoding="utf-8") == "model.ckpt"
    with pytest.raises(InputError, match="profile 'none' does not exist"):  # past the question of the place
        export.main(args(*words, "--replace"))


def test_what_is_no_export_stays_even_then(tmp_path, words):
    place(tmp_path / "out", "mine.txt")
    with pytest.raises(InputError, match="out: holds something else than an export, expected a new name"):
        export.main(args(*words, "--replace"))


def test_an_empty_folder_is_a_place(tmp_path, words):
    place(tmp_path / "out")
    with pytest.raises(InputError, match="profile 'none' does not exist"):
        export.main(args(*words))


def test_a_checkpoint_that_is_not_there_is_said_with_those_that_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        (tmp_path / "checkpoints" / str(number)).mkdir(parents=True)
    with pytest.raises(
        InputError, match="CHECKPOINT is 9, expected one of those in checkpoints: 0, 1, 2, 3, 4, 5"
    ):
        export.main(args("--checkpoint", 9))
