package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// productHeader is on every reply that Elasticsearch itself made (since 7.14).
const productHeader = "X-Elastic-Product"

// maxReply bounds replies other than those of bulks.
const maxReply = 16 << 20

// Client speaks to one cluster: it picks the host, adds the credentials, checks
// what answers. It does not retry: who retries knows what is at stake.
type Client struct {
	config    Config
	transport *elastictransport.Client
	auth      string
	wire      *http.Transport
}

// NewClient checks the configuration and reads the secrets. It calls nobody: a
// server that is away at start is Check's business.
func NewClient(c Config) (*Client, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configure Elasticsearch: %w", err)
	}
	c = c.withDefaults()
	for _, s := range []Secret{c.APIKey, c.Password} {
		if s.Open() {
			c.Logger.Warn("everyone on this host can read the secret: chmod 600 it", "file", s.File)
		}
	}
	if c.InsecureSkipVerify {
		c.Logger.Warn("certificates are not verified: whoever is on the path can read and answer")
	}
	auth, err := c.authorization()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	cl := &Client{config: c, auth: auth, wire: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     tlsConfig,
		MaxIdleConnsPerHost: c.Concurrency + 1,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true, // a reply must not grow behind our limit
	}}
	urls := make([]*url.URL, len(c.Hosts))
	for i, h := range c.Hosts {
		urls[i], _ = parseHost(h) // Validate has seen them
	}
	cl.transport, err = elastictransport.NewClient(elastictransport.WithUserAgent("xcapa"),
		elastictransport.WithURLs(urls...), elastictransport.WithTransport(marked{cl.wire}), elastictransport.WithDisableRetry())
	if err != nil {
		return nil, fmt.Errorf("configure Elasticsearch: %w", err)
	}
	return cl, nil
}

// Close drops the idle connections.
func (c *Client) Close() { c.wire.CloseIdleConnections() }

// Hosts is where the client goes, for messages.
func (c *Client) Hosts() string { return strings.Join(c.config.Hosts, ", ") }

// Perform sends one request (esapi.Transport). It returns only after the
// request's body, when it is a *body, will not be read any more.
func (c *Client) Perform(r *http.Request) (*http.Response, error) {
	if c.auth != "" {
		r.Header.Set("Authorization", c.auth)
	}
	if b, ok := r.Body.(*body); ok {
		r.ContentLength = int64(b.Len())
	}
	return c.transport.Perform(r)
}

// marked tells a body that net/http has it: it will be closed, sooner or later.
type marked struct{ http.RoundTripper }

func (m marked) RoundTrip(r *http.Request) (*http.Response, error) {
	if b, ok := r.Body.(*body); ok {
		b.taken = true
	}
	return m.RoundTripper.RoundTrip(r)
}

// body is a request's body whose bytes are used again after the request.
type body struct {
	bytes.Reader
	taken  bool
	once   sync.Once
	closed chan struct{}
}

func newBody(b []byte) *body {
	r := &body{closed: make(chan struct{})}
	r.Reset(b)
	return r
}

// Close may be called at any time, from a goroutine of net/http.
func (b *body) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// wait returns when nobody reads the body any more.
func (b *body) wait() {
	if b.taken {
		<-b.closed
	}
}

// Check asks the cluster for its health: is somebody there, is it Elasticsearch,
// does it know us. A key that may not ask (403) is a good key.
//
// Errors: ErrUnreachable, ErrTLS, ErrCredentials, ErrNotElasticsearch, wrapped.
func (c *Client) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req := esapi.ClusterHealthRequest{FilterPath: []string{"status"}}
	_, err := c.do(ctx, req)
	if status(err) == http.StatusForbidden {
		return nil
	}
	return err
}

// do sends a request and returns the body of a 2xx reply. Any other status is
// a *StatusError.
func (c *Client) do(ctx context.Context, r esapi.Request) ([]byte, error) {
	res, err := r.Do(ctx, c)
	if err != nil {
		return nil, c.explain(err)
	}
	defer func() { _ = res.Body.Close() }() // read or given up
	b, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return nil, c.explain(err)
	}
	if err := c.refusal(res, b); err != nil {
		return nil, err
	}
	return b, nil
}

// refusal is the error that a reply stands for; nil for a 2xx of Elasticsearch.
func (c *Client) refusal(res *esapi.Response, b []byte) error {
	genuine := res.Header.Get(productHeader) == "Elasticsearch"
	switch {
	case res.StatusCode < 300 && genuine:
		return nil
	case res.StatusCode < 400 || !genuine && strangerStatus[res.StatusCode]:
		return fmt.Errorf("%w: %s answered %d without the header %s (OpenSearch, a proxy or something else); point it at Elasticsearch 8 or 9",
			ErrNotElasticsearch, c.Hosts(), res.StatusCode, productHeader)
	}
	e := &StatusError{Status: res.StatusCode, Genuine: genuine}
	e.Type, e.Reason = readError(b)
	if e.Status == http.StatusUnauthorized {
		return fmt.Errorf("%w: %w; check the API key, or user and password", ErrCredentials, e)
	}
	return e
}

// strangerStatus are the refusals that a proxy in front of Elasticsearch does
// not give, but another service does that was asked for something it lacks.
var strangerStatus = map[int]bool{400: true, 404: true, 405: true, 406: true, 415: true, 501: true}

// readError reads {"error":{"type":..,"reason":..}}, or {"error":"text"}.
func readError(b []byte) (kind, reason string) {
	var reply struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(b, &reply) != nil {
		return "", ""
	}
	var e itemError
	if json.Unmarshal(reply.Error, &e) == nil {
		return e.Type, e.Reason
	}
	_ = json.Unmarshal(reply.Error, &reason) // neither: no reason
	return "", reason
}

// StatusError is a reply other than 2xx.
type StatusError struct {
	Status       int
	Type, Reason string // as Elasticsearch says it; may be empty
	Genuine      bool   // the reply is Elasticsearch's own, not a proxy's
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("Elasticsearch answered %d", e.Status)
	if e.Type != "" {
		s += " " + e.Type
	}
	if e.Reason != "" {
		s += ": " + shorten(e.Reason, 300)
	}
	return s
}

// status is the HTTP status in err; 0 when there was no reply.
func status(err error) int {
	var e *StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// shorten cuts s to n bytes, at a rune.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
