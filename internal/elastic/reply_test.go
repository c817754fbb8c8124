package elastic

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestReplyParse(t *testing.T) {
	cases := []struct {
		name   string
		reply  string
		n      int
		status []int // nil: an error is wanted
		plain  bool
		errors map[int]itemError
	}{
		{"plain", `{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":200}}]}`, 2, []int{201, 200}, true, nil},
		{"none", `{"errors":false,"items":[]}`, 0, []int{}, true, nil},
		{"unfiltered", `{"took":3,"errors":false,"items":[{"create":{"_index":"i","_id":"a","status":201}}]}`, 1, []int{201}, false, nil},
		{"conflict", `{"errors":true,"items":[{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"r"}}}]}`, 1,
			[]int{409}, false, map[int]itemError{0: {"version_conflict_engine_exception", "r"}}},
		{"second_bad", `{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"error":{"type":"t"}}}]}`, 2,
			[]int{201, 400}, false, map[int]itemError{1: {"t", ""}}},
		{"one_short", `{"errors":false,"items":[{"create":{"status":201}}]}`, 2, nil, true, nil},
		{"one_more", `{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}`, 1, nil, true, nil},
		{"no_items", `{"errors":false}`, 1, nil, false, nil},
		{"empty", ``, 1, nil, false, nil},
		{"html", `<html>`, 1, nil, false, nil},
		{"truncated", `{"errors":false,"items":[{"create":{"status":201}}`, 1, nil, false, nil},
		{"missing_comma", `{"errors":false,"items":[{"create":{"status":201}}{"create":{"status":201}}]}`, 2, nil, false, nil},
		{"status_0", `{"errors":false,"items":[{"create":{}}]}`, 1, nil, false, nil},
		{"status_negative", `{"errors":false,"items":[{"create":{"status":-1}}]}`, 1, nil, false, nil},
		{"null_item", `{"errors":false,"items":[null]}`, 1, nil, false, nil},
		{"two_actions", `{"errors":false,"items":[{"create":{"status":201},"index":{"status":400}}]}`, 1, nil, false, nil},
	}
	r := reply{status: []int{7}, errors: map[int]itemError{0: {"old", ""}}} // used before
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			err := r.parse([]byte(tc.reply), tc.n)
			if (err != nil) != (tc.status == nil) {
				t.Fatalf("parse: %v, want an error: %v", err, tc.status == nil)
			}
			if err == nil && (fmt.Sprint(r.status) != fmt.Sprint(tc.status) || len(r.errors) != len(tc.errors) ||
				len(tc.errors) > 0 && !reflect.DeepEqual(r.errors, tc.errors)) {
				t.Errorf("got %v %v, want %v %v", r.status, r.errors, tc.status, tc.errors)
			}
			r.status = r.status[:0]
			if got := r.parsePlain([]byte(tc.reply)); got != tc.plain {
				t.Errorf("parsePlain %v, want %v", got, tc.plain)
			}
		})
	}
}

// FuzzReply: no reply makes parse panic, and the fast reader says what the
// general one says.
func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}`), 2)
	f.Add([]byte(`{"errors":true,"items":[{"create":{"status":429,"error":{"type":"a","reason":"b"}}}]}`), 1)
	f.Add([]byte(`{"errors":false,"items":[{"create":{"status":2/1}}]}`), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		var fast, slow reply
		err := fast.parse(b, n)
		if err == nil && len(fast.status) != n {
			t.Fatalf("%d statuses for %d items without an error", len(fast.status), n)
		}
		fast.status = fast.status[:0]
		if fast.parsePlain(b) {
			if err := slow.parseAny(b); err != nil || fmt.Sprint(slow.status) != fmt.Sprint(fast.status) {
				t.Fatalf("parsePlain %v, parseAny %v %v", fast.status, slow.status, err)
			}
		}
	})
}

func TestOutcomes(t *testing.T) {
	for _, tc := range []struct {
		status int
		kind   string
		want   outcome
	}{
		{200, "", indexed}, {201, "", indexed},
		{409, "version_conflict_engine_exception", already},
		{429, "es_rejected_execution_exception", again}, {429, "cluster_block_exception", again},
		{500, "", again}, {502, "", again}, {503, "unavailable_shards_exception", again},
		{403, "cluster_block_exception", again}, {403, "security_exception", again},
		{400, "index_closed_exception", again}, {400, "validation_exception", again}, {404, "index_not_found_exception", again},
		{400, "document_parsing_exception", refused}, {400, "strict_dynamic_mapping_exception", refused},
		{400, "", refused}, {413, "", refused}, {403, "something_else", refused},
		{100, "", again}, {302, "", again},
	} {
		if got := itemOutcome(tc.status, tc.kind); got != tc.want {
			t.Errorf("item %d %s: outcome %d, want %d", tc.status, tc.kind, got, tc.want)
		}
	}
	for _, tc := range []struct {
		e    StatusError
		want outcome
	}{
		{StatusError{Status: 413}, tooLarge},
		{StatusError{Status: 429}, overload},
		{StatusError{Status: 500}, unknown}, {StatusError{Status: 503}, unknown}, {StatusError{Status: 408}, unknown},
		{StatusError{Status: 400, Genuine: true}, malformed},
		{StatusError{Status: 400}, denied}, // a proxy says so: nothing is thrown away for it
		{StatusError{Status: 401}, denied}, {StatusError{Status: 403, Genuine: true}, denied}, {StatusError{Status: 404}, denied},
		{StatusError{Status: 301}, denied},
	} {
		if got := wholeOutcome(&tc.e); got != tc.want {
			t.Errorf("whole %d (genuine %v): outcome %d, want %d", tc.e.Status, tc.e.Genuine, got, tc.want)
		}
	}
}

func BenchmarkReplyParse(b *testing.B) {
	const n = 5000
	plain := []byte(`{"errors":false,"items":[` + strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, n), ",") + `]}`)
	for name, fn := range map[string]func(*reply) error{
		"plain": func(r *reply) error { return r.parse(plain, n) },
		"any":   func(r *reply) error { r.status = r.status[:0]; return r.parseAny(plain) },
	} {
		b.Run(name, func(b *testing.B) {
			var r reply
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if err := fn(&r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
