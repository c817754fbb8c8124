package kafka

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// pki is a CA and a certificate of it for 127.0.0.1, made for one test.
type pki struct {
	caFile                  string
	server                  tls.Certificate
	caPrint, serverPrint    string
	clientCert, clientKey   string
	pool                    *x509.CertPool
	otherCAFile, otherPrint string
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	dir := t.TempDir()
	sign := func(name string, ca bool, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: ca, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		if parent == nil {
			parent, parentKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keyDER := func(k *ecdsa.PrivateKey) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	fingerprint := func(c *x509.Certificate) string {
		sum := sha256.Sum256(c.Raw)
		return hex.EncodeToString(sum[:])
	}
	ca, caKey := sign("test CA", true, nil, nil)
	other, _ := sign("another CA", true, nil, nil)
	server, serverKey := sign("broker", false, ca, caKey)
	client, clientKey := sign("capture host", false, ca, caKey)
	p := &pki{
		caFile: file("ca.pem", "CERTIFICATE", ca.Raw), otherCAFile: file("other.pem", "CERTIFICATE", other.Raw),
		clientCert: file("client.pem", "CERTIFICATE", client.Raw), clientKey: file("client.key", "PRIVATE KEY", keyDER(clientKey)),
		server:  tls.Certificate{Certificate: [][]byte{server.Raw, ca.Raw}, PrivateKey: serverKey},
		caPrint: fingerprint(ca), serverPrint: fingerprint(server), otherPrint: fingerprint(other),
		pool: x509.NewCertPool(),
	}
	p.pool.AddCert(ca)
	return p
}

func (p *pki) config() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{p.server}} }

func TestCheckTLS(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	open := newCluster(t)
	guarded := newCluster(t, kfake.ListenFn(listenKafkaOnly))
	secure := newCluster(t, kfake.TLS(p.config()))
	mutual := p.config()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, p.pool
	both := newCluster(t, kfake.TLS(mutual))
	colons := strings.ToUpper(strings.Join([]string{p.serverPrint[:2], p.serverPrint[2:]}, ":"))
	tests := []struct {
		name string
		c    *kfake.Cluster
		tls  *TLS
		want error
	}{
		{"plain", open, nil, nil},
		{"ca_file", secure, &TLS{CAFile: p.caFile}, nil},
		{"server_fingerprint", secure, &TLS{Fingerprint: p.serverPrint}, nil},
		{"fingerprint_with_colons", secure, &TLS{Fingerprint: colons}, nil},
		{"ca_fingerprint", secure, &TLS{Fingerprint: p.caPrint}, nil},
		{"insecure", secure, &TLS{Insecure: true}, nil},
		{"client_certificate", both, &TLS{CAFile: p.caFile, CertFile: p.clientCert, KeyFile: p.clientKey}, nil},
		{"unknown_ca", secure, &TLS{}, ErrTLS},
		{"wrong_ca", secure, &TLS{CAFile: p.otherCAFile}, ErrTLS},
		{"wrong_fingerprint", secure, &TLS{Fingerprint: p.otherPrint}, ErrTLS},
		{"wrong_name", secure, &TLS{CAFile: p.caFile, ServerName: "elsewhere"}, ErrTLS},
		{"plain_client_on_tls_port", secure, nil, ErrTLS},
		{"tls_client_on_plain_port", guarded, &TLS{CAFile: p.caFile}, ErrTLS},
		{"no_client_certificate", both, &TLS{CAFile: p.caFile}, ErrTLS},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := configFor(tt.c)
			config.TLS = tt.tls
			wantCheck(t, config, tt.want)
		})
	}
}

// listenKafkaOnly ends connections that begin as no Kafka client does, like a
// real broker, which will not read a request of 369 MB (a TLS client's hello).
func listenKafkaOnly(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return kafkaOnly{l}, nil
}

type kafkaOnly struct{ net.Listener }

func (l kafkaOnly) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return kafkaOnlyConn{c}, nil
}

type kafkaOnlyConn struct{ net.Conn }

