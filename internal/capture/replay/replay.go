package replay

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/pcap"
	"xcapa/internal/record"
)

// linkTypeEthernet is the LINKTYPE number told for a file without packets that
// does not say.
const linkTypeEthernet = 1

// CountDamaged is the entry beside the room's sum for places in a file that
// were passed over.
const CountDamaged = "damaged"

// Config says what to replay.
type Config struct {
	Files  []string // one after another, "-" is standard input
	Loops  int      // passes over Files; 0 means 1, below 0 until Detach
	ByFile bool     // frames received together are of one file, see Part
	Resync bool     // go on behind damage; false: damage ends the source with that error

	// OnDamage is called from Receive for every damage passed over; nil is
	// allowed.
	OnDamage func(*pcap.DamageError)
}

// Device is an opened file. It implements capture.Device.
type Device struct {
	config Config
	info   capture.Info
	source source

	stop     chan struct{} // closed by Detach
	stopOnce sync.Once
	mu       sync.Mutex
	reader   *pcap.Reader // the one being read

	// Written by the source, read by Rooms.
	in, out, otherLink, damaged atomic.Uint64
	part                        atomic.Int64
	done                        atomic.Uint64 // bits of a float64: passes, and the part of one
	total                       int64         // bytes of all files on the disk; 0: not known
}

// Open opens the files for replay. The first one is read up to its first
// packet, to know the link type; a file that is no capture is an error here if
// it is the first, else from Receive.
func Open(c Config) (*Device, error) {
	if len(c.Files) == 0 {
		return nil, errors.New("replay needs a capture file: name at least one")
	}
	for _, f := range c.Files {
		if f == "-" && (c.Loops > 1 || c.Loops < 0) {
			return nil, errors.New("standard input can be replayed once: leave the number of loops away, or name a file")
		}
	}
	d, err := start(c, strings.Join(c.Files, ","), nil)
	if err == nil {
		d.measure()
	}
	return d, err
}

// measure adds the files' sizes up, for Progress.
func (d *Device) measure() {
	var total int64
	for _, f := range d.config.Files {
		info, err := os.Stat(f)
		if err != nil || !info.Mode().IsRegular() {
			return
		}
		total += info.Size()
	}
	d.total = total
}

// Part is the number of the file that the frames received last are of, from 1
// on, counted over all passes; without ByFile, the first of them.
func (d *Device) Part() int { return int(d.part.Load()) }

// Progress is how much of all passes was taken, from 0 to 1. known is false
// where there is no saying: for a pipe, or passes without end.
func (d *Device) Progress() (done float64, known bool) {
	if d.total == 0 || d.config.Loops < 0 {
		return 0, false
	}
	return min(math.Float64frombits(d.done.Load())/float64(max(d.config.Loops, 1)), 1), true
}

// New replays a reader that was opened before, once. name stands for it in
// Info. The device closes it.
func New(r *pcap.Reader, name string, c Config) (*Device, error) {
	c.Files, c.Loops = nil, 1
	return start(c, name, r)
}

func start(c Config, name string, r *pcap.Reader) (*Device, error) {
	d := &Device{config: c, stop: make(chan struct{})}
	d.info = capture.Info{
		Interface: name, Run: record.NewRun(), LinkType: linkTypeEthernet, Engine: "file", Queues: 1,
		Why: "frames come from a capture file",
	}
	s := &d.source
	s.device, s.reader = d, r
	if r != nil {
		d.reading(r)
	} else {
		if err := s.openNext(); err != nil {
			return nil, err
		}
	}
	if linkType, ok := s.reader.LinkType(); ok {
		d.info.LinkType = linkType
	}
	// pcapng describes interfaces on the way: only the first packet tells. Its
	// error, if it has one, is Receive's to return.
	if s.err = s.advance(); s.err == nil {
		d.info.LinkType = s.pending.LinkType
	}
	return d, nil
}

// Sources has one entry: a file is one queue.
func (d *Device) Sources() []capture.Source { return []capture.Source{&d.source} }

// Info describes the replay.
func (d *Device) Info() capture.Info { return d.info }

// Rooms is the one room of a file: in is what was taken from it.
func (d *Device) Rooms() []ledger.Room {
	out, other := d.out.Load(), d.otherLink.Load()
	r := ledger.Room{Room: "file", In: d.in.Load(), Out: out}
	r.Drop(ledger.OtherLinkType, other)
	if n := d.damaged.Load(); n > 0 {
		r.Counts = map[string]uint64{CountDamaged: n}
	}
	return []ledger.Room{r}
}

// Detach ends the replay: Receive returns capture.ErrClosed from now on, also one
// that waits for a pipe. A packet read ahead but not delivered was not taken.
func (d *Device) Detach() error {
	d.stopOnce.Do(func() { close(d.stop) })
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reader != nil {
		d.reader.Interrupt()
	}
	return nil
}

func (d *Device) isStopped() bool {
	select {
	case <-d.stop:
		return true
	default:
		return false
	}
}

// reading is told which file is read, for Detach.
func (d *Device) reading(r *pcap.Reader) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reader = r
	if d.isStopped() {
		r.Interrupt()
	}
}

// Close closes the files. The source must not be in use any more.
func (d *Device) Close() error {
	d.Detach()
	d.source.closeReader()
	return nil
}

// damage counts a damage that is passed over.
func (d *Device) damage(e *pcap.DamageError) {
	d.damaged.Add(1)
	if d.config.OnDamage != nil {
		d.config.OnDamage(e)
	}
}

// openAt opens the n-th file of the pass.
func (d *Device) openAt(n int) (*pcap.Reader, error) {
	r, err := pcap.Open(d.config.Files[n], pcap.Options{Resync: d.config.Resync})
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return r, nil
}
