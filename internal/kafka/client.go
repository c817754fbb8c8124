package kafka

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// clientOptions are the options that producer, consumer and checks share. c has
// its defaults. link, when not nil, learns whether the brokers answer.
func clientOptions(c *Config, link *link) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.WithLogger(newClientLog(c.Logger)),
		kgo.DisableClientMetrics(), // nobody asked us to tell the broker about ourselves
		kgo.DialTimeout(5 * time.Second),
		kgo.MetadataMinAge(250 * time.Millisecond), // how soon a moved leader is found
		kgo.RetryBackoffFn(backoff),
	}
	if link != nil {
		opts = append(opts, kgo.WithHooks(link))
	}
	if c.TLS != nil {
		t, err := c.TLS.config()
		if err != nil {
			return nil, err
		}
		if c.TLS.Insecure {
			c.Logger.Warn("TLS to Kafka is not verified: anyone on the path can read and change what is sent")
		}
		opts = append(opts, kgo.DialTLSConfig(t))
	}
	if c.SASL != nil {
		m, err := c.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		if c.TLS == nil && m.Name() == Plain {
			c.Logger.Warn("SASL PLAIN without TLS sends the password in clear: use security.protocol=sasl_ssl or a SCRAM mechanism")
		}
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

// backoff before try number n of a request: 100 ms doubling to 2 s. The
// client's own goes to 5 s, and a broker that is back should be used at once.
func backoff(n int) time.Duration {
	return min(100*time.Millisecond<<min(max(n-1, 0), 10), 2*time.Second)
}

// link remembers how the last attempt to reach any broker went. The client
// retries for ever and says so only in its log.
type link struct {
	err atomic.Pointer[error] // nil: reached, or not tried yet
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (l *link) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		l.err.Store(nil)
		return
	}
	l.err.Store(&err)
}

func (l *link) last() error {
	if p := l.err.Load(); p != nil {
		return *p
	}
	return nil
}

// logEvery is how often the client's log may repeat one message.
const logEvery = 30 * time.Second

// clientLog passes the client's warnings and errors on, each text at most once
// per logEvery with the number of those left out. The client logs every failed
// dial, and a broker may be away for hours.
type clientLog struct {
	to *slog.Logger

	mu   sync.Mutex
	seen map[string]*repeated // by text; the client has a few dozen
	now  func() time.Time
}

type repeated struct {
	last time.Time
	left uint64
}

func newClientLog(to *slog.Logger) *clientLog {
	return &clientLog{to: to, seen: map[string]*repeated{}, now: time.Now}
}

// Level implements kgo.Logger.
func (l *clientLog) Level() kgo.LogLevel {
	ctx := context.Background()
	switch {
	case l.to.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelInfo
	case l.to.Enabled(ctx, slog.LevelWarn):
		return kgo.LogLevelWarn
	}
	return kgo.LogLevelNone
}

// Log implements kgo.Logger. The client's errors are warnings here: what is
// final reaches the caller as an error of its own.
func (l *clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	if strings.HasPrefix(msg, "batch decompresses larger") {
		return // its advice is for programmers; Poll steps over the batch and says so
	}
	if level > kgo.LogLevelWarn {
		l.to.Debug("kafka: "+msg, keyvals...)
		return
	}
	l.mu.Lock()
	r := l.seen[msg]
	if r == nil {
		r = &repeated{}
		l.seen[msg] = r
	}
	now := l.now()
	if !r.last.IsZero() && now.Sub(r.last) < logEvery {
		r.left++
		l.mu.Unlock()
		return
	}
	left := r.left
	r.last, r.left = now, 0
	l.mu.Unlock()
	if left > 0 {
		keyvals = append(keyvals[:len(keyvals):len(keyvals)], "repeated", left)
	}
	l.to.Warn("kafka: "+msg, keyvals...)
}
