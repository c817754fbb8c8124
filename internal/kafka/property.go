package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"xcapa/internal/nearest"
)

// Property is one client property by its Kafka name, as kcat, librdkafka and
// Kafka's own tools spell it.
type Property struct {
	Names []string // the first is the one to show
	Help  string
	set   func(c *Config, value string) error
}

// properties maps the names to Config. A name that is known to Kafka but not
// supported stands here too, with a set that says so.
var properties = []Property{
	{Names: []string{"bootstrap.servers", "metadata.broker.list"}, Help: "brokers, host:port, comma between", set: setBrokers},
	{Names: []string{"client.id"}, Help: "name shown to the broker", set: setString(func(c *Config) *string { return &c.ClientID })},
	{Names: []string{"security.protocol"}, Help: "plaintext, ssl, sasl_plaintext or sasl_ssl", set: setSecurityProtocol},

	{Names: []string{"ssl.ca.location"}, Help: "PEM file of the CA that signed the broker's certificate", set: setString(func(c *Config) *string { return &tlsOf(c).CAFile })},
	{Names: []string{"ssl.certificate.location"}, Help: "PEM file of our certificate", set: setString(func(c *Config) *string { return &tlsOf(c).CertFile })},
	{Names: []string{"ssl.key.location"}, Help: "PEM file of its key", set: setString(func(c *Config) *string { return &tlsOf(c).KeyFile })},
	{Names: []string{"enable.ssl.certificate.verification"}, Help: "false verifies nothing", set: setVerification},
	{Names: []string{"ssl.endpoint.identification.algorithm"}, Help: "https only", set: setIdentification},
	{Names: []string{"ssl.key.password"}, Help: "not supported", set: unsupported("give a key file without a password and protect it by its mode")},

	{Names: []string{"sasl.mechanisms", "sasl.mechanism"}, Help: "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", set: setMechanism},
	{Names: []string{"sasl.username"}, Help: "user", set: setString(func(c *Config) *string { return &saslOf(c).User })},
	{Names: []string{"sasl.password"}, Help: "password; better in a file", set: setString(func(c *Config) *string { return &saslOf(c).Password })},
	{Names: []string{"sasl.kerberos.service.name", "sasl.kerberos.principal", "sasl.kerberos.keytab", "sasl.kerberos.kinit.cmd", "sasl.kerberos.min.time.before.relogin"}, Help: "not supported", set: func(*Config, string) error { return errGSSAPI }},
	{Names: []string{"sasl.oauthbearer.config"}, Help: "not supported", set: unsupported("use SCRAM-SHA-512 or PLAIN")},

	{Names: []string{"compression.codec", "compression.type"}, Help: "none, gzip, snappy, lz4 or zstd", set: setCompression},
	{Names: []string{"linger.ms", "queue.buffering.max.ms"}, Help: "how long messages are gathered", set: setMillis(func(c *Config, d time.Duration) {
		if d == 0 {
			d = -1
		}
		c.Linger = d
	})},
	{Names: []string{"message.max.bytes", "max.request.size"}, Help: "largest message", set: setInt(1024, 1<<30, func(c *Config, n int64) { c.MaxMessageBytes = int(n) })},
	{Names: []string{"queue.buffering.max.kbytes"}, Help: "buffer, KiB", set: setInt(1024, 1<<31, func(c *Config, n int64) { c.MaxBufferedBytes = n << 10 })},
	{Names: []string{"buffer.memory"}, Help: "buffer, bytes", set: setInt(1<<20, 1<<41, func(c *Config, n int64) { c.MaxBufferedBytes = n })},
	{Names: []string{"queue.buffering.max.messages"}, Help: "not needed", set: notNeeded("the buffer is bounded in bytes (queue.buffering.max.kbytes), not in messages")},
	{Names: []string{"batch.size", "batch.num.messages"}, Help: "not needed", set: notNeeded("batches are as large as linger.ms and message.max.bytes let them be")},
	{Names: []string{"message.timeout.ms", "delivery.timeout.ms"}, Help: "give a message up after this; 0 never", set: setMillis(func(c *Config, d time.Duration) { c.DeliveryTimeout = d })},
	{Names: []string{"request.timeout.ms"}, Help: "of one produce request", set: setMillis(func(c *Config, d time.Duration) { c.RequestTimeout = d })},
	{Names: []string{"acks", "request.required.acks"}, Help: "all only", set: setAcks},
	{Names: []string{"enable.idempotence"}, Help: "true only", set: only("true", "a lost answer would store its messages twice")},

	{Names: []string{"group.id"}, Help: "consumer group", set: setString(func(c *Config) *string { return &c.GroupID })},
	{Names: []string{"group.instance.id"}, Help: "static member of the group", set: setString(func(c *Config) *string { return &c.GroupInstanceID })},
	{Names: []string{"auto.offset.reset"}, Help: "earliest or latest, where nothing is committed", set: setReset},
	{Names: []string{"isolation.level"}, Help: "read_committed or read_uncommitted", set: setIsolation},
	{Names: []string{"session.timeout.ms"}, Help: "a silent consumer loses its partitions after this", set: setMillis(func(c *Config, d time.Duration) { c.SessionTimeout = d })},
	{Names: []string{"enable.auto.commit"}, Help: "false only", set: only("false", "offsets are committed when the destination has stored the records")},

	// What tunes librdkafka and has no counterpart here.
	{Names: []string{"message.send.max.retries", "retries"}, Help: "not needed", set: notNeeded("a message is sent again until it is acknowledged, or message.timeout.ms is over")},
	{Names: []string{"retry.backoff.ms", "retry.backoff.max.ms", "reconnect.backoff.ms", "reconnect.backoff.max.ms", "reconnect.backoff.jitter.ms"}, Help: "not needed", set: notNeeded("the pause between tries grows from 100 ms to 2 s by itself")},
	{Names: []string{"max.in.flight.requests.per.connection", "max.in.flight"}, Help: "not needed", set: notNeeded("the idempotent producer keeps the order with any number in flight")},
	{Names: []string{"socket.timeout.ms", "socket.connection.setup.timeout.ms", "socket.blocking.max.ms"}, Help: "not needed", set: notNeeded("request.timeout.ms bounds a request, and connections are made again by themselves")},
	{Names: []string{"socket.keepalive.enable", "socket.send.buffer.bytes", "socket.receive.buffer.bytes", "socket.nagle.disable", "socket.max.fails", "connections.max.idle.ms"}, Help: "not needed", set: notNeeded("the kernel sizes its socket buffers itself")},
	{Names: []string{"statistics.interval.ms"}, Help: "not needed", set: notNeeded("--stats-file and --stats-interval write the ledger")},
	{Names: []string{"delivery.report.only.error", "produce.offset.report", "message.copy.max.bytes", "queue.buffering.backpressure.threshold"}, Help: "not needed", set: notNeeded("it is about how librdkafka talks to its program")},
	{Names: []string{"topic.metadata.refresh.interval.ms", "topic.metadata.refresh.fast.interval.ms", "topic.metadata.refresh.sparse", "metadata.max.age.ms", "metadata.request.timeout.ms"}, Help: "not needed", set: notNeeded("a moved partition is found within 250 ms")},
	{Names: []string{"api.version.request", "api.version.request.timeout.ms", "api.version.fallback.ms", "broker.version.fallback", "broker.address.family", "broker.address.ttl", "client.dns.lookup"}, Help: "not needed", set: notNeeded("versions and addresses are found out by asking")},
	{Names: []string{"debug", "log_level", "log.connection.close", "log.queue"}, Help: "not needed", set: notNeeded("errors say what happened; doctor looks at the brokers")},
	{Names: []string{"auto.commit.interval.ms", "enable.auto.offset.store", "auto.commit.enable", "offset.store.method"}, Help: "not needed", set: notNeeded("offsets are committed when the destination has stored the records")},
	{Names: []string{"fetch.min.bytes", "fetch.wait.max.ms", "fetch.max.bytes", "fetch.message.max.bytes", "max.partition.fetch.bytes", "queued.min.messages", "queued.max.messages.kbytes", "fetch.error.backoff.ms", "check.crcs", "receive.message.max.bytes"}, Help: "not needed", set: notNeeded("what is fetched ahead is bounded already")},
	{Names: []string{"heartbeat.interval.ms", "max.poll.interval.ms", "partition.assignment.strategy"}, Help: "not needed", set: notNeeded("they follow from session.timeout.ms")},
	{Names: []string{"partitioner", "enable.partition.eof"}, Help: "not needed", set: notNeeded("--partition-by chooses the partition, -e stops at the end")},
	{Names: []string{"ssl.keystore.location", "ssl.keystore.password", "ssl.truststore.location"}, Help: "not supported", set: unsupported("give PEM files: ssl.certificate.location, ssl.key.location, ssl.ca.location")},
	{Names: []string{"transactional.id"}, Help: "not supported", set: unsupported("transactions are a command's own: parse --exactly-once")},
}

