package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// checkTimeout is how long a broker may take to show itself at start.
var checkTimeout = 5 * time.Second // tests shorten it

// Check asks whether the cluster answers with these addresses, this TLS and
// these credentials, for at most 5 s. The error wraps ErrUnreachable, ErrTLS,
// ErrCredentials or ErrTopicRefused and says what to do. A context of the
// caller's that ends first is its error.
func Check(ctx context.Context, c Config) error {
	return withAdmin(ctx, c, "connect to Kafka", func(ctx context.Context, _ *kadm.Client) error { return nil })
}

// EnsureTopics checks that every topic is there and may be described, and makes
// those that are missing when c.CreateTopics allows it. Its error names the
// first topic in the way and wraps ErrTopicMissing (not there, and not to be
// created), ErrTopicRefused or ErrTopicInvalid, or an error of Check.
func EnsureTopics(ctx context.Context, c Config, topics ...string) error {
	return withAdmin(ctx, c, "prepare Kafka topics", func(ctx context.Context, admin *kadm.Client) error {
		return ensureTopics(ctx, &c, admin, topics)
	})
}

func ensureTopics(ctx context.Context, c *Config, admin *kadm.Client, topics []string) error {
	missing, err := missingTopics(ctx, c, admin, topics)
	if err != nil || len(missing) == 0 {
		return err
	}
	if !c.CreateTopics.Allowed {
		return fmt.Errorf("find Kafka topic %s: %w: create it, or allow that missing topics are created", strings.Join(missing, ", "), ErrTopicMissing)
	}
	partitions, replicas := orBrokerDefault(c.CreateTopics.Partitions), orBrokerDefault(c.CreateTopics.Replicas)
	made, err := admin.CreateTopics(ctx, partitions, replicas, nil, missing...)
	if err != nil {
		return err
	}
	for _, t := range made.Sorted() {
		switch {
		case t.Err == nil, errors.Is(t.Err, kerr.TopicAlreadyExists): // another process of ours was faster
		case t.ErrMessage != "":
			return explain("create Kafka topic "+t.Topic, c, fmt.Errorf("%w (%s)", t.Err, t.ErrMessage))
		default:
			return explain("create Kafka topic "+t.Topic, c, t.Err)
		}
	}
	return awaitTopics(ctx, c, admin, topics)
}

func orBrokerDefault[T int16 | int32](n T) T {
	if n == 0 {
		return -1
	}
	return n
}

// missingTopics lists those of topics that the cluster does not have. A topic
// that may not be seen is an error.
func missingTopics(ctx context.Context, c *Config, admin *kadm.Client, topics []string) ([]string, error) {
	details, err := admin.ListTopics(ctx, topics...)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(topics))) {
		d, ok := details[name]
		switch {
		case !ok || errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			missing = append(missing, name)
		case d.Err != nil && !kerr.IsRetriable(d.Err):
			return nil, explain("find Kafka topic "+name, c, d.Err)
		}
	}
	return missing, nil
}

// awaitTopics waits until the cluster's metadata shows topics just made: a
// producer that asks too early is told that they are not there.
func awaitTopics(ctx context.Context, c *Config, admin *kadm.Client, topics []string) error {
	for {
		missing, err := missingTopics(ctx, c, admin, topics)
		if err != nil || len(missing) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for Kafka topic %s: %w: it was made and does not show; look at the cluster's controller, then start again",
				strings.Join(missing, ", "), ErrTopicMissing)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// withAdmin connects, authenticates and runs f, all within checkTimeout.
func withAdmin(ctx context.Context, c Config, verb string, f func(context.Context, *kadm.Client) error) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	c.Logger = nil // the error says all there is to say
	c = c.withDefaults()
	var link link
	opts, err := clientOptions(&c, &link)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	limited, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	client, err := kgo.NewClient(append(opts,
		kgo.RequestRetries(2),
		kgo.WithContext(limited), // or Close would wait for a broker that says nothing
		kgo.RequestTimeoutOverhead(checkTimeout-time.Second),
	)...)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	defer client.Close()

	if err = client.Ping(limited); err == nil {
		err = f(limited, kadm.NewClient(client))
	} else {
		err = pingError(&c, err, link.last())
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", verb, ctx.Err())
	case NotReady(err):
		return fmt.Errorf("%s at %s: %w", verb, strings.Join(c.Brokers, ","), err) // explained already
	}
	return explain(verb+" at "+strings.Join(c.Brokers, ","), &c, err)
}

// pingError is the first sign of a broker, failed with err, in one of our
// classes; met is what the latest connection met.
func pingError(c *Config, err, met error) error {
	if met != nil && errors.Is(err, context.DeadlineExceeded) {
		err = met // says more than that time is up
	}
	// A broker ends the connection on wrong credentials if it cannot say so.
	if c.SASL != nil && errors.Is(met, io.EOF) && !isDial(met) {
		return fmt.Errorf("%w: the connection ended while we authenticated: %w: check user name, password and mechanism", ErrCredentials, met)
	}
	if _, class := classify(c, err); class == nil {
		return fmt.Errorf("%w: %w: is a Kafka broker listening there?", ErrUnreachable, err)
	}
	return err
}