func (c kafkaOnlyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 4 && b[0] == 0x16 {
		c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// wantCheck runs Check and looks at its error as a person and as a program.
func wantCheck(t *testing.T, c Config, want error) {
	t.Helper()
	start := time.Now()
	err := Check(t.Context(), c)
	if took := time.Since(start); took > checkTimeout+time.Second {
		t.Errorf("Check took %v", took)
	}
	if want == nil {
		if err != nil {
			t.Errorf("Check: %v, want nil", err)
		}
		return
	}
	if !errors.Is(err, want) || !NotReady(err) {
		t.Fatalf("Check: %v, want %v", err, want)
	}
	if !strings.Contains(err.Error(), c.Brokers[0]) {
		t.Errorf("%q does not name the broker", err)
	}
	if c.SASL != nil && c.SASL.Password != "" && strings.Contains(err.Error(), c.SASL.Password) {
		t.Errorf("%q has the password in it", err)
	}
	t.Log(err)
}

func TestCheckSASL(t *testing.T) {
	t.Parallel()
	pki := newPKI(t)
	users := []kfake.Opt{
		kfake.EnableSASL(), kfake.TLS(pki.config()), kfake.Superuser(Plain, "alice", "alice-secret"),
		kfake.Superuser(ScramSHA256, "alice", "alice-secret"), kfake.Superuser(ScramSHA512, "alice", "alice-secret"),
	}
	c := newCluster(t, users...)
	onlyScram := newCluster(t, kfake.EnableSASL(), kfake.TLS(pki.config()), kfake.Superuser(ScramSHA512, "alice", "alice-secret"))
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("alice-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		c    *kfake.Cluster
		sasl *SASL
		want error
	}{
		{"plain", c, &SASL{Mechanism: Plain, User: "alice", Password: "alice-secret"}, nil},
		{"scram_256", c, &SASL{Mechanism: ScramSHA256, User: "alice", Password: "alice-secret"}, nil},
		{"scram_512", c, &SASL{Mechanism: ScramSHA512, User: "alice", Password: "alice-secret"}, nil},
		{"password_file", c, &SASL{Mechanism: ScramSHA512, User: "alice", PasswordFile: file}, nil},
		{"wrong_password_plain", c, &SASL{Mechanism: Plain, User: "alice", Password: "marker-4711"}, ErrCredentials},
		{"wrong_password_scram", c, &SASL{Mechanism: ScramSHA256, User: "alice", Password: "marker-4711"}, ErrCredentials},
		{"wrong_user", c, &SASL{Mechanism: ScramSHA512, User: "bob", Password: "marker-4711"}, ErrCredentials},
		{"mechanism_not_offered", onlyScram, &SASL{Mechanism: Plain, User: "alice", Password: "marker-4711"}, ErrCredentials},
		{"no_sasl", c, nil, ErrCredentials},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := configFor(tt.c)
			config.TLS, config.SASL = &TLS{CAFile: pki.caFile}, tt.sasl
			wantCheck(t, config, tt.want)
		})
	}
}

// TestProduceAndConsumeSecured goes all the way once with TLS and SCRAM.
func TestProduceAndConsumeSecured(t *testing.T) {
	pki := newPKI(t)
	c := newCluster(t, kfake.SeedTopics(2, topic), kfake.TLS(pki.config()), kfake.EnableSASL(), kfake.Superuser(ScramSHA512, "alice", "alice-secret"))
	config := configFor(c)
	config.TLS = &TLS{CAFile: pki.caFile}
	config.SASL = &SASL{Mechanism: ScramSHA512, User: "alice", Password: "alice-secret"}
	fill(t, config, 0, 100)
	pollN(t, newConsumer(t, config, Group{}), 100)
}

func TestCheckUnreachable(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	http, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { http.Close() })
	go func() {
		for {
			c, err := http.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	tests := []struct{ name, broker string }{
		{"nobody_listens", "127.0.0.1:" + strconv.Itoa(freePort(t))},
		{"no_such_host", "no-such-host.invalid:9092"},
		{"says_nothing", silent.Addr().String()},
		{"speaks_http", http.Addr().String()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantCheck(t, Config{Brokers: []string{tt.broker}}, ErrUnreachable)
		})
	}
}