// ErrNotNeeded is wrapped by the error for a property whose purpose is met
// without it: whoever translates another tool's settings may leave it away.
var ErrNotNeeded = errors.New("not needed")

// notNeeded refuses a property whose purpose is met without it.
func notNeeded(why string) func(*Config, string) error {
	return func(*Config, string) error { return fmt.Errorf("%w: %s; leave it away", ErrNotNeeded, why) }
}

// Properties lists what SetProperty knows, for help texts.
func Properties() []Property { return slices.Clone(properties) }

// SetProperty sets the property called name, as in -X name=value. Its errors
// name the property and what it may be; a password is never repeated.
func SetProperty(c *Config, name, value string) error {
	for i := range properties {
		if slices.Contains(properties[i].Names, name) {
			if err := properties[i].set(c, strings.TrimSpace(value)); err != nil {
				return fmt.Errorf("set Kafka property %s: %w", name, err)
			}
			return nil
		}
	}
	var names []string
	for _, p := range properties {
		names = append(names, p.Names...)
	}
	if near := nearest.Word(name, names); near != "" {
		return fmt.Errorf("set Kafka property %s: no such property here, did you mean %s?", name, near)
	}
	return fmt.Errorf("set Kafka property %s: no such property here", name)
}

func tlsOf(c *Config) *TLS {
	if c.TLS == nil {
		c.TLS = &TLS{}
	}
	return c.TLS
}

