package elastic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"xcapa/internal/codec"
	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

func mappings(t *testing.T, dynamic any, change func(map[string]json.RawMessage)) []byte {
	t.Helper()
	var p map[string]json.RawMessage
	if err := json.Unmarshal(record.ElasticProperties(record.SchemaLogisland), &p); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(p)
	}
	b, err := json.Marshal(map[string]any{"dynamic": dynamic, "properties": p})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEnsureTemplate(t *testing.T) {
	const index = "packets_index.2026.11.22"
	for _, tc := range []struct {
		name    string
		prepare func(t *testing.T, s *elastictest.Server)
		install bool
		want    TemplateState
		err     error
		says    string
	}{
		{name: "install", install: true, want: TemplateInstalled},
		{name: "missing", err: ErrTemplate, says: "manage_index_templates"},
		{name: "may_not_look", install: true, want: TemplateUnchecked,
			prepare: func(_ *testing.T, s *elastictest.Server) { s.NoTemplates = true }},
		{name: "may_look_at_nothing", install: true, want: TemplateUnchecked,
			prepare: func(_ *testing.T, s *elastictest.Server) { s.NoTemplates, s.NoMetadata = true, true }},
		{name: "same_index_before", install: true, want: TemplateInstalled,
			prepare: func(t *testing.T, s *elastictest.Server) { s.CreateIndex(index, mappings(t, "strict", nil)) }},
		{name: "dynamic_index_before", install: true, err: ErrMapping, says: "index " + index + ": its mapping is not strict",
			prepare: func(_ *testing.T, s *elastictest.Server) { s.CreateIndex(index, nil) }},
		{name: "dynamic_index_before_and_no_right", install: true, err: ErrMapping, says: "not strict",
			prepare: func(_ *testing.T, s *elastictest.Server) { s.CreateIndex(index, nil); s.NoTemplates = true }},
		{name: "other_type", install: true, err: ErrMapping, says: "field src_ip has the type text, want ip",
			prepare: func(t *testing.T, s *elastictest.Server) {
				s.CreateIndex(index, mappings(t, "strict", func(p map[string]json.RawMessage) { p["src_ip"] = []byte(`{"type":"text"}`) }))
			}},
		{name: "new_field_is_added", install: true, want: TemplateInstalled,
			prepare: func(t *testing.T, s *elastictest.Server) {
				s.CreateIndex(index, mappings(t, "strict", func(p map[string]json.RawMessage) { delete(p, "vlan_id") }))
			}},
		{name: "new_field_may_not_be_added", install: true, err: ErrMapping, says: "index " + index,
			prepare: func(t *testing.T, s *elastictest.Server) {
				s.CreateIndex(index, mappings(t, "strict", func(p map[string]json.RawMessage) { delete(p, "vlan_id") }))
				s.NoTemplates = true
			}},
		{name: "another_index_is_not_ours", install: true, want: TemplateInstalled,
			prepare: func(_ *testing.T, s *elastictest.Server) { s.CreateIndex("packets_index2.2026.11.22", nil) }},
		{name: "opensearch", install: true, err: ErrNotElasticsearch,
			prepare: func(_ *testing.T, s *elastictest.Server) { s.Product = "" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := elastictest.New(t)
			if tc.prepare != nil {
				tc.prepare(t, server)
			}
			client := newTestClient(t, testConfig(server))
			got, err := client.EnsureTemplate(t.Context(), tc.install)
			if !errors.Is(err, tc.err) || (err != nil) != (tc.err != nil) {
				t.Fatalf("EnsureTemplate: %v, want %v", err, tc.err)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tc.says) {
					t.Errorf("says %q, want %q in it", err, tc.says)
				}
				return
			}
			if got != tc.want {
				t.Errorf("state %s, want %s", got, tc.want)
			}
			if tc.want != TemplateInstalled {
				return
			}
			// The second time everything is there, also for a key that may only look.
			if got, err := client.EnsureTemplate(t.Context(), false); got != TemplatePresent || err != nil {
				t.Errorf("the second time: %s, %v, want %s", got, err, TemplatePresent)
			}
		})
	}
}

