package message_test

import (
	"fmt"
	"testing"

	"xcapa/internal/message"
)

// lent are records that make their messages in the room of the reader's headers,
// as the client's do; message i has headers[i] of them.
type lent struct{ headers []int }

func (l lent) Len() int                   { return len(l.headers) }
func (l lent) Offset(i int) int64         { return int64(i) }
func (l lent) Head(n int) message.Records { return lent{l.headers[:n]} }
func (l lent) Release()                   {}
func (l lent) Read(i int, m *message.Message) {
	headers := m.Headers[:0]
	for n := range l.headers[i] {
		headers = append(headers, message.Header{Key: fmt.Sprintf("%d.%d", i, n)})
	}
	*m = message.Message{Offset: int64(i), Headers: headers}
}

// TestAll: the messages of a batch do not share the room of their headers,
// however many each has.
func TestAll(t *testing.T) {
	for _, headers := range [][]int{{}, {0, 0, 0}, {1, 1, 1, 1}, {2, 0, 1, 2, 5, 1}, {0, 3, 1}, {1, 2, 3, 0, 1}} {
		b := message.Batch{Records: lent{headers}}
		all := b.All()
		if len(all) != len(headers) || b.Len() != len(headers) {
			t.Fatalf("%v: %d messages of %d", headers, len(all), b.Len())
		}
		for i, m := range all {
			if m.Offset != int64(i) || len(m.Headers) != headers[i] {
				t.Fatalf("%v: message %d is %+v", headers, i, m)
			}
			for n, h := range m.Headers {
				if h.Key != fmt.Sprintf("%d.%d", i, n) {
					t.Errorf("%v: header %d of message %d is %q", headers, n, i, h.Key)
				}
			}
		}
	}
	if n := (&message.Batch{}).Len(); n != 0 || len((&message.Batch{}).All()) != 0 {
		t.Errorf("a batch without records has %d messages", n)
	}
}
