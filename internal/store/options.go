package store

import (
	"log/slog"
	"time"
)

// Options are the knobs of a Store. The zero value works.
type Options struct {
	// Window is how long a partition's messages gather before they become a
	// file. 0: 60 s. Longer makes fewer, larger files, and a record is visible
	// (and its offset committed) that much later.
	Window time.Duration
	// WindowBytes closes a window earlier: memory of one partition's rows, some
	// 240 bytes each; the file is about a seventh of it. 0: 128 MiB.
	WindowBytes int64
	// MemoryBytes bounds the rows of all partitions together, those being
	// written included; at the bound the largest window is closed and Write
	// waits. 0: twice WindowBytes. What encoding a row group takes comes on top,
	// once for each of Writers.
	MemoryBytes int64
	// Writers is how many files are written at the same time. 0: 2.
	Writers int
	// Level is the zstd level. 0: 1, see the package's benchmark.
	Level int
	// TopicID returns Kafka's id of a topic, in hex (dashes are passed over).
	// It tells the files of a topic from those of an older one of the same
	// name, whose offsets mean nothing now. nil: all files of a name are taken
	// for the topic's, and may be removed when it was created anew.
	TopicID func(topic string) (string, error)
	// Logger gets what a person should know. nil: silent.
	Logger *slog.Logger

	// retryMax bounds the wait between two tries to write a file. Tests only.
	retryMax time.Duration
}

const (
	defaultWindow      = time.Minute
	defaultWindowBytes = 128 << 20
	defaultWriters     = 2
	defaultLevel       = 1
	defaultRetryMax    = 5 * time.Second
	firstRetry         = 100 * time.Millisecond
	sayAgain           = 30 * time.Second // how often a wait for the disk is logged
)

// withDefaults replaces what is zero.
func (o Options) withDefaults() Options {
	if o.Window <= 0 {
		o.Window = defaultWindow
	}
	if o.WindowBytes <= 0 {
		o.WindowBytes = defaultWindowBytes
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = 2 * o.WindowBytes
	}
	if o.Writers <= 0 {
		o.Writers = defaultWriters
	}
	if o.Level == 0 {
		o.Level = defaultLevel
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.retryMax <= 0 {
		o.retryMax = defaultRetryMax
	}
	return o
}
