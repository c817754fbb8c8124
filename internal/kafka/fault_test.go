package kafka

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"xcapa/internal/ledger"
	"xcapa/internal/message"
)

// freePort is a port nobody listens on now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// wantOnce checks that every acknowledged value is in the topic, exactly once.
func wantOnce(t *testing.T, c *kfake.Cluster, acked []string) {
	t.Helper()
	values, _ := readAll(t, c, len(acked))
	for _, v := range acked {
		if values[v] != 1 {
			t.Errorf("%q was acknowledged and is in the topic %d times", v, values[v])
		}
	}
	for v, n := range values {
		if n > 1 {
			t.Errorf("%q is in the topic %d times", v, n)
		}
	}
}

// acks collects the values that were acknowledged.
type acks struct {
	mu     sync.Mutex
	values []string
	lost   int
}

func (a *acks) message(v string) *message.Message {
	return &message.Message{Topic: topic, Value: []byte(v), Packets: 1, Done: func(m *message.Message, err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if err == nil {
			a.values = append(a.values, string(m.Value))
		} else {
			a.lost++
		}
	}}
}

func (a *acks) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.values)
}

// TestBrokerComesLater: nobody listens at start, the buffer takes what fits and
// drops the newest, and is delivered when the broker is there.
func TestBrokerComesLater(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	config := Config{Brokers: []string{"127.0.0.1:" + strconv.Itoa(port)}, MaxBufferedBytes: 1 << 20}
	p := newProducer(t, config)
	y := newTally(t)
	const n = 4000
	for i := range n {
		p.TryProduce(y.message(value(i)))
	}
	kept := n - y.counts()[ledger.BufferFull]
	if kept == 0 || kept == n {
		t.Fatalf("%d of %d messages are kept, want some", kept, n)
	}
	deadline := time.Now().Add(5 * time.Second)
	for p.Health() == nil && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if !NotReady(p.Health()) {
		t.Errorf("Health is %v with no broker", p.Health())
	}
	newCluster(t, kfake.Ports(port), kfake.SeedTopics(4, topic))
	up := time.Now()
	if err := p.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(up); took > 5*time.Second {
		t.Errorf("the buffer was delivered %v after the broker came, want within 5 s", took)
	}
	if err := p.Health(); err != nil {
		t.Errorf("Health is %v with a broker", err)
	}
	if err := p.Close(within(t, time.Second)); err != nil {
		t.Fatal(err)
	}
	if r := wantBalanced(t, p, n, y.counts()); r.Out != kept {
		t.Errorf("%d were acknowledged, want the %d that were kept", r.Out, kept)
	}
}

// TestBrokerDies takes the leader of every partition away in turn and brings it
// back, while messages come in.
func TestBrokerDies(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(6, topic))
	p := newProducer(t, configFor(c))
	var a acks
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var sent int
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				p.TryProduce(a.message(value(sent)))
				sent++
			}
		}
	})
	for node := range int32(3) {
		time.Sleep(150 * time.Millisecond)
		if err := c.RemoveNode(node); err != nil {
			t.Fatal(err)
		}
		before := a.count()
		deadline := time.Now().Add(5 * time.Second)
		for a.count() < before+100 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		if a.count() < before+100 {
			t.Errorf("after broker %d went, only %d messages were acknowledged within 5 s", node, a.count()-before)
		}
		if _, _, err := c.AddNode(node, 0); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	if err := p.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if a.lost > 0 || a.count() != sent {
		t.Errorf("%d of %d messages were acknowledged, %d failed: %v", a.count(), sent, a.lost, p.LastError())
	}
	wantOnce(t, c, a.values)
}

