// Package store keeps records in a directory of Parquet files: what xcapa
// indexes into where there is no Elasticsearch, and what DuckDB, pyarrow,
// Polars and Spark read without us.
//
// In: Store, a destination of the index stage. Messages of one Kafka partition
// gather in memory for a window (60 s or 128 MiB by default), are sorted by
// packet time, and become files. Out: Dataset, which lists the files, counts
// and scans them; it needs no lock and may run beside a writer.
//
// # Layout
//
//	DIR/topic=xcapa.packets/date=2026-11-23/hour=05/
//	    xcapa.packets-3-00000000000000000120-00000000000000000183.parquet
//
// The folders are a Hive partitioning, date and hour (UTC) are packet time: a
// query that names them opens nothing else. A window whose packets lie in two
// hours becomes two files of the same offsets; one whose packets lie in more
// than 48 (a hostile or a very sparse capture file) becomes a single file under
// __HIVE_DEFAULT_PARTITION__, so that no input can make thousands of folders.
// The name holds topic, partition, first and last offset, and behind a dot the
// first 8 digits of Kafka's id of the topic where the caller knows it.
//
// # Protocol
//
// A file is written under DIR/.incoming, synced, renamed to its place, and the
// folder synced; only when that is done for every file of a window are its
// messages settled, and only then can their offsets be committed. What a
// process leaves that dies in between is removed when the partition is assigned
// again: temporary files, and files whose offsets are at or past the committed
// one. So kill -9 neither loses nor doubles a row.
//
// Non-obvious:
//   - The messages of a window are settled last to first. The index stage
//     commits up to the first message that is not settled, so the committed
//     offset steps over a file at once; settled first to last, a commit in
//     between would leave a file that straddles it.
//   - A file that straddles the committed offset all the same (a person reset
//     the group's offsets) is kept and said loudly; the messages it holds are
//     settled without being stored again.
//   - Offsets start at 0 again when a topic is created anew, and with an
//     embedded broker that is every start. Without the topic's id the files of
//     the former topic of that name would look uncommitted and be removed.
//   - A removal is synced too: after a power cut a removed file that comes back
//     would stand beside the one written in its place.
//   - One process writes a directory at a time (a lock the kernel drops when it
//     dies).
//   - Addresses and MACs are text, because people read these files with SQL.
//     With a dictionary that costs nothing: 33.2 bytes a row in the benchmark,
//     33.5 with addresses as 16 bytes.
//   - Two indexers of one group have a directory each. A partition that moves
//     while its owner dies can then leave rows in both: Dataset.Overlaps, or
//     counting record_id, shows it.
package store
