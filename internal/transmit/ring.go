package transmit

import (
	"time"

	"xcapa/internal/capture/afxdp"
)

// patience with a queue that a socket just closed still holds, where a packet
// socket does as well: the kernel lets go of it within 0.4 s.
const patience = 700 * time.Millisecond

// ringPort is an AF_XDP TX ring.
type ringPort struct{ *afxdp.Transmitter }

// openRing opens the TX ring of queue 0. insist takes all the time for it.
func openRing(l *link, insist bool) (ringPort, error) {
	c := afxdp.TransmitConfig{Interface: l.name, LongestFrame: l.mtu + ethernetLen + vlanTagLen}
	if !insist {
		c.Patience = patience
	}
	t, err := afxdp.OpenTransmitter(c)
	return ringPort{t}, err
}

func (p ringPort) put(frame []byte) bool { return p.Put(frame) }

func (p ringPort) kick() (left int, err error) {
	left, err = p.Kick()
	p.Reap()
	return left, err
}

func (p ringPort) done() (finished, refused uint64) { return p.Finished(), p.Refused() }

func (p ringPort) close() error { return p.Close() }
