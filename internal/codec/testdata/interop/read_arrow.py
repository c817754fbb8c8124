"""Read each block DIR/*.arrow with pyarrow and print types and rows as JSON.

Usage: read_arrow.py DIR
"""
import json
import pathlib
import sys

import pyarrow as pa


def plain(column):
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return [v.hex() if isinstance(v, bytes) else v for v in column.to_pylist()]


answers = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.arrow")):
    table = pa.ipc.open_stream(path.read_bytes()).read_all()
    table.validate(full=True)
    columns = {name: plain(table[name]) for name in table.schema.names}
    answers[path.stem] = {
        "Types": {f.name: str(f.type) for f in table.schema},
        "Rows": [dict(zip(columns, row)) for row in zip(*columns.values())],
    }
json.dump(answers, sys.stdout)
