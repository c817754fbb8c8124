package elastic

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"xcapa/internal/codec"
	"xcapa/internal/record"
)

// Defaults of Config: what its zero values mean.
const (
	DefaultHost          = "http://127.0.0.1:9200"
	DefaultIndex         = "packets_index"
	DefaultBatchDocs     = 5000
	DefaultBulkBytes     = 5 << 20
	DefaultFlushInterval = time.Second
	DefaultConcurrency   = 2
	DefaultTimeout       = 90 * time.Second
	DefaultBackoffInit   = 100 * time.Millisecond
	DefaultBackoffMax    = 30 * time.Second
	DefaultMaxOldIndices = 366
	DefaultTypeField     = record.NameType
)

// Config is what client, template and writer share. The zero value works with a
// server without security on this host.
type Config struct {
	Hosts    []string // URLs, or host:port for plain HTTP; default port 9200; none = DefaultHost
	APIKey   Secret   // "id:key", or its base64 as Elasticsearch gives it; excludes Username
	Username string
	Password Secret

	CAFile             string // PEM; the only roots then trusted
	Fingerprint        string // SHA-256 of the server's certificate or its CA, hex, colons allowed
	InsecureSkipVerify bool   // take any certificate: whoever is on the path can read and answer

	Compression   int           // gzip level 1-9 of requests; 0: off. It costs more than the JSON itself
	BatchDocs     int           // documents in a bulk; 0 = DefaultBatchDocs
	BulkBytes     int           // bytes in a bulk; memory is Concurrency+1 times this; 0 = DefaultBulkBytes
	FlushInterval time.Duration // oldest age of a document not yet sent; 0 = DefaultFlushInterval
	Concurrency   int           // bulks in flight; 0 = DefaultConcurrency
	Timeout       time.Duration // of one request; its outcome is unknown then; 0 = DefaultTimeout
	BackoffInit   time.Duration // first wait before sending again; 0 = DefaultBackoffInit
	BackoffMax    time.Duration // longest wait; 0 = DefaultBackoffMax

	Index         string    // prefix of index names; "" = DefaultIndex
	TimeBased     TimeBased // "" = Today
	IndexField    string    // a document that has this field is put into the index it names; "" = none
	TypeField     string    // field that holds a document's type; "" = record_type
	DefaultType   string    // type of documents without one; "" = they stay without
	MaxOldIndices int       // days (or months) before yesterday that get an index of their own; 0 = DefaultMaxOldIndices

	JSON   codec.JSONOptions // how documents are made from rows that are not JSON already
	Logger *slog.Logger      // nil: silent
}

// withDefaults is c with every zero value replaced by what it stands for.
func (c Config) withDefaults() Config {
	if len(c.Hosts) == 0 {
		c.Hosts = []string{DefaultHost}
	}
	setDefault(&c.BatchDocs, DefaultBatchDocs)
	setDefault(&c.BulkBytes, DefaultBulkBytes)
	setDefault(&c.FlushInterval, DefaultFlushInterval)
	setDefault(&c.Concurrency, DefaultConcurrency)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.BackoffInit, DefaultBackoffInit)
	setDefault(&c.BackoffMax, DefaultBackoffMax)
	setDefault(&c.Index, DefaultIndex)
	setDefault(&c.TimeBased, Today)
	setDefault(&c.TypeField, DefaultTypeField)
	setDefault(&c.MaxOldIndices, DefaultMaxOldIndices)
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
// It reads the files c names but calls nobody.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, h := range c.Hosts {
		if _, err := parseHost(h); err != nil {
			errs = append(errs, err)
		}
	}
	if c.APIKey.given() && c.Username != "" {
		bad("both an API key and a user name are given: keep one")
	}
	if c.Username == "" && c.Password.given() {
		bad("a password without a user name: give the user name too")
	}
	if _, err := c.authorization(); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.tlsConfig(); err != nil {
		errs = append(errs, err)
	}
	if err := checkIndexPrefix(c.Index); err != nil {
		errs = append(errs, err)
	}
	if _, err := ParseTimeBased(string(c.TimeBased)); err != nil {
		errs = append(errs, err)
	}
	if c.Compression < 0 || c.Compression > 9 {
		bad("gzip level %d: use 1 to 9, or 0 for none", c.Compression)
	}
	if c.BatchDocs < 1 || c.BulkBytes < 1 || c.Concurrency < 1 || c.MaxOldIndices < 1 {
		bad("documents in a bulk %d, bytes in a bulk %d, bulks in flight %d, old indices %d: none may be below 1",
			c.BatchDocs, c.BulkBytes, c.Concurrency, c.MaxOldIndices)
	}
	if c.BulkBytes > maxBulkBytes {
		bad("bytes in a bulk %d: at most %d, servers refuse more than 100 MB", c.BulkBytes, maxBulkBytes)
	}
	if c.FlushInterval < 0 || c.Timeout < 0 || c.BackoffInit < 0 || c.BackoffMax < c.BackoffInit {
		bad("flush interval %v, timeout %v, back-off %v to %v: none may be negative, and the longest back-off not below the first",
			c.FlushInterval, c.Timeout, c.BackoffInit, c.BackoffMax)
	}
	return errors.Join(errs...)
}

// maxBulkBytes is http.max_content_length's default, 100 MiB.
const maxBulkBytes = 100 << 20

// parseHost reads a URL or host:port; the scheme defaults to http, the port to
// 9200. Credentials in a URL are refused: they would end up in logs.
func parseHost(host string) (*url.URL, error) {
	full := host
	if !strings.Contains(host, "://") {
		full = "http://" + host
	}
	u, err := url.Parse(full)
	switch {
	case err != nil:
		// The error text repeats the URL, which may hold a password.
		return nil, errors.New("read an Elasticsearch host: not a URL; use http://HOST:9200 or https://HOST:9200")
	case u.User != nil:
		return nil, fmt.Errorf("read Elasticsearch host %q: credentials in a URL are not taken; use a password file", u.Host)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.RawQuery != "":
		return nil, fmt.Errorf("read Elasticsearch host %q: use http://HOST:9200 or https://HOST:9200", host)
	case u.Port() == "9300":
		return nil, fmt.Errorf("read Elasticsearch host %q: 9300 is the transport port; REST clients use 9200", host)
	}
	if u.Port() == "" {
		u.Host += ":9200"
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// authorization is the value of the Authorization header; "" for none.
func (c *Config) authorization() (string, error) {
	key, err := c.APIKey.Read()
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	if key != "" {
		if strings.Contains(key, ":") {
			key = base64.StdEncoding.EncodeToString([]byte(key))
		}
		return "ApiKey " + key, nil
	}
	password, err := c.Password.Read()
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if c.Username == "" {
		return "", nil
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+password)), nil
}

// fingerprint is the 32 bytes of c.Fingerprint; nil for none.
func (c *Config) fingerprint() ([]byte, error) {
	if c.Fingerprint == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(c.Fingerprint, ":", ""))
	if err != nil || len(b) != 32 {
		return nil, fmt.Errorf("read the certificate fingerprint %q: want 64 hex digits (openssl x509 -fingerprint -sha256)", c.Fingerprint)
	}
	return b, nil
}
