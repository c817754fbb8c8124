package elastic

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// tlsConfig is how certificates are verified: the host's roots, a CA file, a
// fingerprint in place of both, or (spelled out) not at all.
func (c *Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.InsecureSkipVerify}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the CA file %s: no PEM certificate in it", c.CAFile)
		}
	}
	want, err := c.fingerprint()
	if err != nil || want == nil {
		return t, err
	}
	if c.CAFile != "" || c.InsecureSkipVerify {
		return nil, errors.New("a certificate fingerprint takes the place of a CA file and of skipping verification: keep one")
	}
	t.InsecureSkipVerify = true // VerifyConnection verifies instead, resumed sessions included
	t.VerifyConnection = func(s tls.ConnectionState) error {
		return verifyFingerprint(s, [32]byte(want))
	}
	return t, nil
}

// fingerprintError says which certificate came instead of the expected one.
type fingerprintError struct{ got, want [32]byte }

func (e *fingerprintError) Error() string {
	return fmt.Sprintf("the server's certificate has the fingerprint %x, expected %x", e.got, e.want)
}

// verifyFingerprint accepts a leaf with the fingerprint, or a leaf signed
// (through what the server sent) by a CA with it. A certificate that is merely
// sent along proves nothing: anybody can send it.
func verifyFingerprint(s tls.ConnectionState, want [32]byte) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate")
	}
	leaf := s.PeerCertificates[0]
	got := sha256.Sum256(leaf.Raw)
	if got == want {
		return nil
	}
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	found := false
	for _, cert := range s.PeerCertificates[1:] {
		if sha256.Sum256(cert.Raw) == want {
			roots.AddCert(cert)
			found = true
		} else {
			middle.AddCert(cert)
		}
	}
	if !found {
		return &fingerprintError{got, want}
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, DNSName: s.ServerName})
	return err
}
