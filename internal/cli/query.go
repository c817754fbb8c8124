package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/query"
	"xcapa/internal/store"
)

// queryOptions are the flags of query.
type queryOptions struct {
	store       string
	where       string
	last        string
	from, to    string
	columns     []string
	limit       int
	by          []string
	bucket      string
	count       bool
	sum, avg    []string
	max, min    []string
	top         int
	maxGroups   int
	output      string
	utc         bool
	explain     bool
	skipDamaged bool
}

func newQueryCommand(s *streams) *cobra.Command {
	var o queryOptions
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Ask the local Parquet store: rows, groups, sums, series",
		Long: `query reads the Parquet store that 'xcapa run' or 'xcapa index --store' writes,
also while it is being written: what a window of the indexer has closed is there.
Without --by, --bucket or an aggregate it shows packets, in order of time.

Conditions (--where): field, operator, value, joined by and, or, not, ( ).
  =  !=  <  <=  >  >=         dest_port = 443, frame_length >= 1000
  in (a, b), in NETWORK       src_ip in (10.0.0.0/8, 2001:db8::/32)
  between a and b             @timestamp between '2026-11-23 05:38' and '2026-11-23 06:00'
  like PATTERN                capture_interface like 'eth%'
  has FLAGS                   tcp_flags has syn+ack
  is null, is not null        vlan_id is not null
Names stand for numbers: protocol = tcp, ethernet_type = arp, tcp_flags = syn. A
comparison with a field that a packet lacks is never true, as in SQL. The fields:
xcapa fields.`,
		Example: `  xcapa query --last 1h --by src_ip --sum frame_length --top 20
  xcapa query --where 'dest_port = 443 and src_ip in 10.0.0.0/8' --by src_ip,dest_port --sum frame_length --top 20
  xcapa query --where 'tcp_flags has syn and not tcp_flags has ack' --limit 20
  xcapa query --bucket 1m --by protocol -o csv
  xcapa query --where 'decode_status is not null' -o json | jq .decode_status
  xcapa query --count --explain --from '2026-11-23 05:00' --to '2026-11-23 06:00' --utc`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runQuery(cmd.Context(), s, &o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.store, "store", "xcapa-store", "`FOLDER` of the Parquet store")
	f.StringVar(&o.where, "where", "", "only packets for which the `CONDITION` is true")
	f.StringVar(&o.last, "last", "", "only packets of the last `DURATION`: 90s, 15m, 1h, 7d")
	f.StringVar(&o.from, "from", "", "only packets from this `TIME` on: 2026-11-23, '2026-11-23 05:38', ...T05:38:00.5Z, @SECONDS, -15m")
	f.StringVar(&o.to, "to", "", "only packets before this `TIME`")
	f.StringSliceVar(&o.columns, "columns", nil, "`FIELDS` to show of each packet, '*' for all (default: seven in a table, else all)")
	f.IntVar(&o.limit, "limit", -1, "show at most `N` packets, 0: all (default: 100 in a table, else all)")
	f.StringSliceVar(&o.by, "by", nil, "group by these `FIELDS`")
	f.StringVar(&o.bucket, "bucket", "", "group by time in steps of this `DURATION`: a series")
	f.BoolVar(&o.count, "count", false, "count packets (what is done when groups have no other aggregate)")
	f.StringSliceVar(&o.sum, "sum", nil, "sum of these `FIELDS`")
	f.StringSliceVar(&o.avg, "avg", nil, "average of these `FIELDS`")
	f.StringSliceVar(&o.max, "max", nil, "largest value of these `FIELDS`")
	f.StringSliceVar(&o.min, "min", nil, "smallest value of these `FIELDS`")
	f.IntVar(&o.top, "top", -1, "the `N` groups with the largest first aggregate (with --bucket: of each step), 0: all (default: 100 in a table, else all)")
	f.IntVar(&o.maxGroups, "max-groups", 1_000_000, "fail beyond this `NUMBER` of groups; one takes some 100 bytes on each core")
	f.StringVarP(&o.output, "output", "o", "table", "`FORMAT`: table, csv or json")
	f.BoolVar(&o.utc, "utc", false, "times in UTC and not in the local zone, both in and out (JSON is always UTC)")
	f.BoolVar(&o.explain, "explain", false, "say what was read, of how much, and why the rest was not, on standard error")
	f.BoolVar(&o.skipDamaged, "skip-damaged", false, "leave out files and row groups that cannot be read, and count them")
	return cmd
}