func saslOf(c *Config) *SASL {
	if c.SASL == nil {
		c.SASL = &SASL{Mechanism: Plain}
	}
	return c.SASL
}

func setBrokers(c *Config, v string) error {
	var brokers []string
	for b := range strings.SplitSeq(v, ",") {
		b = strings.TrimSpace(b)
		if err := validateBroker(b); err != nil {
			return err
		}
		brokers = append(brokers, b)
	}
	c.Brokers = brokers
	return nil
}

func setSecurityProtocol(c *Config, v string) error {
	switch strings.ToLower(v) {
	case "plaintext":
		c.TLS, c.SASL = nil, nil
	case "ssl":
		tlsOf(c)
		c.SASL = nil
	case "sasl_plaintext":
		saslOf(c)
		c.TLS = nil
	case "sasl_ssl":
		tlsOf(c)
		saslOf(c)
	default:
		return fmt.Errorf("%q is not plaintext, ssl, sasl_plaintext or sasl_ssl", v)
	}
	return nil
}

func setMechanism(c *Config, v string) error {
	m := strings.ToUpper(v)
	switch m {
	case Plain, ScramSHA256, ScramSHA512:
		saslOf(c).Mechanism = m
		return nil
	case "GSSAPI":
		return errGSSAPI
	}
	return fmt.Errorf("%q is not %s, %s or %s", v, Plain, ScramSHA256, ScramSHA512)
}

func setVerification(c *Config, v string) error {
	on, err := strconv.ParseBool(v)
	if err != nil {
		return fmt.Errorf("%q is not true or false", v)
	}
	tlsOf(c).Insecure = !on
	return nil
}

func setIdentification(_ *Config, v string) error {
	if !strings.EqualFold(v, "https") {
		return fmt.Errorf("only https is supported: the broker's name is always verified; use a fingerprint for a certificate without its name")
	}
	return nil
}

func setCompression(c *Config, v string) error {
	if !slices.Contains(compressions, v) {
		return fmt.Errorf("%q is not one of %s", v, strings.Join(compressions, ", "))
	}
	c.Compression = v
	return nil
}

func setAcks(_ *Config, v string) error {
	if v != "all" && v != "-1" {
		return fmt.Errorf("%q is %w: every message is acknowledged by all replicas (acks=all), or its loss would not be counted; leave it away", v, ErrNotNeeded)
	}
	return nil
}

func setReset(c *Config, v string) error {
	switch v {
	case "earliest", "smallest", "beginning":
		c.Start = StartBegin
	case "latest", "largest", "end":
		c.Start = StartEnd
	default:
		return fmt.Errorf("%q is not earliest or latest", v)
	}
	return nil
}

func setIsolation(c *Config, v string) error {
	switch v {
	case "read_committed":
		c.ReadUncommitted = false
	case "read_uncommitted":
		c.ReadUncommitted = true
	default:
		return fmt.Errorf("%q is not read_committed or read_uncommitted", v)
	}
	return nil
}

func setString(at func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" {
			return fmt.Errorf("the value is empty")
		}
		*at(c) = v
		return nil
	}
}

func setInt(low, high int64, set func(*Config, int64)) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < low || n > high {
			return fmt.Errorf("%q is not a number from %d to %d", v, low, high)
		}
		set(c, n)
		return nil
	}
}

func setMillis(set func(*Config, time.Duration)) func(*Config, string) error {
	return func(c *Config, v string) error {
		ms, err := strconv.ParseFloat(v, 64) // librdkafka allows 0.5
		if err != nil || !(ms >= 0 && ms <= 24*3600*1000) {
			return fmt.Errorf("%q is not a number of milliseconds from 0 to one day", v)
		}
		set(c, time.Duration(ms*float64(time.Millisecond)))
		return nil
	}
}

func only(value, why string) func(*Config, string) error {
	return func(_ *Config, v string) error {
		if !strings.EqualFold(v, value) {
			return fmt.Errorf("only %s is supported, another value is %w: %s; leave it away", value, ErrNotNeeded, why)
		}
		return nil
	}
}

func unsupported(instead string) func(*Config, string) error {
	return func(*Config, string) error { return fmt.Errorf("not supported: %s", instead) }
}
