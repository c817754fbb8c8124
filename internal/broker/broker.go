package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Run serves until ctx ends, and returns nil then. An error is about starting:
// the configuration, the port, the data directory. While it runs, Go's memory
// limit of the process is its own: give it a process.
func Run(ctx context.Context, c Config) (err error) {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.withDefaults()
	if c.DataDir == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(c.heap()))
	}
	gate := newGate(c.budget())
	cluster, err := start(c, gate)
	if err != nil {
		return err
	}
	defer cluster.Close()
	addr := cluster.ListenAddrs()[0]
	keep, err := newKeeper(c, cluster, gate, addr)
	if err != nil {
		return fmt.Errorf("start embedded broker: %w", err)
	}
	defer keep.close()
	if err := keep.trim(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("start embedded broker: %w", err)
	}
	if c.PortFile != "" {
		if err := writePortFile(c.PortFile, addr); err != nil {
			return fmt.Errorf("start embedded broker: %w", err)
		}
		defer os.Remove(c.PortFile)
	}
	if c.Ready != nil {
		c.Ready(addr)
	}
	keep.run(ctx)
	return nil
}

// start opens the listener and the log.
func start(c Config, gate *gate) (*kfake.Cluster, error) {
	port, err := c.port()
	if err != nil {
		return nil, err
	}
	if c.DataDir != "" {
		if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("open the embedded broker's data directory: %w", err)
		}
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("xcapa-embedded"),
		kfake.ListenFn(func(_, _ string) (net.Listener, error) { return listen(port) }),
		kfake.DefaultNumPartitions(c.Partitions),
		kfake.SeedTopics(int32(c.Partitions), c.Topics...),
		kfake.BrokerConfigs(map[string]string{"log.segment.bytes": strconv.FormatInt(c.segmentBytes(), 10)}),
	}
	if c.DataDir != "" {
		opts = append(opts, kfake.DataDir(c.DataDir))
	}
	if c.Discard {
		opts = append(opts, kfake.BlackholeProduce())
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("start embedded broker on %s: %w", c.Listen, err)
	}
	if !c.Discard { // nothing held, nothing to refuse: the gate would never see it get less
		cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1, When: gate.refuses,
		})
	}
	if err := makeTopics(c, cluster); err != nil {
		cluster.Close()
		return nil, err
	}
	return cluster, nil
}

// makeTopics makes the rings, and the topics that a data directory of an
// earlier run does not know: kfake seeds none into those.
func makeTopics(c Config, cluster *kfake.Cluster) error {
	for _, topic := range c.Topics {
		if err := makeTopic(c, cluster, topic, nil); err != nil {
			return err
		}
	}
	for _, topic := range c.Rings {
		each := c.budget() / 8 / int64(len(c.Rings)*c.Partitions)
		keep := map[string]string{
			"retention.bytes": strconv.FormatInt(each, 10),
			"segment.bytes":   strconv.FormatInt(min(c.segmentBytes(), max(each/4, 64<<10)), 10),
		}
		if err := makeTopic(c, cluster, topic, keep); err != nil {
			return err
		}
	}
	return nil
}

func makeTopic(c Config, cluster *kfake.Cluster, topic string, configs map[string]string) error {
	err := cluster.CreateTopic(topic, int32(c.Partitions), configs)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("make topic %s in the embedded broker: %w", topic, err)
	}
	return nil
}

// writePortFile makes path hold addr, at once: who waits for the file never
// reads half of it.
func writePortFile(path, addr string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".port-*")
	if err != nil {
		return fmt.Errorf("write port file: %w", err)
	}
	_, err = tmp.WriteString(addr + "\n")
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("write port file: %w", err)
	}
	return nil
}
