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
		b := bufio.NewWriterSize(w, 64<<10)
		b.WriteString(`{"took":1,"errors":false,"items":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`{"create":{"_index":"i","_id":"1","status":201}}`)
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
