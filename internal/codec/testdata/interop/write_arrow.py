"""Read a block with pyarrow and write it anew, columns reversed, one more added.

Usage: write_arrow.py FROM TO
"""
import sys

import pyarrow as pa

table = pa.ipc.open_stream(open(sys.argv[1], "rb").read()).read_all()
table = table.select(table.schema.names[::-1]).append_column("note", pa.array(["x"] * len(table)))
with pa.OSFile(sys.argv[2], "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
    writer.write_table(table.combine_chunks())
