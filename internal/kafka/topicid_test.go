package kafka

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestTopicIDChangesWithTheTopic(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	config := Config{Brokers: c.ListenAddrs()}
	first, err := TopicID(t.Context(), config, topic)
	if err != nil || len(first) != 32 {
		t.Fatalf("TopicID = %q, %v; want 32 hex digits", first, err)
	}
	if again, err := TopicID(t.Context(), config, topic); err != nil || again != first {
		t.Errorf("asked again: %q, %v; want %q", again, err, first)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	if _, err := admin.DeleteTopics(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	if id, err := TopicID(t.Context(), config, topic); !errors.Is(err, ErrTopicMissing) {
		t.Errorf("without the topic: %q, %v; want ErrTopicMissing", id, err)
	}
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	if second, err := TopicID(t.Context(), config, topic); err != nil || second == first {
		t.Errorf("created anew: %q, %v; want another id than before", second, err)
	}
}
