package message

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// TestBundle: what is appended comes out again, also of a bundle that its records
// were moved to, and of a buffer that held others.
func TestBundle(t *testing.T) {
	type in struct {
		millis     int64
		key, value []byte
		headers    []Header
	}
	var all []in
	for i := range 3000 {
		r := in{1_790_000_000_000 + int64(i%500)*int64(i%3-1), fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{byte(i)}, i%300), nil}
		if i%4 == 0 {
			r.key = nil
		}
		for h := range i % 3 {
			r.headers = append(r.headers, Header{Key: fmt.Sprint("header ", h), Value: r.value})
		}
		all = append(all, r)
	}
	var b, moved Bundle
	b.Reset(bytes.Repeat([]byte{0xff}, 1<<20))
	moved.Reset(nil)
	for _, r := range all {
		before := len(b.Bytes)
		size := len(r.key) + len(r.value)
		for _, h := range r.headers {
			size += len(h.Key) + len(h.Value)
		}
		if b.Append(r.millis, r.key, r.value, r.headers); len(r.headers) < 2 && len(b.Bytes)-before > size+recordFrame {
			t.Fatalf("a record of %d bytes takes %d, Fits thinks of %d", size, len(b.Bytes)-before, size+recordFrame)
		}
	}
	if err := b.Each(moved.AppendRecord); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes, moved.Bytes) {
		t.Error("records that were moved are not the same bytes")
	}
	latest := slices.MaxFunc(all, func(a, b in) int { return int(a.millis - b.millis) }).millis
	for _, b := range []*Bundle{&b, &moved} {
		if b.Count != len(all) || b.First != all[0].millis || b.Last != latest {
			t.Errorf("%d records from %d to %d, want %d from %d to %d", b.Count, b.First, b.Last, len(all), all[0].millis, latest)
		}
		i := 0
		err := b.Each(func(r *Record) {
			want := all[i]
			i++
			headers := r.AppendHeaders(nil)
			if r.Millis != want.millis || !bytes.Equal(r.Key, want.key) || (r.Key == nil) != (want.key == nil) || !bytes.Equal(r.Value, want.value) ||
				!slices.EqualFunc(headers, want.headers, func(a, b Header) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }) {
				t.Fatalf("record %d is %+v with %v, want %+v", i-1, r, headers, want)
			}
		})
		if err != nil || i != len(all) {
			t.Errorf("%d records came, %v, want %d", i, err, len(all))
		}
	}
}

// TestBundleDamaged: bytes that are no records are an error at worst.
func TestBundleDamaged(t *testing.T) {
	var whole Bundle
	whole.Reset(nil)
	for range 3 {
		whole.Append(1, []byte("key"), []byte("value"), []Header{{Key: "h", Value: []byte("x")}})
	}
	for at := BundleRoom; at < len(whole.Bytes); at++ {
		for _, damage := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			b := whole
			b.Bytes = bytes.Clone(whole.Bytes)
			b.Bytes[at] = damage
			_ = b.Each(func(r *Record) { r.AppendHeaders(nil) })
			b.Bytes = b.Bytes[:at]
			_ = b.Each(func(r *Record) { r.AppendHeaders(nil) })
		}
	}
}

func TestFlowPartition(t *testing.T) {
	for _, tt := range []struct {
		key  string
		n    int
		want int
	}{
		{"\x00\x00\x00\x00\x00\x00\x00\x11", 12, 5},
		{"\x00\x00\x00\x00\x00\x00\x00\x11 and more", 12, 5},
		{"\xff\xff\xff\xff\xff\xff\xff\xff", 7, 1}, // 2^64-1 mod 7
		{"seven b", 12, -1},
		{"", 12, -1},
	} {
		if got := FlowPartition([]byte(tt.key), tt.n); got != tt.want {
			t.Errorf("key %q of %d partitions: %d, want %d", tt.key, tt.n, got, tt.want)
		}
	}
}