func TestEnsureTopics(t *testing.T) {
	t.Parallel()
	create := func(k *kfake.Cluster) Config {
		c := configFor(k)
		c.CreateTopics = CreateTopics{Allowed: true}
		return c
	}
	refuse := func(key kmsg.Key, e *kerr.Error) func(*testing.T) Config {
		return func(t *testing.T) Config {
			k := newCluster(t)
			k.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: topic, Err: e, Count: -1})
			return create(k)
		}
	}
	tests := []struct {
		name  string
		setup func(t *testing.T) Config
		want  error
	}{
		{"there", func(t *testing.T) Config { return configFor(newCluster(t, kfake.SeedTopics(1, topic))) }, nil},
		{"created", func(t *testing.T) Config { return create(newCluster(t)) }, nil},
		{"not_there", func(t *testing.T) Config { return configFor(newCluster(t)) }, ErrTopicMissing},
		{"created_by_another", refuse(kmsg.CreateTopics, kerr.TopicAlreadyExists), ErrTopicMissing}, // and never shows
		{"not_allowed_to_see", refuse(kmsg.Metadata, kerr.TopicAuthorizationFailed), ErrTopicRefused},
		{"not_allowed_to_create", refuse(kmsg.CreateTopics, kerr.TopicAuthorizationFailed), ErrTopicRefused},
		{"too_many_replicas", refuse(kmsg.CreateTopics, kerr.InvalidReplicationFactor), ErrTopicInvalid},
		{"broker_away", func(t *testing.T) Config { return Config{Brokers: []string{"127.0.0.1:" + strconv.Itoa(freePort(t))}} }, ErrUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tt.setup(t)
			err := EnsureTopics(t.Context(), c, topic)
			if !errors.Is(err, tt.want) || (err != nil) != NotReady(err) {
				t.Fatalf("EnsureTopics: %v, want %v", err, tt.want)
			}
			if err != nil {
				t.Log(err)
			}
		})
	}
}

func TestEnsureTopicsPartitions(t *testing.T) {
	c := newCluster(t, kfake.DefaultNumPartitions(5))
	config := configFor(c)
	config.CreateTopics = CreateTopics{Allowed: true}
	if err := EnsureTopics(t.Context(), config, "by-default", "by-default"); err != nil {
		t.Fatal(err)
	}
	config.CreateTopics = CreateTopics{Allowed: true, Partitions: 7, Replicas: 1}
	if err := EnsureTopics(t.Context(), config, "by-default", "as-asked"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"by-default": 5, "as-asked": 7} {
		if got := len(c.PartitionInfos(name)); got != want {
			t.Errorf("topic %s has %d partitions, want %d", name, got, want)
		}
	}
}

// TestClientLog: the client repeats itself for hours; we pass each of its
// sentences on twice a minute, with the number of those left out.
func TestClientLog(t *testing.T) {
	var out bytes.Buffer
	l := newClientLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	now := time.Unix(0, 0)
	l.now = func() time.Time { return now }
	for range 100 {
		l.Log(kgo.LogLevelWarn, "unable to dial", "broker", 1)
		now = now.Add(time.Second)
	}
	l.Log(kgo.LogLevelError, "another thing")
	l.Log(kgo.LogLevelInfo, "gossip")
	got := strings.Count(out.String(), "unable to dial")
	if got != 4 || !strings.Contains(out.String(), "repeated=29") || !strings.Contains(out.String(), "another thing") || strings.Contains(out.String(), "gossip") {
		t.Errorf("%d lines of 100 passed, want 4, and none of gossip:\n%s", got, out.String())
	}
}

func TestSecretsAreMasked(t *testing.T) {
	s := SASL{Mechanism: Plain, User: "alice", Password: "marker-4711"}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("config", "sasl", s, "config", fmt.Sprintf("%v %+v %#v %s", Config{SASL: &s}, s, s, &s))
	if strings.Contains(out.String(), "marker") || !strings.Contains(out.String(), "alice") {
		t.Errorf("printed as %s", out.String())
	}
}
