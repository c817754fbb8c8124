package codec

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// TestSkipPlain compares with the plain loop, over strings of the bytes at the
// limits: those looked for, those that differ from them in one bit, and those
// with their top bit set.
func TestSkipPlain(t *testing.T) {
	const alphabet = "\"\\\x1f\x00 !#][Z\x7f\x80\xa2\xdc\xffaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		at := r.IntN(len(b) + 1)
		want := at
		for want < len(b) && b[want] != '"' && b[want] != '\\' && b[want] >= ' ' {
			want++
		}
		if got := skipPlain(b, at); got != want {
			t.Fatalf("%q from %d on: %d, want %d", b, at, got, want)
		}
	}
}

// TestScanStrings: strings with any byte at any place are what encoding/json
// takes them for.
func TestScanStrings(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := range 256 {
				doc := append([]byte(`{"`), bytes.Repeat([]byte{'k'}, n)...)
				doc = append(doc, `":1}`...)
				doc[2+at] = byte(c)
				if got, want := scanObject(doc, func(_, _ []byte) error { return nil }) == nil, json.Valid(doc); got != want {
					t.Fatalf("%q: taken %v, want %v", doc, got, want)
				}
			}
		}
	}
}
