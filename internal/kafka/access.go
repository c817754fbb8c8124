package kafka

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Access is what the cluster has of a topic, and what it lets us do with it.
type Access struct {
	Topic      string
	Err        error // wraps ErrTopicMissing or ErrTopicRefused; the rest is then zero
	Partitions int
	Said       bool // the cluster told what is allowed (Kafka 2.3)
	Read       bool
	Write      bool
}

// LookAt asks for topics and changes nothing, within 5 s. The error is one of
// Check's; what is wrong with one topic is in its Access.
func LookAt(ctx context.Context, c Config, topics ...string) (all []Access, err error) {
	err = withAdmin(ctx, c, "look at Kafka topics", func(ctx context.Context, admin *kadm.Client) error {
		m, err := admin.Metadata(kadm.WithAuthorizedOps(ctx), topics...)
		if err != nil {
			return err
		}
		for _, topic := range topics {
			all = append(all, access(&c, topic, m.Topics[topic]))
		}
		return nil
	})
	return all, err
}

func access(c *Config, topic string, d kadm.TopicDetail) Access {
	a := Access{Topic: topic}
	switch {
	case d.Topic == "": // not in the answer
		a.Err = explain("find Kafka topic "+topic, c, kerr.UnknownTopicOrPartition)
	case d.Err != nil && !errors.Is(d.Err, kerr.LeaderNotAvailable):
		a.Err = explain("find Kafka topic "+topic, c, d.Err)
	default:
		a.Partitions = len(d.Partitions)
		allowed := func(op kmsg.ACLOperation) bool {
			return slices.Contains(d.AuthorizedOperations, op) || slices.Contains(d.AuthorizedOperations, kmsg.ACLOperationAll)
		}
		a.Said = len(d.AuthorizedOperations) > 0
		a.Read, a.Write = allowed(kmsg.ACLOperationRead), allowed(kmsg.ACLOperationWrite)
	}
	return a
}