// TestEnsureTemplateVersions: an older template is replaced, one that is newer
// and fits is left alone, one that does not fit is refused.
func TestEnsureTemplateVersions(t *testing.T) {
	server := elastictest.New(t)
	client := newTestClient(t, testConfig(server))
	put := func(version int, from, to string) {
		t.Helper()
		body := bytes.Replace(TemplateJSON("packets_index", record.SchemaLogisland),
			fmt.Appendf(nil, `"version": %d`, TemplateVersion), fmt.Appendf(nil, `"version": %d`, version), 1)
		body = bytes.Replace(body, []byte(from), []byte(to), 1)
		server.PutTemplate(TemplateName("packets_index"), body)
	}
	put(TemplateVersion-1, `"type": "ip"`, `"type": "keyword"`)
	if _, err := client.EnsureTemplate(t.Context(), false); !errors.Is(err, ErrTemplate) {
		t.Errorf("older, without the right to install: %v, want %v", err, ErrTemplate)
	}
	if got, err := client.EnsureTemplate(t.Context(), true); got != TemplateInstalled || err != nil {
		t.Errorf("older: %s, %v, want %s", got, err, TemplateInstalled)
	}
	put(TemplateVersion+1, "", "")
	if got, err := client.EnsureTemplate(t.Context(), true); got != TemplatePresent || err != nil {
		t.Errorf("newer: %s, %v, want %s", got, err, TemplatePresent)
	}
	put(TemplateVersion+1, `"type": "ip"`, `"type": "keyword"`)
	if _, err := client.EnsureTemplate(t.Context(), true); !errors.Is(err, ErrMapping) {
		t.Errorf("newer with other types: %v, want %v", err, ErrMapping)
	}
}

// TestTemplateVersionGoesWithMapping fails when the mapping was changed and
// TemplateVersion was not: installed templates would not be replaced.
func TestTemplateVersionGoesWithMapping(t *testing.T) {
	const version, sum = 1, 0xfd9873c2
	got := crc32.ChecksumIEEE(record.ElasticProperties(record.SchemaLogisland))
	if TemplateVersion != version || got != sum {
		t.Errorf("TemplateVersion %d, mapping checksum %#x; this test knows %d and %#x: raise TemplateVersion with each released change of the mapping, then note both here",
			TemplateVersion, got, version, uint32(sum))
	}
}

// fillRecord makes r a TCP packet with every field of its kind.
func fillRecord(r *record.Record) {
	r.TimestampNanos, r.OrigLen, r.CapLen, r.Sequence = someDay, 1514, 96, 1<<63-1
	for f := range packet.Field(record.NumFields) {
		r.Present |= 1 << f
	}
	r.Present &^= 1 << packet.FieldStatus
	r.EtherType, r.IPVersion, r.Protocol = 0x0800, 4, 6
	r.TotalLength, r.IPHeaderLen, r.DataOffset = 65535, 60, 15
	r.SequenceNumber, r.AcknowledgmentNumber, r.Window = 1<<32-1, 1<<32-1, 65535
	r.SourceAddress = [16]byte{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1}
	r.DestinationAddress = [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 1}
	r.SourcePort, r.DestinationPort = 65535, 443
	r.TOS, r.TTL, r.NextHeader, r.IPFlags, r.ICMPType, r.ICMPCode = 255, 255, 255, 7, 255, 255
	r.FlowLabel, r.Identification = 1<<20-1, 1<<32-1
	r.IPOptions, r.TCPOptions = []byte{1, 2, 3}, []byte{4, 5, 6}
	r.IPPadding, r.TCPPadding = []byte{0}, []byte{0}
}

// TestDocumentsFitTheTemplate: the stand-in enforces the mapping of the template
// on documents with every field at its largest value, for each schema and status.
func TestDocumentsFitTheTemplate(t *testing.T) {
	for _, schema := range []record.Schema{record.SchemaLogisland, record.SchemaSeed} {
		t.Run(schema.String(), func(t *testing.T) {
			server := elastictest.New(t)
			c := testConfig(server)
			c.JSON = codec.JSONOptions{Schema: schema, CommunityID: schema == record.SchemaLogisland}
			w, dead := newTestWriter(t, c)
			if _, err := w.client.EnsureTemplate(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			var rows []codec.Row
			for status := range packet.NumStatus {
				row := benchRow()
				row.ID = fmt.Appendf(nil, "id-%d", status)
				row.Sequence = uint64(status)
				if status != packet.StatusWhole {
					row.Present |= 1 << packet.FieldStatus
					row.Status, row.StatusLayer = status, packet.LayerTCP
				}
				rows = append(rows, row)
			}
			if err := w.Write(t.Context(), testMessage(0), rows, func() {}); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, f := range dead.failures() {
				t.Errorf("refused: %s: %s\n%s", f.Code, f.Message, f.Document)
			}
			if got := server.Count(); got != len(rows) {
				t.Errorf("%d documents, want %d", got, len(rows))
			}
		})
	}
}
