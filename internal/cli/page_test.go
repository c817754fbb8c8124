package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/kafka"
	"xcapa/internal/ledger"
	"xcapa/internal/status"
)

func TestEffectiveFlags(t *testing.T) {
	cmd := newCaptureCommand(&streams{})
	for name, value := range map[string]string{"interface": "eth1", "property": "sasl.password=hunter2,x", "brokers": "a:1,b:2"} {
		if err := cmd.Flags().Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]status.Option{}
	for _, o := range effectiveFlags(cmd.Flags()) {
		got[o.Name] = o
		if strings.Contains(o.Value, "hunter2") {
			t.Errorf("--%s shows the password: %s", o.Name, o.Value)
		}
	}
	if list, _ := cmd.Flags().GetStringArray("property"); list[0] != "sasl.password=hunter2,x" {
		t.Errorf("showing the flag changed it: %q", list)
	}
	if o := got["brokers"]; o.Value != "a:1, b:2" || o.Origin != "command line" {
		t.Errorf("brokers %+v", o)
	}
	if o := got["rings"]; o.Value != "4096" || o.Origin != "default" {
		t.Errorf("rings %+v", o)
	}
	if _, ok := got["supervised"]; ok {
		t.Error("a hidden flag is shown")
	}
}

// reportTo makes the reporter of a command with these flags.
func reportTo(t *testing.T, words io.Writer, args ...string) (*reporter, *reportFlags, error) {
	t.Helper()
	var f reportFlags
	cmd := &cobra.Command{Use: "test"}
	f.register(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	rooms := func() []ledger.Room { return []ledger.Room{{Room: "fetch", In: 7, Out: 7}} }
	r, err := newReporter(&streams{out: io.Discard, err: words}, &f, "index", false, rooms)
	if err == nil {
		t.Cleanup(r.closePage)
	}
	return r, &f, err
}

func TestPageOfOneStage(t *testing.T) {
	var words bytes.Buffer
	r, f, err := reportTo(t, &words, "--page", "127.0.0.1:0", "--batch-interval", "4s")
	if err != nil {
		t.Fatal(err)
	}
	f.recorder("index").Batch(status.Batch{Fetched: time.Now(), Topic: "t", Messages: 1, Packets: 7})
	r.say("eth1", "no frame for 5 s")
	url, ok := strings.CutPrefix(strings.TrimSpace(words.String()), "page: ")
	if url, _, _ = strings.Cut(url, "\n"); !ok {
		t.Fatalf("said %q, want where the page is", words.String())
	}
	resp, err := http.Get(url + "api/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct{ Stages []status.Status }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	s := got.Stages[0]
	if s.Stage != "index" || s.Ledger == nil || s.Input() != 7 || s.Totals.Packets != 7 || len(s.Batches) != 1 || s.Interval.Seconds() != 4 ||
		len(s.Problems) != 1 || s.Problems[0].Text != "eth1" || len(s.Options) == 0 {
		t.Errorf("status %+v", s)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("the page outlives the command")
	}
}

func TestNoPageUnlessAsked(t *testing.T) {
	var words bytes.Buffer
	r, _, err := reportTo(t, &words)
	if err != nil {
		t.Fatal(err)
	}
	if r.page != nil || words.Len() > 0 {
		t.Errorf("a page, or %q", words.String())
	}
}

func TestPageAddressTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, _, err := reportTo(t, io.Discard, "--page", l.Addr().String()); err == nil || !strings.Contains(err.Error(), "name another address with --page") {
		t.Errorf("error %v, want what to do", err)
	}
}

func TestPageForAll(t *testing.T) {
	var words bytes.Buffer
	if _, _, err := reportTo(t, &words, "--page", ":0"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(words.String(), "other machines can read it") {
		t.Errorf("said %q, want a note that it is open to all", words.String())
	}
}

func TestStatusFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	r, _, err := reportTo(t, io.Discard, "--status-file", path, "--stage", "index-2", "--quiet")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	s, err := status.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Stage != "index-2" || s.Command != "index" || s.Ledger == nil || !s.Ledger.Final {
		t.Errorf("status %+v", s)
	}
}

type fakeLag struct{ asked chan struct{} }

func (f *fakeLag) Lag(context.Context) ([]kafka.PartitionLag, error) {
	f.asked <- struct{}{}
	return []kafka.PartitionLag{{Topic: "t", Partition: 1, Start: 3, End: 10, Committed: 4, Lag: 6}}, nil
}

func TestWatchLag(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	rec := status.NewRecorder("index", "index", "v", 0)
	f := &fakeLag{asked: make(chan struct{})}
	done := make(chan struct{})
	go func() { watchLag(ctx, f, rec); close(done) }()
	<-f.asked
	for len(rec.Status(nil).Lag) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
	if got, want := rec.Status(nil).Lag[0], (status.Lag{Topic: "t", Partition: 1, End: 10, Committed: 4, Lag: 6}); got != want {
		t.Errorf("lag %+v, want %+v", got, want)
	}
}
