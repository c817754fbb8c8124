package afxdp

import (
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"

	"xcapa/bpf"
)

// silenceAfter is how long no frame may come before there is something to say.
const silenceAfter = 5 * time.Second

// activity is what was counted when the last frame was received.
type activity struct {
	since    time.Time
	received uint64
	verdicts bpf.Counters
	nic      uint64 // frames by the interface's own counters
}

// Observe tells the hook how many frames the engine has received so far; it is
// asked once a second, from another goroutine. Without it Silence says nothing.
// Call it once, before Attach.
func (h *Hook) Observe(received func() uint64) { h.received = received }

// look is the watcher's once a second: has anything come, is every queue served.
func (h *Hook) look() {
	if h.received != nil {
		n := h.received()
		h.activityMu.Lock()
		quiet := n == h.activity.received && !h.activity.since.IsZero()
		h.activityMu.Unlock()
		if !quiet {
			h.markActivity(n)
		}
	}
	if n, err := h.iface.Queues(); err == nil && n > h.queues {
		h.grown.Store(int64(n))
		h.note("%s has grown from %d to %d RX queues: frames of the new ones go to the host; start again to capture them", h.iface.Name, h.queues, n)
	}
}

// markActivity notes the state of the counters at a moment when frames came.
func (h *Hook) markActivity(received uint64) {
	a := activity{since: time.Now(), received: received, verdicts: h.Counters()}
	if attrs, err := h.iface.Link(); err == nil {
		a.nic = nicFrames(attrs)
	}
	h.activityMu.Lock()
	defer h.activityMu.Unlock()
	h.activity = a
}

// nicFrames counts what the interface saw or lost, by its own counters.
func nicFrames(a *netlink.LinkAttrs) uint64 {
	if a.Statistics == nil {
		return 0
	}
	return a.Statistics.RxPackets + a.Statistics.RxDropped + a.Statistics.RxErrors
}

// Silence says in one line why no frame has come for 5 s or more, and what to do
// about it; "" while frames come. It asks the kernel a few questions: call it
// when there is somebody to read the answer.
func (h *Hook) Silence() string {
	h.activityMu.Lock()
	was := h.activity
	h.activityMu.Unlock()
	if h.received == nil || was.since.IsZero() || h.received() != was.received {
		return ""
	}
	quiet := time.Since(was.since)
	if quiet < silenceAfter {
		return ""
	}
	return fmt.Sprintf("no frame from %s for %d s: %s", h.iface.Name, int(quiet.Seconds()), h.explainSilence(was))
}

func (h *Hook) explainSilence(was activity) string {
	attrs, err := h.iface.Link()
	if err != nil {
		if h.Err() != nil || isLinkNotFound(err) {
			return "the interface is gone; start again when it is back"
		}
		return err.Error()
	}
	now := h.Counters()
	seen := now.Total() - was.verdicts.Total()
	switch name := h.iface.Name; {
	case attrs.RawFlags&flagUp == 0:
		return fmt.Sprintf("it is down; ip link set dev %s up", name)
	case attrs.OperState == netlink.OperDown || attrs.OperState == netlink.OperLowerLayerDown:
		return "the link is down; look at the cable and at the other end"
	case h.grown.Load() > 0 && (now.NoSocket > was.verdicts.NoSocket || nicFrames(attrs) > was.nic):
		// veth does not even show the program the frames of a new queue.
		return fmt.Sprintf("frames arrive on queues without a socket: it has grown from %d to %d RX queues; start again", h.queues, h.grown.Load())
	case now.Redirected > was.verdicts.Redirected:
		return fmt.Sprintf("%d frames were handed to the socket and did not come out of its ring; the ring room says why", now.Redirected-was.verdicts.Redirected)
	case now.Kept > was.verdicts.Kept && now.Kept-was.verdicts.Kept == seen:
		return fmt.Sprintf("all %d frames seen are on the keep list; see --keep", seen)
	case seen > 0:
		return fmt.Sprintf("the XDP program passed all %d frames it saw to the host; the xdp room says why", seen)
	case nicFrames(attrs) > was.nic:
		return fmt.Sprintf("the NIC has counted %d frames that the XDP program did not see; try --xdp-mode generic", nicFrames(attrs)-was.nic)
	case !h.config.Promiscuous:
		return "the link is up, the NIC's counters stand still, and promiscuous mode is off: frames to other addresses are not taken; leave -p out"
	}
	return "the link is up and the NIC's counters stand still: nothing is sent to this port; look at the mirror session or tap"
}

// flagUp is IFF_UP, include/uapi/linux/if.h.
const flagUp = 1

func isLinkNotFound(err error) bool {
	var missing netlink.LinkNotFoundError
	return errors.As(err, &missing)
}