func runQuery(ctx context.Context, s *streams, o *queryOptions) error {
	q, err := newQuestion(o, time.Now())
	if err != nil {
		return withCode(exitUsage, err)
	}
	// Columns are garbage by the row group and what lives of groups is small: a
	// rarer collection saves a fifth of the time for some 100 MB.
	if q.grouping != nil && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	started := time.Now()
	d, err := store.OpenFor(o.store, q.store)
	if errors.Is(err, fs.ErrNotExist) {
		return usageErrorf("open store %s: there is no such folder: name the one that 'xcapa run' or 'xcapa index' writes with --store", o.store)
	}
	if err != nil {
		return err
	}
	var report *store.Report
	if q.grouping != nil {
		report, err = q.groups(ctx, s, d)
	} else {
		report, err = q.rows(ctx, s, d)
	}
	if err != nil && !errors.Is(err, errOutputClosed) {
		return err
	}
	for _, damage := range report.Damaged {
		fmt.Fprintf(s.err, "xcapa: left out: %v\n", damage)
	}
	if len(report.Damaged) > 0 {
		fmt.Fprintf(s.err, "xcapa: %d files or row groups could not be read: the answer is without them\n", len(report.Damaged))
	}
	if o.explain {
		explain(s.err, o.store, report, time.Since(started))
	}
	return nil
}

// question is what was asked, understood.
type question struct {
	options  *queryOptions
	expr     *query.Expr // nil: every packet
	store    store.Query
	grouping *query.Grouping // nil: rows
	fields   []*query.Field  // of rows
	style    query.Style
	workers  int
}

func newQuestion(o *queryOptions, now time.Time) (*question, error) {
	q := &question{options: o, workers: runtime.GOMAXPROCS(0)}
	zone := query.Zone{Location: time.Local, Now: now}
	if o.utc {
		zone.Location = time.UTC
	}
	q.style = query.Style{Location: zone.Location, Hex: o.output == "table"}
	switch o.output {
	case "json":
		q.style.Location = time.UTC // @timestamp of a document is UTC
	case "table", "csv":
	default:
		return nil, fmt.Errorf("-o %q: want table, csv or json", o.output)
	}
	var err error
	if q.expr, err = o.condition(zone); err != nil {
		return nil, err
	}
	q.store = store.Query{SkipDamaged: o.skipDamaged, MayMatch: func(b store.Bounds) bool { return q.expr.Verdict(b) != query.None }}
	if q.grouping, err = o.grouping(); err != nil {
		return nil, err
	}
	if q.grouping == nil {
		q.fields, err = o.rowFields()
	}
	return q, err
}

// condition joins --where and the times.
func (o *queryOptions) condition(zone query.Zone) (expr *query.Expr, err error) {
	if o.where != "" {
		if expr, err = query.Parse(o.where, zone); err != nil {
			return nil, fmt.Errorf("--where: %w", err)
		}
	}
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if o.last != "" {
		if o.from != "" || o.to != "" {
			return nil, errors.New("--last stands for --from and --to: give either")
		}
		d, err := query.ParseDuration(o.last)
		if err != nil {
			return nil, fmt.Errorf("--last: %w", err)
		}
		from = zone.Now.Add(-d).UnixNano()
	}
	if o.from != "" {
		if from, _, err = zone.ParseTime(o.from); err != nil {
			return nil, fmt.Errorf("--from: %w", err)
		}
	}
	if o.to != "" {
		if to, _, err = zone.ParseTime(o.to); err != nil {
			return nil, fmt.Errorf("--to: %w", err)
		}
	}
	if from >= to {
		return nil, fmt.Errorf("--from %s is not before --to %s", o.from, o.to)
	}
	if o.last == "" && o.from == "" && o.to == "" {
		return expr, nil
	}
	// The time first: it rules out most and costs least.
	return query.And(query.Between(from, to), expr), nil
}

