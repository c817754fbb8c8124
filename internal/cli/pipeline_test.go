package cli

import (
	"bufio"
	"errors"
	"io"
	"syscall"
	"testing"

	"xcapa/internal/line"
	"xcapa/internal/record"
)

func TestPerWorker(t *testing.T) {
	for _, c := range []struct{ rate, workers, want int }{
		{1000, 1, 1000}, {1000, 8, 125}, {3, 8, 1}, {0, 8, 0}, {-1, 2, 0}, {10, 0, 10},
	} {
		if got := perWorker(c.rate, c.workers); got != c.want {
			t.Errorf("perWorker(%d, %d) = %d, want %d", c.rate, c.workers, got, c.want)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestLinesThatCannotBeWritten: a full disk is a failure of the run, a reader
// that went away is its end.
func TestLinesThatCannotBeWritten(t *testing.T) {
	for _, c := range []struct {
		err    error
		failed bool
	}{{syscall.ENOSPC, true}, {syscall.EPIPE, false}, {io.ErrClosedPipe, false}} {
		ended := 0
		l := &lineWriter{out: bufio.NewWriterSize(failingWriter{c.err}, 16), printer: &line.Printer{}, onClosed: func() { ended++ }}
		for range 3 {
			l.Append(&record.Record{}, nil)
			l.Flush()
		}
		if ended != 1 || errors.Is(l.failed, c.err) != c.failed {
			t.Errorf("%v: ended %d times, failed %v; want once, failed: %v", c.err, ended, l.failed, c.failed)
		}
	}
}

// A silence is told once, however its words change, and the next one again.
func TestSilenceIsToldOnce(t *testing.T) {
	said, told := false, ""
	for _, why := range []string{"", "5 s", "6 s", "7 s", "", "", "5 s", "6 s"} {
		if begins(&said, why) {
			told += why + "; "
		}
	}
	if told != "5 s; 5 s; " {
		t.Errorf("told %q, want the begin of both silences", told)
	}
}