// TestUnsteadyLeaders answers one produce request in five with NOT_LEADER, cuts
// the connection of one in five, and shuffles the leaders all the time.
func TestUnsteadyLeaders(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(6, topic))
	var requests atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if requests.Add(1)%5 == 1 {
			return nil, net.ErrClosed, true // ends the connection
		}
		return nil, nil, false
	})
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1,
		When: func(kmsg.Request) bool { return requests.Load()%5 == 3 }})
	p := newProducer(t, configFor(c))
	var a acks
	const n = 2000
	for i := range n {
		p.TryProduce(a.message(value(i)))
		if i%100 == 0 {
			c.ShufflePartitionLeaders()
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := p.Close(within(t, 15*time.Second)); err != nil {
		t.Fatal(err)
	}
	if a.count() != n {
		t.Errorf("%d of %d messages were acknowledged: %v", a.count(), n, p.LastError())
	}
	wantOnce(t, c, a.values)
}

// TestLostAnswers ends connections instead of writing a third of the answers of
// the broker: the batch is stored and nobody was told. It is sent again and
// must not be stored again.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	lossy := &lossyListener{}
	c := newCluster(t, kfake.SeedTopics(6, topic), kfake.ListenFn(lossy.listen))
	lossy.dropEvery.Store(3)
	p := newProducer(t, configFor(c))
	var a acks
	const n = 3000
	for i := range n {
		p.TryProduce(a.message(value(i)))
		if i%20 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if err := p.Flush(within(t, 15*time.Second)); err != nil {
		t.Fatal(err)
	}
	lossy.dropEvery.Store(0)
	if err := p.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if lossy.dropped.Load() < 2 {
		t.Errorf("only %d answers were lost, want at least 2", lossy.dropped.Load())
	}
	if a.count() != n {
		t.Errorf("%d of %d messages were acknowledged: %v", a.count(), n, p.LastError())
	}
	t.Logf("%d answers lost", lossy.dropped.Load())
	wantOnce(t, c, a.values)
}

// lossyListener's connections end instead of writing one answer in dropEvery, by
// chance: else the tries of a client could fall in step with it. 0: they write
// all.
type lossyListener struct {
	dropEvery, dropped atomic.Int64
}

func (l *lossyListener) listen(network, address string) (net.Listener, error) {
	inner, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &acceptor{inner, l}, nil
}

type acceptor struct {
	net.Listener
	lossy *lossyListener
}

func (a *acceptor) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lossyConn{c, a.lossy}, nil
}

type lossyConn struct {
	net.Conn
	lossy *lossyListener
}

func (c *lossyConn) Write(b []byte) (int, error) {
	if every := c.lossy.dropEvery.Load(); every > 0 && rand.Int64N(every) == 0 {
		c.lossy.dropped.Add(1)
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// TestDeliveryTimeout: with a limit, a message that cannot be delivered fails
// and gives its room back.
func TestDeliveryTimeout(t *testing.T) {
	t.Parallel()
	p := newProducer(t, Config{Brokers: []string{"127.0.0.1:" + strconv.Itoa(freePort(t))}, DeliveryTimeout: time.Second})
	y := newTally(t)
	for i := range 10 {
		p.TryProduce(y.message(value(i)))
	}
	if err := p.Flush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := y.counts()[ledger.DeliveryFailed]; got != 10 {
		t.Errorf("%d of 10 messages are delivery_failed", got)
	}
	p.Close(within(t, time.Second))
	wantBalanced(t, p, 10, y.counts())
}

// TestTopicRecreatedWhileProducing: a topic that is deleted and made again must
// be written again without a restart; what is lost in between is counted.
func TestTopicRecreatedWhileProducing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, topic))
	p := newProducer(t, configFor(c))
	y := newTally(t)
	send := func() (delivered bool) {
		before := y.counts()[""]
		p.TryProduce(y.message("x"))
		if err := p.Flush(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		return y.counts()[""] > before
	}
	if !send() {
		t.Fatalf("the first message was not delivered: %v", p.LastError())
	}
	if err := c.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(topic, 2, nil); err != nil {
		t.Fatal(err)
	}
	sent := uint64(1)
	for deadline := time.Now().Add(10 * time.Second); ; sent++ {
		if send() {
			sent++
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing is delivered to the new topic: %v", p.LastError())
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.Close(within(t, 5*time.Second))
	r := wantBalanced(t, p, sent, y.counts())
	t.Logf("%d lost on the way", r.Dropped[ledger.DeliveryFailed])
}

// TestDropDoesNotAllocate: hours without a broker are as this: the buffer is full
// and every message more costs nothing and is counted.
func TestDropDoesNotAllocate(t *testing.T) {
	p := newProducer(t, Config{Brokers: []string{"127.0.0.1:1"}, MaxBufferedBytes: 1 << 20})
	m := &message.Message{Topic: topic, Value: make([]byte, 140_000), Packets: 1024, Done: func(*message.Message, error) {}}
	for p.Room().Dropped[ledger.BufferFull] == 0 {
		p.TryProduce(m)
	}
	if n := testing.AllocsPerRun(1000, func() { p.TryProduce(m) }); n > 0 {
		t.Errorf("a dropped message costs %v allocations, want none", n)
	}
}
