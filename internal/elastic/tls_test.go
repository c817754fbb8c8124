package elastic

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"
)

// issue makes a certificate for host, signed by parent or by itself.
func issue(t *testing.T, host string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true}
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// TestFingerprint: the fingerprint of a CA is good for what the CA signed, and
// not for a stranger who sends the CA's certificate along.
func TestFingerprint(t *testing.T) {
	ca, caKey := issue(t, "ca", nil, nil)
	leaf, _ := issue(t, "es.example", ca, caKey)
	stranger, _ := issue(t, "es.example", nil, nil)
	for _, tc := range []struct {
		name  string
		chain []*x509.Certificate
		host  string
		pin   *x509.Certificate
		good  bool
	}{
		{"leaf", []*x509.Certificate{leaf}, "es.example", leaf, true},
		{"self_signed", []*x509.Certificate{stranger}, "es.example", stranger, true},
		{"ca", []*x509.Certificate{leaf, ca}, "es.example", ca, true},
		{"ca_other_host", []*x509.Certificate{leaf, ca}, "other.example", ca, false},
		{"ca_not_sent", []*x509.Certificate{leaf}, "es.example", ca, false},
		{"stranger_with_ca_along", []*x509.Certificate{stranger, ca}, "es.example", ca, false},
		{"stranger_with_leaf_along", []*x509.Certificate{stranger, leaf}, "es.example", leaf, false},
		{"nothing", nil, "es.example", leaf, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := verifyFingerprint(tls.ConnectionState{PeerCertificates: tc.chain, ServerName: tc.host}, sha256.Sum256(tc.pin.Raw))
			if (err == nil) != tc.good {
				t.Errorf("verifyFingerprint: %v, want it good: %v", err, tc.good)
			}
		})
	}
}
