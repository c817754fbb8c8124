package cli

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/capture"
	"xcapa/internal/ledger"
	"xcapa/internal/pcap"
	"xcapa/internal/record"
)

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

// saveFlags say how a capture file is written: by capture and by consume.
type saveFlags struct {
	path     string
	format   string
	rotation []string
}

func (f *saveFlags) register(cmd *cobra.Command, what string) {
	defer group(cmd, "Capture file")()
	flags := cmd.Flags()
	flags.StringVarP(&f.path, "write", "w", "", what)
	flags.StringVarP(&f.format, "file-format", "F", "", "`FORMAT` of -w: pcapng (default), pcap or nsecpcap")
	flags.StringArrayVarP(&f.rotation, "rotate", "b", nil, "next file of -w at `duration:SECONDS`, filesize:KB or packets:N; files:N keeps a ring; repeatable")
}

// options are the flags as the writer has them, without interfaces.
func (f *saveFlags) options() (o pcap.WriteOptions, err error) {
	o.Application = "xcapa " + version
	if f.format != "" {
		if o.Format, err = pcap.ParseFormat(f.format); err != nil {
			return o, usageErrorf("-F: %w", err)
		}
	}
	if o.Rotation, err = pcap.ParseRotation(f.rotation); err != nil {
		return o, usageErrorf("-b: %w", err)
	}
	return o, nil
}

// openSaveFile creates the file of a capture, with one interface for each
// device.
func openSaveFile(o *captureOptions, devices []capture.Device) (*saveFile, error) {
	opts, err := o.save.options()
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		i := d.Info()
		opts.Interfaces = append(opts.Interfaces, pcap.Interface{Name: i.Interface, LinkType: i.LinkType, SnapLen: o.device.snap})
	}
	opts.Statistics = func(n int) pcap.Statistics { return deviceStatistics(devices[n]) }
	w, err := pcap.Create(o.save.path, opts)
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
	o.write(o.iface, r.TimestampNanos, r.OrigLen, frame)
}

// Deadline is always zero: the file is flushed by time, see flushEvery.
func (*fileOutput) Deadline() time.Time { return time.Time{} }

// write adds one frame, or counts it as lost once the file has failed.
func (s *saveFile) write(iface int, nanos int64, origLen uint32, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	if s.failed == nil {
		if err := s.w.Write(iface, nanos, origLen, frame); err != nil {
			s.fail(err)
		}
	}
	s.stats = s.w.Stats()
}

// addInterface describes one more interface.
func (s *saveFile) addInterface(i pcap.Interface) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.AddInterface(i)
}

// failure is why nothing more can be written; nil while it can.
func (s *saveFile) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

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
		r.Drop(ledger.DiskFull, s.taken-min(s.taken, s.stats.Packets))
	}
	return r
}
