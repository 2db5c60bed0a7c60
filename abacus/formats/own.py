"""Put the files of a base model of one's own where stage `base` finds them."""

import os
from pathlib import Path

from tqdm import tqdm

from abacus.core.files import check_room

OWN = Path("data/models")  # a folder a profile
BLOCK = 1 << 24  # bytes
README = "README.md"


def put(files: list[Path], part: Path, folder: Path) -> None:
    """Put the model's files into the new folder `part`: as hard links, or as copies on another disk."""
    part.mkdir()
    if (folder / README).is_file():
        (part / README).write_bytes((folder / README).read_bytes())
    left = []
    for file in files:
        try:
            os.link(file.resolve(), part / file.name)
        except OSError:
            left.append(file)
    needed = sum(file.stat().st_size for file in left)
    check_room(folder, needed)
    with tqdm(desc="copy", total=needed, unit="B", unit_scale=True, delay=0.5) as bar:
        for file in left:
            with file.open("rb") as old, (part / file.name).open("wb") as new:
                while block := old.read(BLOCK):
                    new.write(block)
                    bar.update(len(block))
