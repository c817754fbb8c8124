package peers

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// sink answers every bulk request at once: each item was created. It counts the
// items and keeps nothing.
func sink(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("sink", flag.ExitOnError)
	portFile := f.String("port-file", "", "file that gets the address")
	_ = f.Parse(args)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := os.WriteFile(*portFile, []byte(l.Addr().String()+"\n"), 0o644); err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	go server.Serve(l)
	<-ctx.Done()
	return server.Close()
}

// What Elasticsearch 8 answers to a bulk, whole and filtered to the status.
const (
	fullHead     = `{"took":12,"errors":false,"items":[`
	fullItem     = `{"create":{"_index":"packets_index.2026.11.23","_id":"000000000000-0-0","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":4711,"_primary_term":1,"status":201}}`
	filteredHead = `{"errors":false,"items":[`
	filteredItem = `{"create":{"status":201}}`
)

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/_bulk"):
		n, err := countItems(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		head, item := fullHead, fullItem
		if r.URL.Query().Has("filter_path") { // who asks for less gets less
			head, item = filteredHead, filteredItem
		}
		b := bufio.NewWriterSize(w, 64<<10)
		b.WriteString(head)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(item)
		}
		b.WriteString("]}")
		b.Flush()
	case r.URL.Path == "/":
		io.WriteString(w, `{"name":"sink","cluster_name":"sink","version":{"number":"8.19.0","build_flavor":"default"},"tagline":"You Know, for Search"}`)
	default: // as to a key that may create documents and nothing else
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"error":{"type":"security_exception","reason":"unauthorized"},"status":403}`)
	}
}

// countItems counts the lines of the body, two an item.
func countItems(r *http.Request) (int, error) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return 0, err
		}
		body = z
	}
	lines := 0
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if err == io.EOF {
			return lines / 2, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
