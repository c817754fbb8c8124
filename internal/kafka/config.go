package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of Config: what its zero values mean.
const (
	DefaultClientID         = "xcapa"
	DefaultCompression      = "snappy"
	DefaultLinger           = 5 * time.Millisecond
	DefaultMaxBufferedBytes = 64 << 20
	DefaultMaxMessageBytes  = 1_000_012 // Kafka's message.max.bytes less its overhead, as the client has it
	DefaultMaxDecompressed  = 64 << 20
	DefaultRequestTimeout   = 5 * time.Second
	DefaultSessionTimeout   = 10 * time.Second
)

// Config is what producer, consumer and checks share. The zero value plus
// Brokers works: plaintext, snappy, 64 MiB, blocks round-robin.
type Config struct {
	Brokers  []string // host:port; without a port 9092
	ClientID string   // shown in the broker's logs and quotas; "" = DefaultClientID
	TLS      *TLS     // nil: plaintext
	SASL     *SASL    // nil: no authentication

	Compression      string        // none gzip snappy lz4 zstd; "" = DefaultCompression
	Linger           time.Duration // how long the client gathers messages into a request, and workers records into a message; 0 = DefaultLinger, negative = none
	MaxBufferedBytes int64         // keys, values, headers and messageOverhead not yet acknowledged; 0 = DefaultMaxBufferedBytes
	MaxMessageBytes  int           // before compression; a larger message is too_large; 0 = DefaultMaxMessageBytes
	DeliveryTimeout  time.Duration // give a message up after this; 0 = never (MaxBufferedBytes bounds the memory)
	RequestTimeout   time.Duration // of one produce request; short, because a dead leader stops it for so long; 0 = DefaultRequestTimeout
	PartitionBy      PartitionBy   // "" = ByBlock
	CreateTopics     CreateTopics

	GroupID         string        // consumer group where Group.ID is ""
	GroupInstanceID string        // static membership where Group.InstanceID is ""
	Start           Start         // where Group.Start is ""
	SessionTimeout  time.Duration // a silent member loses its partitions after this; 0 = DefaultSessionTimeout, brokers want at least 6 s
	ReadUncommitted bool          // also read what transactions have not committed, or have aborted
	MaxDecompressed int           // bytes one fetched batch may become; 0 = DefaultMaxDecompressed

	Logger *slog.Logger // nil: silent
}

// CreateTopics says whether missing topics may be made, and how.
type CreateTopics struct {
	Allowed    bool
	Partitions int32 // 0 or -1: the broker's own default
	Replicas   int16 // 0 or -1: the broker's own default
}

// PartitionBy chooses the partition of a message.
type PartitionBy string

// The ways to choose a partition.
const (
	ByBlock  PartitionBy = "block"  // round-robin over all partitions, whatever queue a block is from
	ByQueue  PartitionBy = "queue"  // RX queue modulo partitions: a queue's order is kept
	ByFlow   PartitionBy = "flow"   // the first 8 bytes of the key modulo partitions: a flow's order is kept
	ByRandom PartitionBy = "random" // any; records that come together stay together
)

// Start says where to read a partition nobody has committed an offset for, and
// one whose committed offset is gone.
type Start string

// The two ends of a partition.
const (
	StartBegin Start = "begin"
	StartEnd   Start = "end"
)

var (
	compressions = []string{"none", "gzip", "snappy", "lz4", "zstd"}
	partitionBys = []PartitionBy{ByBlock, ByQueue, ByFlow, ByRandom}
	starts       = []Start{StartBegin, StartEnd}
)

// withDefaults is c with every zero value replaced by what it stands for.
func (c Config) withDefaults() Config {
	setDefault(&c.ClientID, DefaultClientID)
	setDefault(&c.Compression, DefaultCompression)
	setDefault(&c.Linger, DefaultLinger)
	setDefault(&c.MaxBufferedBytes, DefaultMaxBufferedBytes)
	setDefault(&c.MaxMessageBytes, DefaultMaxMessageBytes)
	setDefault(&c.RequestTimeout, DefaultRequestTimeout)
	setDefault(&c.PartitionBy, ByBlock)
	setDefault(&c.Start, StartBegin)
	setDefault(&c.SessionTimeout, DefaultSessionTimeout)
	setDefault(&c.MaxDecompressed, DefaultMaxDecompressed)
	c.Linger = max(c.Linger, 0)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate reports every problem of c at once, joined; nil when there is none.
// It reads the files c names but dials nobody.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if len(c.Brokers) == 0 {
		bad("no Kafka broker given: name one as host:port")
	}
	for _, b := range c.Brokers {
		if err := validateBroker(b); err != nil {
			errs = append(errs, err)
		}
	}
	if !slices.Contains(compressions, c.Compression) {
		bad("compression %q is not known: choose one of %s", c.Compression, strings.Join(compressions, ", "))
	}
	if !slices.Contains(partitionBys, c.PartitionBy) {
		bad("partition-by %q is not known: choose block, queue, flow or random", c.PartitionBy)
	}
	if !slices.Contains(starts, c.Start) {
		bad("start %q is not known: choose begin or end", c.Start)
	}
	if c.MaxBufferedBytes < 1<<20 {
		bad("buffer of %d bytes is too small: one block of packets takes up to 1 MiB", c.MaxBufferedBytes)
	}
	if c.MaxMessageBytes < 1024 || c.MaxMessageBytes > 1<<30 {
		bad("message size limit of %d bytes is out of range: 1024 to 1 GiB", c.MaxMessageBytes)
	}
	if c.RequestTimeout < time.Second {
		bad("request timeout %v is too short: give at least 1s", c.RequestTimeout)
	}
	if c.SessionTimeout < time.Second {
		bad("session timeout %v is too short: brokers want at least 6s", c.SessionTimeout)
	}
	if c.DeliveryTimeout != 0 && c.DeliveryTimeout < time.Second {
		bad("delivery timeout %v is too short: give at least 1s, or 0 to never give up", c.DeliveryTimeout)
	}
	if c.TLS != nil {
		_, err := c.TLS.config()
		errs = append(errs, err)
	}
	if c.SASL != nil {
		_, err := c.SASL.mechanism()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func validateBroker(b string) error {
	if b == "" {
		return errors.New("empty broker address: give host:port")
	}
	if strings.Contains(b, "://") {
		return fmt.Errorf("broker address %q: give host:port without a scheme; TLS is security.protocol=ssl", b)
	}
	host, port, err := net.SplitHostPort(b)
	if err != nil {
		if strings.Contains(b, ":") && !strings.HasPrefix(b, "[") && strings.Count(b, ":") == 1 {
			return fmt.Errorf("broker address %q: %w", b, err)
		}
		return nil // a bare name or address: port 9092
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("broker address %q: port %q is not a number from 1 to 65535", b, port)
	}
	if host == "" {
		return fmt.Errorf("broker address %q has no host: give host:port", b)
	}
	return nil
}

// readSecret is the content of a password file without its line end.
func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read password file: %w", err)
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", fmt.Errorf("password file %s is empty", path)
	}
	return s, nil
}
