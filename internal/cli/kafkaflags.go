package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"xcapa/internal/kafka"
)

// kafkaFlags are the flags of every command that talks to Kafka.
type kafkaFlags struct {
	brokers       []string
	tls           bool
	tlsCA         string
	tlsCert       string
	tlsKey        string
	tlsInsecure   bool
	saslMechanism string
	user          string
	passwordFile  string
	properties    []string
	requireOK     bool
}

// password comes from the environment or a file, never from the command line.
const passwordEnv = "XCAPA_KAFKA_PASSWORD"

func (k *kafkaFlags) register(cmd *cobra.Command) {
	defer group(cmd, "Kafka connection")()
	f := cmd.Flags()
	f.StringSliceVar(&k.brokers, "brokers", nil, "Kafka brokers, `HOST:PORT,...`")
	f.BoolVar(&k.tls, "tls", false, "connect to the brokers with TLS")
	f.StringVar(&k.tlsCA, "tls-ca", "", "PEM `FILE` with the CA of the brokers (implies --tls)")
	f.StringVar(&k.tlsCert, "tls-cert", "", "PEM `FILE` with the client certificate")
	f.StringVar(&k.tlsKey, "tls-key", "", "PEM `FILE` with the client key")
	f.BoolVar(&k.tlsInsecure, "tls-insecure", false, "do not verify the brokers' certificate (only for tests)")
	f.StringVar(&k.saslMechanism, "sasl-mechanism", "", "`PLAIN`, SCRAM-SHA-256 or SCRAM-SHA-512")
	f.StringVar(&k.user, "kafka-user", "", "SASL user `NAME`")
	f.StringVar(&k.passwordFile, "kafka-password-file", "", "`FILE` with the SASL password (or environment "+passwordEnv+")")
	f.StringArrayVarP(&k.properties, "property", "X", nil, "Kafka client `PROPERTY=VALUE` under librdkafka's name; repeatable")
	f.BoolVar(&k.requireOK, "require-healthy", false, "fail at start (exit 5) when the brokers do not answer")
}

// hasBrokers reports whether brokers are named, here or among the properties.
func (k *kafkaFlags) hasBrokers() bool {
	return len(k.brokers) > 0 || slices.ContainsFunc(k.properties, func(p string) bool {
		return strings.HasPrefix(p, "bootstrap.servers=") || strings.HasPrefix(p, "metadata.broker.list=")
	})
}

// config builds the client configuration; lookup reads the environment.
func (k *kafkaFlags) config(lookup func(string) (string, bool)) (kafka.Config, error) {
	c := kafka.Config{Brokers: k.brokers}
	if k.tls || k.tlsCA != "" || k.tlsCert != "" || k.tlsInsecure {
		c.TLS = &kafka.TLS{CAFile: k.tlsCA, CertFile: k.tlsCert, KeyFile: k.tlsKey, Insecure: k.tlsInsecure}
	}
	if k.saslMechanism != "" || k.user != "" {
		c.SASL = &kafka.SASL{Mechanism: k.saslMechanism, User: k.user, PasswordFile: k.passwordFile}
		if p, ok := lookup(passwordEnv); ok {
			c.SASL.Password = p
		}
	}
	for _, p := range k.properties {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return c, usageErrorf("-X %s: want PROPERTY=VALUE, as in -X linger.ms=5", p)
		}
		if err := kafka.SetProperty(&c, name, value); err != nil {
			return c, withCode(exitUsage, err)
		}
	}
	if err := c.Validate(); err != nil {
		return c, withCode(exitUsage, err)
	}
	return c, nil
}

// kafkaError gives an error of the client the exit code it stands for.
func kafkaError(err error) error {
	if err == nil {
		return nil
	}
	if kafka.NotReady(err) {
		return withCode(exitUnreachable, err)
	}
	return fmt.Errorf("kafka: %w", err)
}
