package kafka

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// TLS says how the broker proves who it is, and how we do. The zero value
// verifies the broker against the system's CAs.
type TLS struct {
	CAFile      string // PEM; "" = the system's CAs
	CertFile    string // PEM, our certificate; with KeyFile
	KeyFile     string // PEM, its private key
	Fingerprint string // SHA-256 of the broker's certificate, or of a CA in its chain: 64 hex digits, colons allowed
	ServerName  string // name to verify; "" = the host of the address
	Insecure    bool   // verify nothing: anyone on the path can read and change what is sent
}

// config makes the client's TLS settings, reading the files.
func (t *TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA file %s holds no PEM certificate", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("client certificate and key belong together: give both files or none")
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load client certificate %s: %w", t.CertFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if t.Fingerprint != "" {
		sum, err := parseFingerprint(t.Fingerprint)
		if err != nil {
			return nil, err
		}
		c.InsecureSkipVerify = true // VerifyConnection does it, against the fingerprint
		c.VerifyConnection = func(s tls.ConnectionState) error { return verifyFingerprint(s, sum) }
	}
	if t.Insecure {
		c.InsecureSkipVerify, c.VerifyConnection = true, nil
	}
	return c, nil
}

func parseFingerprint(s string) ([sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(s), ":", ""))
	if err != nil || len(b) != len(sum) {
		return sum, fmt.Errorf("TLS fingerprint %q is not the 64 hex digits of a SHA-256: see `openssl x509 -fingerprint -sha256`", s)
	}
	return [sha256.Size]byte(b), nil
}

var errFingerprint = errors.New("no certificate of the broker has the given fingerprint")

// verifyFingerprint accepts the broker's own certificate by its fingerprint
// alone, or a CA of its chain if the certificate is valid under that CA for the
// name we dialled.
func verifyFingerprint(s tls.ConnectionState, sum [sha256.Size]byte) error {
	for i, cert := range s.PeerCertificates {
		if sha256.Sum256(cert.Raw) != sum {
			continue
		}
		if i == 0 {
			return nil
		}
		opts := x509.VerifyOptions{DNSName: s.ServerName, Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
		opts.Roots.AddCert(cert)
		for _, c := range s.PeerCertificates[1:] {
			opts.Intermediates.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(opts)
		return err
	}
	return errFingerprint
}

// SASL is who we are to the broker. Password, or the content of PasswordFile;
// neither is ever printed: String and LogValue mask them.
type SASL struct {
	Mechanism    string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	User         string
	Password     string
	PasswordFile string
}

// The mechanisms we speak.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// String names the mechanism and the user.
func (s SASL) String() string { return s.Mechanism + " as " + s.User }

// GoString keeps the password out of %#v.
func (s SASL) GoString() string { return "kafka.SASL{" + s.String() + "}" }

// LogValue keeps the password out of structured logs.
func (s SASL) LogValue() slog.Value { return slog.StringValue(s.String()) }

// mechanism makes the client's authenticator, reading the password file.
func (s *SASL) mechanism() (sasl.Mechanism, error) {
	var errs []error
	password := s.Password
	switch {
	case s.Password != "" && s.PasswordFile != "":
		errs = append(errs, errors.New("password and password file are both given: choose one"))
	case s.PasswordFile != "":
		p, err := readSecret(s.PasswordFile)
		errs = append(errs, err)
		password = p
	case s.Password == "":
		errs = append(errs, fmt.Errorf("SASL %s needs a password: give it in a file or the environment", s.Mechanism))
	}
	if s.User == "" {
		errs = append(errs, fmt.Errorf("SASL %s needs a user name", s.Mechanism))
	}
	var m sasl.Mechanism
	switch strings.ToUpper(s.Mechanism) {
	case Plain:
		m = plain.Auth{User: s.User, Pass: password}.AsMechanism()
	case ScramSHA256:
		m = scram.Auth{User: s.User, Pass: password}.AsSha256Mechanism()
	case ScramSHA512:
		m = scram.Auth{User: s.User, Pass: password}.AsSha512Mechanism()
	case "GSSAPI":
		errs = append(errs, errGSSAPI)
	default:
		errs = append(errs, fmt.Errorf("SASL mechanism %q is not known: choose %s, %s or %s", s.Mechanism, Plain, ScramSHA256, ScramSHA512))
	}
	return m, errors.Join(errs...)
}

var errGSSAPI = fmt.Errorf("GSSAPI (Kerberos) is not supported: ask for a %s or %s user on the broker's SASL listener", ScramSHA512, Plain)
