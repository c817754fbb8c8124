//go:build interop

package store

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"xcapa/internal/query"
)

// conditions are the same in the language of queries and in DuckDB's SQL; ""
// where they are written alike.
var conditions = []struct{ where, sql string }{
	{"dest_port = 443", ""},
	{"not dest_port = 443", ""},
	{"dest_port != 443 or dest_port is null", ""},
	{"dest_port in (53, 80) and frame_length > 1000", ""},
	{"not (dest_port in (53, 80) and frame_length > 1000)", ""},
	{"dest_port not in (53, 80) or ip_version = 6", ""},
	{"not (protocol = udp or vlan_id is not null)", "not (protocol = 17 or vlan_id is not null)"},
	{"src_ip in 10.0.0.0/8", "src_ip like '10.%'"},
	{"src_ip not in (10.0.0.0/8, 192.168.0.0/16)", "not (src_ip like '10.%' or src_ip like '192.168.%')"},
	{"src_ip in 2001:db8::/32", "src_ip like '2001:db8:%'"},
	{"src_ip = 2001:0db8::0000:10 or dst_ip like '192.168.1.%'", "src_ip = '2001:db8::10' or dst_ip like '192.168.1.%'"},
	{"src_mac = 02-00-00-00-00-03", "src_mac = '02:00:00:00:00:03'"},
	{"tcp_flags has ack", "tcp_flags & 16 = 16"},
	{"not tcp_flags has ack or tcp_window_size < 100", "not (tcp_flags & 16 = 16) or tcp_window_size < 100"},
	{"decode_status = truncated", "decode_status = 'truncated'"},
	{"arp_target_ip in 10.0.0.0/25", "split_part(arp_target_ip, '.', 4)::int < 128"},
	{"tcp_sequence_number >= 0x80000000", "tcp_sequence_number >= 2147483648"},
	{"capture_queue = 3 and capture_sequence between 100 and 1999", ""},
	{"ip_identification < 100 or ip_identification > 65000", ""},
	{"@timestamp between '2026-11-23 06:00' and '2026-11-23 06:29:59.5'", "packet_timestamp_in_nanos >= '2026-11-23 06:00+00' and packet_timestamp_in_nanos < '2026-11-23 06:29:59.6+00'"},
	{"record_time >= 1795413600123", "epoch_ms(packet_timestamp_in_nanos::timestamptz) >= 1795413600123"},
	{"record_id like '%-3-1%7'", ""},
}

// DuckDB finds as many rows, from the files themselves.
func TestOtherProgramsAgreeOnConditions(t *testing.T) {
	py := python(t)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	assign(t, s, "xcapa.packets", 0, 0)
	g := newGenerator(1, 3)
	g.step = int64(time.Second) / 2 // 20,000 rows span three hours
	for o := range int64(20) {
		if err := s.Write(t.Context(), testMessage("xcapa.packets", 0, o), g.block(1000), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	var sql []string
	var exprs []*query.Expr
	for _, c := range conditions {
		e, err := query.Parse(c.where, query.Zone{Location: time.UTC, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if c.sql == "" {
			c.sql = c.where
		}
		sql, exprs = append(sql, c.sql), append(exprs, e)
	}
	script := `import duckdb, json, sys
c = duckdb.connect(); c.execute("set timezone='UTC'")
print(json.dumps([c.execute("select count(*) from read_parquet('" + sys.argv[1] + "/**/*.parquet') where " + w).fetchone()[0] for w in json.load(sys.stdin)]))`
	cmd := exec.Command(py, "-c", script, filepath.ToSlash(dir))
	in, _ := json.Marshal(sql)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []int64
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	for i, e := range exprs {
		q := Query{MayMatch: func(b Bounds) bool { return e.Verdict(b) != query.None }}
		d, err := OpenFor(dir, q)
		if err != nil {
			t.Fatal(err)
		}
		var got atomic.Int64
		_, err = d.Groups(t.Context(), q, 2, func(_ int, g *Group) error {
			n, err := e.Match(g, make([]uint8, g.Rows()))
			got.Add(int64(n))
			return err
		})
		if err != nil || got.Load() != want[i] {
			t.Errorf("%s: %d rows, %v; DuckDB has %d for %s", conditions[i].where, got.Load(), err, want[i], sql[i])
		}
		if want[i] == 0 || want[i] == 20_000 {
			t.Errorf("%s: %d of 20000 rows tell nothing", conditions[i].where, want[i])
		}
	}
}
