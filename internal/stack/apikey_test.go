//go:build stack

package stack

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xcapa/internal/ledger"
)

// A key made from what `index --print-api-key` prints is enough to index with,
// and for nothing else: it can neither read, change nor delete a document, nor
// touch another index. A key for --install-template=false cannot install a
// template either.
func TestLeastPrivilegeAPIKey(t *testing.T) {
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("the server under test has API keys only with a plugin that javac compiles: install a JDK")
	}
	const records = 1000
	p := newPlace(t)
	brokers := p.server(t, "kafka.sh")["XCAPA_TEST_KAFKA"]
	env := p.server(t, "elasticsearch.sh", "--security")
	admin := &elasticsearch{url: env["XCAPA_TEST_ELASTICSEARCH"], place: p, auth: "Basic " + base64.StdEncoding.EncodeToString(
		[]byte(env["XCAPA_TEST_ELASTICSEARCH_USER"]+":"+env["XCAPA_TEST_ELASTICSEARCH_PASSWORD"]))}
	p.xcapa(t, "capture", "-r", writeFile(t, records), "--brokers", brokers, "--topic", topic, "--partitions", "4").wait(t)

	full, writer := newKey(t, admin), newKey(t, admin, "--install-template=false")
	for i, key := range []*apiKey{full, writer} {
		flags := []string{"--brokers", brokers, "--topic", topic, "--group", fmt.Sprint("stack-key-", i),
			"--elasticsearch", admin.url, "--api-key-file", key.file}
		if key == writer {
			flags = append(flags, "--install-template=false") // the first has done so
		}
		s := p.xcapa(t, "index", flags...)
		s.await(t, "all documents", time.Minute, func(l *ledger.Ledger) bool { return room(l, "elastic").Out >= records })
		if r := room(s.end(t), "elastic"); r.Out != records || r.Counts["already_indexed"] != uint64(i*records) {
			t.Errorf("key %d: room %+v; want %d, %d already indexed", i, r, records, i*records)
		}
		if n := admin.count(t, index); n != records {
			t.Fatalf("key %d: %d documents, want %d", i, n, records)
		}
	}

	one := admin.some(t, index)
	document := "/" + one.Index + "/_doc/" + one.ID
	for _, key := range []*apiKey{full, writer} {
		key.refused(t, http.MethodDelete, "/"+one.Index, "")
		key.refused(t, http.MethodDelete, document, "")
		key.refused(t, http.MethodPost, "/"+one.Index+"/_update/"+one.ID, `{"doc":{"protocol":1}}`)
		key.refused(t, http.MethodGet, document, "")
		key.refused(t, http.MethodPost, "/"+one.Index+"/_search", "")
		key.refused(t, http.MethodPut, "/elsewhere/_create/1", `{"a":1}`)
		key.refused(t, http.MethodPost, "/_security/api_key", `{"name":"more"}`)
		key.refusedItem(t, fmt.Sprintf(`{"delete":{"_index":%q,"_id":%q}}`, one.Index, one.ID))
		key.refusedItem(t, fmt.Sprintf(`{"index":{"_index":%q,"_id":%q}}`, one.Index, one.ID)+"\n{}")
	}
	writer.refused(t, http.MethodPut, "/_index_template/packets_index", `{"index_patterns":["packets_index.*"]}`)
	if n := admin.count(t, index); n != records {
		t.Errorf("%d documents after what was refused, want %d", n, records)
	}

	admin.ask(t, http.MethodDelete, "/_security/api_key", map[string]any{"ids": []string{full.ID}}, &map[string]any{})
	cmd := exec.Command(builtBinary(t), "index", "--brokers", brokers, "--topic", topic, "--elasticsearch", admin.url, "--api-key-file", full.file)
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	if err := p.run(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(words.String(), "API key") {
		t.Errorf("with a key that was revoked: %v, %s; want a failure that names the API key", err, words.String())
	}
}

// apiKey is a key, and the server as its holder sees it.
type apiKey struct {
	ID, Encoded string
	file        string
	server      *elasticsearch
}

// newKey makes a key from what the index command prints for flags.
func newKey(t *testing.T, admin *elasticsearch, flags ...string) *apiKey {
	t.Helper()
	request, err := exec.Command(builtBinary(t), append([]string{"index", "--print-api-key"}, flags...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	k := &apiKey{file: filepath.Join(t.TempDir(), "key")}
	admin.ask(t, http.MethodPost, "/_security/api_key", json.RawMessage(request), k)
	if err := os.WriteFile(k.file, []byte(k.Encoded+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.server = &elasticsearch{url: admin.url, place: admin.place, auth: "ApiKey " + k.Encoded}
	return k
}

// refused wants 403 for a whole request.
func (k *apiKey) refused(t *testing.T, method, path, body string) {
	t.Helper()
	if status, text := k.server.send(t, method, path, []byte(body)); status != http.StatusForbidden {
		t.Errorf("%s %s: status %d, want 403: %.300s", method, path, status, text)
	}
}

// refusedItem wants 403 for the one action of a bulk request.
func (k *apiKey) refusedItem(t *testing.T, action string) {
	t.Helper()
	status, text := k.server.send(t, http.MethodPost, "/_bulk", []byte(action+"\n"))
	if status != http.StatusForbidden && !bytes.Contains(text, []byte(`"status":403`)) {
		t.Errorf("bulk %s: status %d, want 403 for it: %.300s", action, status, text)
	}
}

// some is one document of an index.
func (e *elasticsearch) some(t *testing.T, index string) *hit {
	t.Helper()
	var found hits
	e.ask(t, http.MethodPost, "/"+index+"/_search", map[string]any{"size": 1}, &found)
	if len(found.Hits.Hits) != 1 {
		t.Fatalf("no document in %s", index)
	}
	return &found.Hits.Hits[0]
}
