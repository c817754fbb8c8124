package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"xcapa/internal/ledger"
)

// What can be wrong with a destination; the errors of this package wrap one of
// them where it applies. Their text is only the class: the wrapping error says
// what happened and what to do.
var (
	ErrUnreachable    = errors.New("Kafka not reachable")
	ErrTLS            = errors.New("TLS to Kafka failed")
	ErrCredentials    = errors.New("Kafka refused the credentials")
	ErrTopicMissing   = errors.New("Kafka topic missing")
	ErrTopicRefused   = errors.New("Kafka refused access")
	ErrTopicInvalid   = errors.New("Kafka refused to create the topic")
	ErrTopicRecreated = errors.New("Kafka topic was deleted and created again")
	ErrFenced         = errors.New("Kafka shut this producer out")
)

// ErrRebalanced is a commit's answer when the group has given the partitions to
// someone else, or is about to. Nothing is wrong: what was not committed is
// delivered again, to whoever owns the partition then.
var ErrRebalanced = errors.New("the consumer group is rebalancing")

// Why a message was not delivered; Reason tells them apart.
var (
	ErrBufferFull = errors.New("producer buffer is full")
	ErrTooLarge   = errors.New("message is too large")
	ErrClosed     = errors.New("closed before the broker acknowledged")
)

// NotReady reports whether err is about a destination that cannot be used now,
// which is exit status 5 at start, and not about how it was configured.
func NotReady(err error) bool {
	for _, class := range []error{ErrUnreachable, ErrTLS, ErrCredentials, ErrTopicMissing, ErrTopicRefused, ErrTopicInvalid, ErrTopicRecreated} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// Reason is the ledger's reason for a message that Done got err for; "" for nil.
func Reason(err error) ledger.Reason {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrBufferFull):
		return ledger.BufferFull
	case errors.Is(err, ErrTooLarge), errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return ledger.TooLarge
	case errors.Is(err, ErrClosed), errors.Is(err, kgo.ErrClientClosed):
		return ledger.Shutdown
	}
	return ledger.DeliveryFailed
}

// explain turns an error of the client into one that a person can act on:
// "<verb phrase>: <class>: <what happened>: <what to do>". It keeps err in the
// chain. Errors it does not know pass with the verb phrase alone.
func explain(verb string, c *Config, err error) error {
	if err == nil {
		return nil
	}
	advice, class := classify(c, err)
	if class == nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return fmt.Errorf("%s: %w: %w: %s", verb, class, err, advice)
}

// classify finds the class of err and the advice for it. The order matters: a
// TLS failure is also a network error, a refused topic is also a broker's
// answer.
func classify(c *Config, err error) (advice string, class error) {
	switch {
	case strings.Contains(err.Error(), "is SASL missing") && c.SASL == nil:
		return "the port wants SASL: give a user, and security.protocol=sasl_ssl or sasl_plaintext", ErrCredentials
	case isTLS(err), c.TLS != nil && isHandshake(err):
		return tlsAdvice(c, err), ErrTLS
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.IllegalSaslState), isSCRAM(err):
		return "check user name, password and mechanism (sasl.username, sasl.password, sasl.mechanisms)", ErrCredentials
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "the broker does not offer this sasl.mechanisms on this port; try SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", ErrCredentials
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return "the user needs the ACLs WRITE and DESCRIBE on the topics it writes, READ on those it reads, or the name is wrong", ErrTopicRefused
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return "the user needs the ACL READ on the consumer group", ErrTopicRefused
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "the user needs the ACL CREATE to make topics, or create them beforehand", ErrTopicRefused
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return "the user needs the ACLs WRITE and DESCRIBE on the transactional id", ErrTopicRefused
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch):
		return "another process has started with the same transactional id, or this one was away for too long; give each process an id of its own", ErrFenced
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		return "start again to work with the new topic; what the old one held is gone", ErrTopicRecreated
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return "create it, or allow that missing topics are created", ErrTopicMissing
	case errors.Is(err, kerr.InvalidReplicationFactor), errors.Is(err, kerr.InvalidPartitions),
		errors.Is(err, kerr.InvalidTopicException), errors.Is(err, kerr.PolicyViolation):
		return "choose other replicas, partitions or name", ErrTopicInvalid
	case errors.Is(err, context.DeadlineExceeded), isNetwork(err):
		return unreachableAdvice(c), ErrUnreachable
	}
	return "", nil
}

// isTLS recognises the three ways TLS goes wrong: we distrust the broker, the
// broker distrusts us, or only one side speaks TLS. The last reaches us as text
// of the client only.
func isTLS(err error) bool {
	var (
		verify  *tls.CertificateVerificationError
		header  tls.RecordHeaderError
		alert   tls.AlertError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		eof     *kgo.ErrFirstReadEOF
	)
	switch {
	case errors.As(err, &verify), errors.As(err, &header), errors.As(err, &alert),
		errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid), errors.Is(err, errFingerprint):
		return true
	case errors.As(err, &eof):
		return true // the client's guess is in its text; see tlsAdvice
	}
	text := err.Error()
	return strings.Contains(text, "tls alert record") || strings.Contains(text, "tls: ") || strings.Contains(text, "x509: ")
}

func unreachableAdvice(c *Config) string {
	advice := "is a broker running at " + strings.Join(c.Brokers, ",") + ", and is it the right address and port?"
	if c.TLS != nil {
		advice += " A port without TLS looks like this too"
	}
	return advice
}

func tlsAdvice(c *Config, err error) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		eof     *kgo.ErrFirstReadEOF
	)
	switch {
	case errors.Is(err, errFingerprint):
		return "check the fingerprint with `openssl s_client -connect " + first(c.Brokers) + " | openssl x509 -fingerprint -sha256`"
	case errors.As(err, &unknown):
		return "name the CA that signed the broker's certificate (ssl.ca.location)"
	case errors.As(err, &host):
		return "use the name in the broker's certificate as its address"
	case errors.As(err, &eof) && c.TLS == nil:
		return "the port may want TLS or SASL: set security.protocol to ssl, sasl_plaintext or sasl_ssl"
	case errors.As(err, &eof):
		return "the port may want SASL (security.protocol=sasl_ssl), a client certificate, or no TLS at all"
	case c.TLS == nil:
		return "the broker speaks TLS on this port: set security.protocol=ssl"
	}
	return "does the broker speak TLS on this port, and with a certificate of the CA given?"
}

// isSCRAM recognises a server that could not prove that it knows our password,
// and the ways its challenge is refused by us.
func isSCRAM(err error) bool { return strings.Contains(err.Error(), "SASL") }

// isDial recognises an error of the client's dialling, TLS handshake included.
func isDial(err error) bool { return strings.HasPrefix(err.Error(), "unable to dial") }

// isHandshake recognises a connection that the broker ended after it had taken
// it and before the TLS handshake was over.
func isHandshake(err error) bool {
	var op *net.OpError
	return isDial(err) && (errors.Is(err, io.EOF) || errors.As(err, &op) && op.Op == "read")
}

func isNetwork(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) || errors.As(err, &dns) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
