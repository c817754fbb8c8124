package cli

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/pcap"
	"xcapa/internal/record"
)

// diskFull is the reason for packets that were decoded but found no room in
// the capture file.
const diskFull ledger.Reason = "disk_full"

// saveFile is the capture file of -w. The workers of all interfaces share it:
// a file has one order, hence the lock.
type saveFile struct {
	mu     sync.Mutex
	w      *pcap.Writer
	failed error
	onFail func()
	stats  pcap.WriteStats
	taken  uint64
}

// openSaveFile creates the file, with one interface for each device.
func openSaveFile(o *captureOptions, devices []capture.Device) (*saveFile, error) {
	opts := pcap.WriteOptions{Application: "xcapa " + version}
	if o.format != "" {
		f, err := pcap.ParseFormat(o.format)
		if err != nil {
			return nil, usageErrorf("-F: %w", err)
		}
		opts.Format = f
	}
	var err error
	if opts.Rotation, err = pcap.ParseRotation(o.rotation); err != nil {
		return nil, usageErrorf("-b: %w", err)
	}
	for _, d := range devices {
		i := d.Info()
		opts.Interfaces = append(opts.Interfaces, pcap.Interface{Name: i.Interface, LinkType: i.LinkType, SnapLen: o.device.snap})
	}
	opts.Statistics = func(n int) pcap.Statistics { return deviceStatistics(devices[n]) }
	w, err := pcap.Create(o.write, opts)
	if err != nil {
		return nil, err
	}
	return &saveFile{w: w}, nil
}

// deviceStatistics is what a device took in and what it lost, for the file's
// statistics block.
func deviceStatistics(d capture.Device) (s pcap.Statistics) {
	rooms := d.Rooms()
	if len(rooms) > 0 {
		s.Received = rooms[0].In
	}
	for i := range rooms {
		s.Dropped += rooms[i].DroppedTotal()
	}
	return s
}

// fileOutput is the Output of one worker: its frames are of interface number
// iface of the file.
type fileOutput struct {
	*saveFile
	iface int
}

// Append writes one frame.
func (o *fileOutput) Append(r *record.Record, frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken++
	if o.failed == nil {
		if err := o.w.Write(o.iface, r.TimestampNanos, r.OrigLen, frame); err != nil {
			o.fail(err)
		}
	}
	o.stats = o.w.Stats()
}

// Deadline is always zero: the file is flushed by time, see flushEvery.
func (*fileOutput) Deadline() time.Time { return time.Time{} }

// Flush writes what is buffered.
func (s *saveFile) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		if err := s.w.Flush(); err != nil {
			s.fail(err)
		}
	}
	s.stats = s.w.Stats()
}

func (s *saveFile) fail(err error) {
	s.failed = err
	if s.onFail != nil {
		s.onFail()
	}
}

// Close ends the file. A reader of a pipe that went away is no failure.
func (s *saveFile) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.w.Close()
	s.stats = s.w.Stats()
	if s.failed != nil {
		err = s.failed
	}
	if errors.Is(err, pcap.ErrPipeClosed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write capture file: %w", err)
	}
	return nil
}

// room is the account of the file; before Close what is buffered is in flight.
func (s *saveFile) room() ledger.Room {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := ledger.Room{Room: "save", Out: s.stats.Packets}
	if s.failed != nil {
		r.Drop(diskFull, s.taken-min(s.taken, s.stats.Packets))
	}
	return r
}
