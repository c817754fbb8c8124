package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// Defaults of Config.
const (
	DefaultPartitions = 4
	DefaultLimit      = 512 << 20
	DefaultTrimEvery  = time.Second

	minLimit = 96 << 20
)

// Config says how Run serves.
type Config struct {
	Listen     string            // 127.0.0.1:PORT; "" or port 0: a free port
	PortFile   string            // written when ready with "127.0.0.1:PORT\n", whole or not at all, and removed at the end; "" = none
	Ready      func(addr string) // called once when clients can connect; nil: nobody
	DataDir    string            // where the log is kept; "" = in memory, gone with the process
	Topics     []string          // made at start
	Rings      []string          // made at start; nobody need read them: they keep their newest eighth of the budget
	Discard    bool              // acknowledge and keep nothing, to measure producers by; needs no limit and no trimming
	Partitions int               // of each topic; 0 = DefaultPartitions
	Limit      int64             // bytes of memory this process may take, or, with DataDir, of disk; 0 = DefaultLimit
	TrimEvery  time.Duration     // how often what is committed is deleted; 0 = DefaultTrimEvery
	Logger     *slog.Logger      // nil: silent
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Partitions == 0 {
		c.Partitions = DefaultPartitions
	}
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	if c.TrimEvery == 0 {
		c.TrimEvery = DefaultTrimEvery
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports every problem of c, joined.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	if _, err := c.port(); err != nil {
		errs = append(errs, err)
	}
	if c.Partitions < 1 || c.Partitions > 1024 {
		errs = append(errs, fmt.Errorf("embedded broker: %d partitions is out of range: 1 to 1024", c.Partitions))
	}
	if c.Limit < minLimit {
		errs = append(errs, fmt.Errorf("embedded broker: a limit of %d bytes is too small: give at least 96 MiB", c.Limit))
	}
	if c.TrimEvery < 10*time.Millisecond {
		errs = append(errs, fmt.Errorf("embedded broker: trimming every %v is too often: give at least 10ms", c.TrimEvery))
	}
	return errors.Join(errs...)
}

// port is the port of Listen, whose host must be IPv4 loopback: kfake listens
// nowhere else, and there is no authentication.
func (c Config) port() (int, error) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return 0, fmt.Errorf("embedded broker: address %q: %w: give 127.0.0.1:PORT", c.Listen, err)
	}
	if host != "127.0.0.1" && host != "localhost" {
		return 0, fmt.Errorf("embedded broker: address %q: it has no authentication and listens on 127.0.0.1 only", c.Listen)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 0 || n > 65535 {
		return 0, fmt.Errorf("embedded broker: address %q: %q is not a port", c.Listen, port)
	}
	return n, nil
}

// segmentBytes is how large a log segment grows: memory and disk are given back
// by whole segments, so a fraction of what a partition may hold.
func (c Config) segmentBytes() int64 {
	return min(max(c.Limit/int64(c.Partitions)/16, 256<<10), 8<<20)
}

// budget is how many bytes of record batches may be held. The rest of the limit
// is what holding them costs, see doc.go; measured in TestMemoryStaysBelowLimit.
func (c Config) budget() int64 {
	if c.DataDir != "" {
		return c.Limit * 3 / 4
	}
	return c.heap() * 2 / 5
}

// heap is what of the limit is left for Go's heap.
func (c Config) heap() int64 { return c.Limit - processBytes() }

// processBytes is what the process takes beside its heap: the pages of its
// binary, which grow with the program, and 20 MiB for those not touched yet, for
// stacks, and for what the heap oversteps its limit by before a collection ends.
var processBytes = sync.OnceValue(func() int64 {
	const usual = 36 << 20 // of the binary, where the kernel does not say
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return usual + 20<<20
	}
	var size, resident, shared int64 // in pages; proc(5)
	if _, err := fmt.Sscan(string(b), &size, &resident, &shared); err != nil {
		return usual + 20<<20
	}
	return shared*int64(os.Getpagesize()) + 20<<20
})
