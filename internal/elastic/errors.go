package elastic

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
)

// What can be wrong with a server, for callers that branch on it.
var (
	ErrUnreachable      = errors.New("Elasticsearch cannot be reached")
	ErrTLS              = errors.New("TLS with Elasticsearch does not work")
	ErrCredentials      = errors.New("Elasticsearch does not take the credentials")
	ErrNotElasticsearch = errors.New("the server is not Elasticsearch")
	ErrMapping          = errors.New("the index has another mapping")
	ErrTemplate         = errors.New("the index template is not installed")
)

// IsUnreachable reports whether err says that the destination cannot be used as
// it stands: away, behind other certificates or credentials, something else.
func IsUnreachable(err error) bool {
	for _, e := range []error{ErrUnreachable, ErrTLS, ErrCredentials, ErrNotElasticsearch} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// explain puts a transport error into one of the classes above, with what to do.
func (c *Client) explain(err error) error {
	var (
		unknown *x509.UnknownAuthorityError
		name    *x509.HostnameError
		invalid *x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		dns     *net.DNSError
		finger  *fingerprintError
	)
	where := c.Hosts()
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &finger):
		return fmt.Errorf("%w: %w; compare with openssl x509 -fingerprint -sha256", ErrTLS, err)
	case errors.As(err, &unknown), errors.As(err, &verify) && !errors.As(err, &name) && !errors.As(err, &invalid):
		return fmt.Errorf("%w: %w; give the CA's file or its fingerprint", ErrTLS, err)
	case errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &alert):
		return fmt.Errorf("%w: %w; the certificate must be valid now and name the host", ErrTLS, err)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%w: %s speaks plain HTTP; use http://, or the port that speaks TLS", ErrTLS, where)
	case errors.As(err, &dns):
		return fmt.Errorf("%w: %w; check the host name", ErrUnreachable, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing listens at %s; is it started, and is 9200 its port? (%w)", ErrUnreachable, where, err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %s closed the connection without an answer; does the port want https://? (%w)", ErrUnreachable, where, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer from %s in time; is a firewall between? (%w)", ErrUnreachable, where, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}
