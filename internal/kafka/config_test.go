package kafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := []string{"127.0.0.1:9092"}
	tests := []struct {
		name string
		c    Config
		want []string // parts of the error; none: no error
	}{
		{"defaults", Config{Brokers: b}, nil},
		{"names", Config{Brokers: []string{"kafka-1", "kafka-2:9093", "[::1]:9092", "10.0.0.1"}}, nil},
		{"none", Config{}, []string{"no Kafka broker"}},
		{"scheme", Config{Brokers: []string{"kafka://x:1"}}, []string{"without a scheme"}},
		{"port", Config{Brokers: []string{"x:99999"}}, []string{`port "99999"`}},
		{"no_host", Config{Brokers: []string{":9092"}}, []string{"no host"}},
		{"empty", Config{Brokers: []string{""}}, []string{"empty broker address"}},
		{"everything_at_once", Config{Compression: "rar", PartitionBy: "luck", Start: "middle", MaxBufferedBytes: 5, MaxMessageBytes: 1, RequestTimeout: 1, SessionTimeout: 1, DeliveryTimeout: 1},
			[]string{"no Kafka broker", `"rar"`, `"luck"`, `"middle"`, "buffer of 5", "limit of 1 bytes", "request timeout", "session timeout", "delivery timeout"}},
		{"ca_missing", Config{Brokers: b, TLS: &TLS{CAFile: filepath.Join(dir, "no.pem")}}, []string{"read CA file", "no.pem"}},
		{"ca_junk", Config{Brokers: b, TLS: &TLS{CAFile: junk}}, []string{"no PEM certificate"}},
		{"cert_without_key", Config{Brokers: b, TLS: &TLS{CertFile: junk}}, []string{"belong together"}},
		{"cert_junk", Config{Brokers: b, TLS: &TLS{CertFile: junk, KeyFile: junk}}, []string{"load client certificate"}},
		{"fingerprint", Config{Brokers: b, TLS: &TLS{Fingerprint: "12:34"}}, []string{"64 hex digits"}},
		{"sasl_nothing", Config{Brokers: b, SASL: &SASL{}}, []string{"needs a password", "needs a user", "not known"}},
		{"sasl_both", Config{Brokers: b, SASL: &SASL{Mechanism: Plain, User: "u", Password: "p", PasswordFile: empty}}, []string{"choose one"}},
		{"sasl_empty_file", Config{Brokers: b, SASL: &SASL{Mechanism: Plain, User: "u", PasswordFile: empty}}, []string{"is empty"}},
		{"gssapi", Config{Brokers: b, SASL: &SASL{Mechanism: "GSSAPI", User: "u", Password: "p"}}, []string{"Kerberos"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.c.Validate()
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatalf("Validate: %v, want %q", err, tt.want)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Validate: %v\nwant %q in it", err, part)
				}
			}
		})
	}
}

