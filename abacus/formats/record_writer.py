"""MindRecord's writer, which asks once what it writes: its own asks the header anew for every array of every row."""

import functools
from typing import Any

from mindspore.mindrecord import FileWriter
from mindspore.mindrecord.core.shardheader import ShardHeader


class Header(ShardHeader):
    """A header whose schema is complete when it is first asked for."""

    @functools.cached_property
    def schema(self) -> Any:
        """The fields, each with its type and shape."""
        return super().schema

    @functools.cached_property
    def blob_fields(self) -> Any:
        """The names of those that are arrays."""
        return super().blob_fields


class Writer(FileWriter):
    """A writer of one file."""

    def __init__(self, file_name: str) -> None:
        super().__init__(file_name, shard_num=1)
        self._header = Header()
