// Package query is the language of `xcapa query`: conditions on the fields of a
// packet record, groups and sums of them, and the answers as text.
//
// In: an expression (Parse) and tables of rows whose columns are read when they
// are asked for (Table). Out: which rows are meant (Expr.Match), what need not
// be read (Expr.Verdict), groups (Grouper, Result), cells (Vector).
//
//	dest_port = 443 and src_ip in 10.0.0.0/8
//	protocol = udp and not dest_port in (53, 123)
//	tcp_flags has syn and not tcp_flags has ack
//	@timestamp between '2026-11-23 05:38' and '2026-11-23 05:39'
//
// Non-obvious:
//   - A comparison with a field that a packet does not have is neither true nor
//     false, as in SQL: neither `dest_port = 443` nor `not dest_port = 443`
//     finds an ARP packet. So `not` can be pushed down to the comparisons, and
//     what is left has two values only.
//   - Numbers, times and addresses are sets of spans. `not` is the complement,
//     and a row group is skipped when no span meets the bounds of its column.
//   - An `and` stops reading columns when no row is left. Conditions are tried
//     in the order they are written: the rare one first reads least.
//   - A condition looks once at each entry of a row group's dictionary, not at
//     each row: that of a row is looked up.
//   - Groups are counted by the row group: keys are codes, a combination of
//     codes is a place of an array, and a place becomes a group at the end. So
//     the hash table of all groups is asked once for each group of a row group.
package query