func TestSetProperty(t *testing.T) {
	tests := []struct {
		name, value string
		want        Config
	}{
		{"bootstrap.servers", "a:1, b:2", Config{Brokers: []string{"a:1", "b:2"}}},
		{"metadata.broker.list", "a:1", Config{Brokers: []string{"a:1"}}},
		{"client.id", "x", Config{ClientID: "x"}},
		{"security.protocol", "PLAINTEXT", Config{}},
		{"security.protocol", "ssl", Config{TLS: &TLS{}}},
		{"security.protocol", "sasl_plaintext", Config{SASL: &SASL{Mechanism: Plain}}},
		{"security.protocol", "SASL_SSL", Config{TLS: &TLS{}, SASL: &SASL{Mechanism: Plain}}},
		{"ssl.ca.location", "ca.pem", Config{TLS: &TLS{CAFile: "ca.pem"}}},
		{"ssl.certificate.location", "c.pem", Config{TLS: &TLS{CertFile: "c.pem"}}},
		{"ssl.key.location", "k.pem", Config{TLS: &TLS{KeyFile: "k.pem"}}},
		{"enable.ssl.certificate.verification", "false", Config{TLS: &TLS{Insecure: true}}},
		{"ssl.endpoint.identification.algorithm", "https", Config{}},
		{"sasl.mechanism", "scram-sha-512", Config{SASL: &SASL{Mechanism: ScramSHA512}}},
		{"sasl.mechanisms", "PLAIN", Config{SASL: &SASL{Mechanism: Plain}}},
		{"sasl.username", "u", Config{SASL: &SASL{Mechanism: Plain, User: "u"}}},
		{"sasl.password", "p", Config{SASL: &SASL{Mechanism: Plain, Password: "p"}}},
		{"compression.codec", "zstd", Config{Compression: "zstd"}},
		{"linger.ms", "0.5", Config{Linger: 500 * time.Microsecond}},
		{"linger.ms", "0", Config{Linger: -1}},
		{"message.max.bytes", "2000000", Config{MaxMessageBytes: 2000000}},
		{"queue.buffering.max.kbytes", "2048", Config{MaxBufferedBytes: 2 << 20}},
		{"buffer.memory", "2097152", Config{MaxBufferedBytes: 2 << 20}},
		{"message.timeout.ms", "15000", Config{DeliveryTimeout: 15 * time.Second}},
		{"request.timeout.ms", "3000", Config{RequestTimeout: 3 * time.Second}},
		{"acks", "all", Config{}},
		{"request.required.acks", "-1", Config{}},
		{"enable.idempotence", "true", Config{}},
		{"group.id", "g", Config{GroupID: "g"}},
		{"group.instance.id", "i", Config{GroupInstanceID: "i"}},
		{"auto.offset.reset", "latest", Config{Start: StartEnd}},
		{"auto.offset.reset", "smallest", Config{Start: StartBegin}},
		{"session.timeout.ms", "6000", Config{SessionTimeout: 6 * time.Second}},
		{"enable.auto.commit", "false", Config{}},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			var got Config
			if err := SetProperty(&got, tt.name, tt.value); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("config differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSetPropertyErrors(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"sasl.mechanisms", "GSSAPI", "Kerberos"},
		{"sasl.kerberos.keytab", "/etc/keytab", "Kerberos"},
		{"sasl.mechanisms", "OAUTHBEARER", "is not PLAIN"},
		{"security.protocol", "tls", "is not plaintext"},
		{"acks", "1", "all replicas"},
		{"enable.idempotence", "false", "only true"},
		{"enable.auto.commit", "true", "only false"},
		{"ssl.endpoint.identification.algorithm", "none", "only https"},
		{"compression.codec", "rar", "not one of"},
		{"linger.ms", "soon", "milliseconds"},
		{"linger.ms", "-1", "milliseconds"},
		{"linger.ms", "NaN", "milliseconds"},
		{"message.max.bytes", "10", "from 1024"},
		{"queue.buffering.max.messages", "10", "bounded in bytes"},
		{"auto.offset.reset", "none", "earliest or latest"},
		{"bootstrap.servers", "", "empty broker"},
		{"client.id", "", "empty"},
		{"enable.ssl.certificate.verification", "perhaps", "true or false"},
		{"compression.kodec", "zstd", "did you mean compression.codec"},
		{"zzz", "1", "no such property"},
		{"sasl.kerberos.principal", "pycapa@EXAMPLE.COM", "GSSAPI (Kerberos) is not supported"},
		{"retries", "5", "not needed: a message is sent again until it is acknowledged"},
		{"batch.num.messages", "500000", "not needed"},
		{"statistics.interval.ms", "5000", "--stats-file"},
		{"socket.timeout.ms", "6000", "not needed: request.timeout.ms"},
		{"transactional.id", "x", "not supported"},
		{"isolation.level", "none", "read_committed or read_uncommitted"},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			var c Config
			err := SetProperty(&c, tt.name, tt.value)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.name) {
				t.Errorf("SetProperty: %v, want the name and %q", err, tt.want)
			}
		})
	}
}

// TestProperties: each name stands once, and has a word of help.
func TestProperties(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Properties() {
		if p.Help == "" {
			t.Errorf("%v has no help", p.Names)
		}
		for _, n := range p.Names {
			if seen[n] {
				t.Errorf("%s stands twice", n)
			}
			seen[n] = true
		}
	}
}
