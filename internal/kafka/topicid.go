package kafka

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
)

// TopicID returns the id that the cluster drew for a topic when it was created,
// 32 hex digits: it tells a topic from an older one of the same name, whose
// offsets mean something else. Errors are those of Check, or wrap
// ErrTopicMissing.
func TopicID(ctx context.Context, c Config, topic string) (id string, err error) {
	verb := "find the id of Kafka topic " + topic
	err = withAdmin(ctx, c, verb, func(ctx context.Context, admin *kadm.Client) error {
		details, err := admin.ListTopics(ctx, topic)
		if err != nil {
			return err
		}
		d, ok := details[topic]
		if !ok {
			return fmt.Errorf("%s: %w", verb, ErrTopicMissing)
		}
		if d.Err != nil {
			return explain(verb, &c, d.Err)
		}
		id = hex.EncodeToString(d.ID[:])
		return nil
	})
	return id, err
}
