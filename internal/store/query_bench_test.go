package store

import (
	"os"
	"syscall"
	"testing"
	"time"

	"xcapa/internal/query"
)

// BenchmarkQuery asks the three questions of the bench suite, and one about flows, on one core. The
// store is the folder XCAPA_MAKE_STORE (see TestMakeStore), else one of a
// million rows made for it.
func BenchmarkQuery(b *testing.B) {
	dir := os.Getenv("XCAPA_MAKE_STORE")
	if dir == "" {
		dir = b.TempDir()
		makeStore(b, dir, 1_000_000)
	}
	field := func(name string) *query.Field {
		f, err := query.FieldByName(name)
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	for _, c := range []struct {
		name, where string
		grouping    query.Grouping
	}{
		{"count", "tcp_flags has syn and not tcp_flags has ack", query.Grouping{Aggregates: []query.Aggregate{{Operation: query.Count}}}},
		{"group", "", query.Grouping{By: []*query.Field{field("src_ip"), field("dest_port")}, Aggregates: []query.Aggregate{{Operation: query.Sum, Field: field("frame_length")}}}},
		{"flows", "", query.Grouping{By: []*query.Field{field("src_ip"), field("dst_ip"), field("src_port"), field("dest_port")}, Aggregates: []query.Aggregate{{Operation: query.Sum, Field: field("frame_length")}}}},
		{"series", "", query.Grouping{By: []*query.Field{field("protocol")}, Bucket: 100 * time.Millisecond, Aggregates: []query.Aggregate{{Operation: query.Count}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.grouping.MaxGroups = 1_000_000
			var expr *query.Expr
			if c.where != "" {
				var err error
				if expr, err = query.Parse(c.where, query.Zone{Location: time.UTC, Now: time.Now()}); err != nil {
					b.Fatal(err)
				}
			}
			rows, cpu := int64(0), processTime()
			for b.Loop() {
				d, err := Open(dir)
				if err != nil {
					b.Fatal(err)
				}
				groups := query.NewGroups(&c.grouping, 1)
				mask := make([]uint8, rowGroupRows)
				rep, err := d.Groups(b.Context(), Query{}, 1, func(_ int, g *Group) error {
					if expr == nil {
						return groups.Add(0, g, nil)
					}
					if n, err := expr.Match(g, mask[:g.Rows()]); err != nil || n == 0 {
						return err
					}
					return groups.Add(0, g, mask[:g.Rows()])
				})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := groups.Result(20); err != nil {
					b.Fatal(err)
				}
				rows += rep.RowsVisited
			}
			b.ReportMetric(float64(processTime()-cpu)/float64(rows), "cpu-ns/row")
		})
	}
}

// processTime is the CPU time of this process.
func processTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
