"""Read a store with pyarrow and with DuckDB and print what each says, as JSON.

Usage: interop.py DIR RECORD_ID DATE HOUR
"""
import json
import sys

import duckdb
import pyarrow.compute as pc
import pyarrow.dataset as ds

root, record_id, date, hour = sys.argv[1:]


def with_pyarrow():
    data = ds.dataset(root, format="parquet", partitioning="hive")
    table = data.to_table()
    found = data.to_table(filter=pc.field("record_id") == record_id)
    at = found.schema.get_field_index("packet_timestamp_in_nanos")
    one = found.set_column(at, found.schema.names[at], found[at].cast("int64")).to_pylist()
    at_hour = data.count_rows(filter=(pc.field("date") == date) & (pc.field("hour") == int(hour)))
    nulls = {name: table[name].null_count for name in table.column_names}
    return {
        "rows": table.num_rows,
        "ids": pc.count_distinct(table["record_id"]).as_py(),
        "at_hour": at_hour,
        "nulls": nulls,
        "types": {f.name: str(f.type) for f in data.schema},
        "bytes": pc.sum(table["frame_length"]).as_py(),
        "row": {k: v.hex() if isinstance(v, bytes) else v for k, v in one[0].items()},
        "found": len(one),
    }


def with_duckdb():
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f"CREATE VIEW p AS SELECT * FROM read_parquet('{root}/**/*.parquet', hive_partitioning = true)")
    types = {name: typ for name, typ, *_ in con.execute("DESCRIBE p").fetchall()}
    columns = ", ".join(f'count(*) - count("{c}")' for c in types)
    nulls = dict(zip(types, con.execute(f"SELECT {columns} FROM p").fetchone()))
    rows, ids, size = con.execute("SELECT count(*), count(DISTINCT record_id), sum(frame_length)::BIGINT FROM p").fetchone()
    at_hour = con.execute(f"SELECT count(*) FROM p WHERE date = '{date}' AND hour = {int(hour)}").fetchone()[0]
    cursor = con.execute("SELECT * REPLACE (epoch_ns(packet_timestamp_in_nanos) AS packet_timestamp_in_nanos) FROM p WHERE record_id = ?", [record_id])
    names = [d[0] for d in cursor.description]
    found = cursor.fetchall()
    row = dict(zip(names, found[0]))
    return {
        "rows": rows, "ids": ids, "at_hour": at_hour, "nulls": nulls, "types": types, "bytes": size,
        "row": {k: v.hex() if isinstance(v, bytes) else v for k, v in row.items()},
        "found": len(found),
    }


print(json.dumps({"pyarrow": with_pyarrow(), "duckdb": with_duckdb()}, default=str))
