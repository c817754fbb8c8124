package e2e

import (
	"bufio"
	"bytes"
	bits "encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// hostPair is a wire between a host with its default route over it and its
// gateway.
func hostPair(t *testing.T) (pair *veth.Pair, host, gateway netip.Addr) {
	t.Helper()
	host, gateway = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	pair = testnet.Pair(t, veth.Options{
		Addresses: [2][]netip.Prefix{{netip.PrefixFrom(host, 24)}, {netip.PrefixFrom(gateway, 24)}},
		Gateways:  [2]netip.Addr{gateway},
	})
	return pair, host, gateway
}

// conversation is a TCP connection from the host to a server behind its gateway
// that gives back each line.
type conversation struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

func converse(t *testing.T, pair *veth.Pair, server netip.Addr) *conversation {
	t.Helper()
	var listener net.Listener
	testnet.Do(t, pair.Ends[1], func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(server, 7).String())
		return err
	})
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if _, err := conn.Write(append(lines.Bytes(), '\n')); err != nil {
				return
			}
		}
	}()
	c := &conversation{t: t}
	testnet.Do(t, pair.Ends[0], func() (err error) {
		c.conn, err = net.DialTimeout("tcp", listener.Addr().String(), patience(5*time.Second))
		return err
	})
	t.Cleanup(func() { c.conn.Close() })
	c.reader = bufio.NewReader(c.conn)
	return c
}

// say wants line back soon.
func (c *conversation) say(line string) {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(patience(5 * time.Second)))
	_, err := c.conn.Write([]byte(line + "\n"))
	var got string
	if err == nil {
		got, err = c.reader.ReadString('\n')
	}
	if err != nil || got != line+"\n" {
		c.t.Fatalf("the connection over the captured interface gave %q, %v; want %q", got, err, line)
	}
}

// TestDefaultRouteStaysUsable captures the interface that the host's default
// route leads over, with no flags: a connection over it works before, during
// and after, and both its directions are seen.
func TestDefaultRouteStaysUsable(t *testing.T) {
	testnet.RequireRoot(t)
	pair, _, gateway := hostPair(t)
	c := converse(t, pair, gateway)
	c.say("before")
	capture := start(t, pair.Ends[0], "capture", "-i", pair.Ends[0].Name)
	capture.ready(t)
	for _, want := range []string{"engine afpacket", "AF_PACKET, because xcapa0 has the address 192.0.2.1/24", "--take-over uses AF_XDP and cuts the host off"} {
		if !strings.Contains(capture.words.String(), want) {
			t.Errorf("the banner does not say %q:\n%s", want, capture.words.String())
		}
	}
	c.say("during")
	for _, direction := range []string{"192.0.2.1.", "> 192.0.2.2.7:", "192.0.2.2.7 > 192.0.2.1."} {
		capture.says(t, direction)
	}
	capture.stop(t)
	c.say("after")
	if in := capture.final(t).Rooms[0].In; in < 2 {
		t.Errorf("the capture saw %d frames of a connection, want question and answer at least", in)
	}
}

// TestPycapaTutorial is the command line of Logisland's tutorial, which named
// pycapa, on an interface of the host's own.
func TestPycapaTutorial(t *testing.T) {
	testnet.RequireRoot(t)
	pair, host, gateway := hostPair(t)
	const topic = "logisland_input_packets_topic"
	addr := startBroker(t, pair.Ends[0], "1")
	c := converse(t, pair, gateway)
	c.say("before")
	before := time.Now()
	capture := startQuiet(t, pair.Ends[0], "pycapa", "--producer", "--kafka", addr, "--topic", topic, "-i", pair.Ends[0].Name)
	capture.says(t, "engine afpacket")
	c.say("during")
	records := consumeRecords(t, pair.Ends[0], addr, topic, 3)
	capture.stop(t)
	c.say("after")
	directions := map[netip.Addr]int{}
	for _, r := range records {
		micros := bits.BigEndian.Uint64(r.Key)
		if at := time.UnixMicro(int64(micros)); len(r.Key) != 8 || at.Before(before) || at.After(time.Now()) {
			t.Errorf("key %x: want the microseconds since 1970, big endian, between %v and now", r.Key, before)
		}
		if ip := r.Value[12:14]; !bytes.Equal(ip, []byte{8, 0}) || len(r.Value) < 34 {
			continue // ARP
		}
		source, _ := netip.AddrFromSlice(r.Value[26:30])
		directions[source]++
	}
	if directions[host] == 0 || directions[gateway] == 0 {
		t.Errorf("frames by source address: %v; want both directions", directions)
	}
}
