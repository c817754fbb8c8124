package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// The demo's page shows its stages while they run, and goes with them.
func TestDemoPage(t *testing.T) {
	testnet.RequireRoot(t)
	var words syncBuffer
	cmd := exec.Command(binary, "demo", "--pps", "1500", "--page", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	cmd.Stderr = &words
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	var url string
	await(t, 10*time.Second, "the demo says where its page is", func() bool {
		_, rest, ok := strings.Cut(words.String(), "page: ")
		url, _, _ = strings.Cut(rest, "\n")
		return ok && strings.HasSuffix(url, "/")
	})
	await(t, 15*time.Second, "both stages are ready", func() bool {
		code, _ := fetch(url + "readyz")
		return code == http.StatusOK
	})
	var l ledger.Ledger
	await(t, 15*time.Second, "packets have passed all rooms", func() bool {
		_, body := fetch(url + "api/ledger")
		return json.Unmarshal([]byte(body), &l) == nil && len(l.Rooms) == 7 && l.Rooms[6].Out > 0
	})
	if l.Command != "demo" || !l.Balanced || l.Rooms[0].Room != "xdp" || l.Rooms[6].Room != "parquet" {
		t.Errorf("ledger %+v", l)
	}
	await(t, 15*time.Second, "batches, lag and a history are there", func() bool {
		var all struct{ Stages []status.Status }
		_, body := fetch(url + "api/status")
		if json.Unmarshal([]byte(body), &all) != nil || len(all.Stages) != 2 {
			return false
		}
		index := all.Stages[1]
		var series map[string][]status.Point
		_, history := fetch(url + "api/history")
		return index.Totals.Batches > 0 && len(index.Batches) > 0 && len(index.Lag) == 4 &&
			json.Unmarshal([]byte(history), &series) == nil && len(series["capture"]) > 0 && series["capture"][0].Rate > 0
	})
	if _, page := fetch(url + "streaming/"); !strings.Contains(page, "Recent batches") || !strings.Contains(page, "capture0") {
		t.Errorf("the page lacks batches or the interface:\n%s", page)
	}
	if _, metrics := fetch(url + "metrics"); !strings.Contains(metrics, `xcapa_xdp_in_packets_total{stage="capture"}`) || !strings.Contains(metrics, `xcapa_kafka_lag_messages{partition="0",stage="index"`) {
		t.Errorf("metrics lack a room or the lag:\n%s", metrics)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-done:
	case <-time.After(40 * time.Second):
		t.Fatalf("the demo did not end:\n%s", words.String())
	}
	if code, _ := fetch(url); code != 0 {
		t.Error("the page outlives the demo")
	}
}

// fetch gets a page; code 0: nobody answers.
func fetch(url string) (code int, body string) {
	return get(&http.Transport{}, url)
}

// fetchFrom is fetch from inside end.
func fetchFrom(end *veth.End, url string) (code int, body string) {
	return get(&http.Transport{DialContext: func(_ context.Context, network, addr string) (conn net.Conn, err error) {
		err = end.Do(func() error { conn, err = net.DialTimeout(network, addr, 5*time.Second); return err })
		return conn, err
	}}, url)
}

func get(by *http.Transport, url string) (code int, body string) {
	defer by.CloseIdleConnections()
	resp, err := (&http.Client{Timeout: 5 * time.Second, Transport: by}).Get(url)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}