// grouping is nil where rows are asked for.
func (o *queryOptions) grouping() (*query.Grouping, error) {
	g := &query.Grouping{MaxGroups: o.maxGroups}
	var err error
	if g.By, err = fieldsByName("--by", o.by); err != nil {
		return nil, err
	}
	for _, list := range []struct {
		flag  string
		op    query.Operation
		names []string
	}{{"--sum", query.Sum, o.sum}, {"--avg", query.Average, o.avg}, {"--max", query.Max, o.max}, {"--min", query.Min, o.min}} {
		fields, err := fieldsByName(list.flag, list.names)
		if err != nil {
			return nil, err
		}
		for _, f := range fields {
			a := query.Aggregate{Operation: list.op, Field: f}
			if err := a.Check(); err != nil {
				return nil, fmt.Errorf("%s: %w", list.flag, err)
			}
			g.Aggregates = append(g.Aggregates, a)
		}
	}
	if o.bucket != "" {
		if g.Bucket, err = query.ParseDuration(o.bucket); err != nil || g.Bucket <= 0 {
			return nil, fmt.Errorf("--bucket %q: want a duration above 0, as in 1s, 1m, 1h", o.bucket)
		}
	}
	rows := len(g.By) == 0 && len(g.Aggregates) == 0 && g.Bucket == 0 && !o.count
	switch {
	case rows && o.top >= 0:
		return nil, errors.New("--top is for groups: say which with --by, or show packets with --limit")
	case rows:
		return nil, nil
	case o.columns != nil:
		return nil, errors.New("--columns is for packets, --by and the aggregates are for groups: give either")
	case o.limit >= 0:
		return nil, errors.New("--limit is for packets: groups are cut with --top")
	case o.maxGroups < 1 || o.maxGroups > 1<<31:
		return nil, fmt.Errorf("--max-groups %d: want 1 to %d", o.maxGroups, 1<<31)
	}
	if o.count || len(g.Aggregates) == 0 {
		g.Aggregates = append(g.Aggregates, query.Aggregate{Operation: query.Count})
	}
	return g, nil
}

func fieldsByName(flag string, names []string) (out []*query.Field, err error) {
	for _, name := range names {
		f, err := query.FieldByName(strings.TrimSpace(name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		for _, other := range out {
			if other == f {
				return nil, fmt.Errorf("%s: %s is there twice", flag, f.Name)
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// rowColumns are what a table shows of a packet.
var rowColumns = []string{"@timestamp", "src_ip", "src_port", "dst_ip", "dest_port", "protocol", "frame_length"}

func (o *queryOptions) rowFields() ([]*query.Field, error) {
	names := o.columns
	switch {
	case len(names) == 0 && o.output == "table":
		names = rowColumns
	case len(names) == 0 || len(names) == 1 && names[0] == "*":
		names = query.FieldNames()
	}
	return fieldsByName("--columns", names)
}

// chosen says which rows of a row group are meant; nil: all. n is how many.
func (q *question) chosen(g *store.Group, mask []uint8) (chosen []uint8, n int, err error) {
	if q.expr.Verdict(g) == query.All {
		return nil, g.Rows(), nil
	}
	if cap(mask) < g.Rows() {
		mask = make([]uint8, g.Rows())
	}
	mask = mask[:g.Rows()]
	n, err = q.expr.Match(g, mask)
	return mask, n, err
}

// tableLimit is how much a table shows unless told otherwise.
const tableLimit = 100

// cut is how many rows or groups to show: as told, else all, but for a table.
func (q *question) cut(told int) int {
	switch {
	case told >= 0:
		return told
	case q.options.output == "table":
		return tableLimit
	}
	return 0
}

// groups answers with groups.
func (q *question) groups(ctx context.Context, s *streams, d *store.Dataset) (*store.Report, error) {
	groups := query.NewGroups(q.grouping, q.workers)
	masks := make([][]uint8, q.workers)
	report, err := d.Groups(ctx, q.store, q.workers, func(worker int, g *store.Group) error {
		mask, n, err := q.chosen(g, masks[worker])
		if mask != nil {
			masks[worker] = mask
		}
		if err != nil || n == 0 {
			return err
		}
		return groups.Add(worker, g, mask)
	})
	if err != nil {
		return report, err
	}
	top := q.cut(q.options.top)
	if q.grouping.Bucket > 0 && q.options.top < 0 {
		top = 0
	}
	result, err := groups.Result(top)
	if err != nil {
		return report, err
	}
	out, err := newAnswer(s.out, q.options.output, result.Columns())
	if err != nil {
		return report, err
	}
	var cells []query.Cell
	var buf, line []byte
	for i := range result.Len() {
		cells, buf = result.Row(i, cells[:0], buf[:0], &q.style)
		line = out.line(line[:0], cells)
		if err := out.write(line); err != nil {
			return report, err
		}
	}
	if q.options.top < 0 && result.Len() < result.Found {
		fmt.Fprintf(s.err, "xcapa: the first %d of %d groups; --top 0 shows all\n", result.Len(), result.Found)
	}
	return report, out.end()
}
