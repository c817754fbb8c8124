package cli

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"xcapa/internal/capture"
	"xcapa/internal/capture/afpacket"
	"xcapa/internal/capture/afxdp"
	"xcapa/internal/capture/asavie"
	"xcapa/internal/capture/fanout"
	"xcapa/internal/capture/replay"
	"xcapa/internal/pcap"
)

// deviceOptions are the flags that say how frames are taken from an interface.
type deviceOptions struct {
	interfaces    []string
	files         []string
	engine        string
	mode          string
	zeroCopy      string
	stamp         string
	clock         string
	rings         int
	frames        int
	chunk         int
	batch         int
	snap          uint32
	headersOnly   bool
	keep          []string
	takeOver      bool
	replace       bool
	noPromiscuous bool
	spin          bool
	workers       int
	cpus          string
}

func (o *deviceOptions) register(cmd *cobra.Command) {
	defer group(cmd, "Interface and rings")()
	f := cmd.Flags()
	f.StringArrayVarP(&o.interfaces, "interface", "i", nil, "`INTERFACE` to capture on; repeatable")
	f.StringArrayVarP(&o.files, "read", "r", nil, "take packets from a capture `FILE` instead ('-': standard input); repeatable")
	f.StringVar(&o.engine, "engine", "auto", "`auto`, afxdp, afpacket or asavie; auto takes AF_XDP where the interface has neither an address nor the default route")
	f.StringVar(&o.mode, "xdp-mode", "auto", "`auto` (native, else generic), native or generic")
	f.StringVar(&o.zeroCopy, "zero-copy", "auto", "`auto`, require or off")
	f.StringVar(&o.stamp, "stamp", "packet", "`packet` (time and sequence number of each frame, in the kernel) or batch (cheaper)")
	f.StringVar(&o.clock, "clock", "system", "`system`, or nic (the NIC's time, once it is within 1 ms of the system's)")
	f.IntVar(&o.rings, "rings", 4096, "entries of each ring, a power of two up to 65536")
	f.IntVar(&o.frames, "frames", 8192, "frames of memory for each queue")
	f.IntVar(&o.chunk, "chunk", 4096, "bytes of memory for one frame: 2048 or 4096")
	f.IntVar(&o.batch, "batch", 64, "frames taken from a ring at once")
	f.Uint32VarP(&o.snap, "snaplen", "s", 0, "`BYTES` kept of each frame, cut in the kernel (0: all)")
	f.BoolVar(&o.headersOnly, "headers-only", false, "cut each frame behind its transport header, in the kernel")
	f.StringSliceVar(&o.keep, "keep", nil, "`PORTS|arp|nd` passed to the host, not recorded, as in --keep arp,nd,22")
	f.BoolVar(&o.takeOver, "take-over", false, "use AF_XDP although the interface has an address: the host no longer gets its traffic")
	f.BoolVar(&o.replace, "replace", false, "replace an XDP program that somebody else attached")
	f.BoolVarP(&o.noPromiscuous, "no-promiscuous-mode", "p", false, "do not put the interface into promiscuous mode")
	f.IntVar(&o.workers, "workers", 0, "workers for each interface; above its queue count they share queues by flow (0: one for each queue)")
	f.BoolVar(&o.spin, "spin", false, "poll without naps, for dedicated cores")
	f.StringVar(&o.cpus, "cpus", "", "`LIST` of the CPUs to run on, as in 2-5,8 (default: off those that take the interfaces' interrupts, where enough are left)")
}

func (o *deviceOptions) validate() error {
	switch {
	case len(o.interfaces) == 0 && len(o.files) == 0:
		return usageErrorf("no interface: name one with -i, as in -i eth1 (`xcapa capture -D` lists them), or a capture file with -r")
	case o.workers < 0 || o.workers > maxWorkers:
		return usageErrorf("--workers %d: want 1 to %d, or 0 for one on each queue", o.workers, maxWorkers)
	case o.workers > 1 && len(o.files) > 0:
		return usageErrorf("--workers %d and -r: a file is one queue, for one worker", o.workers)
	case len(o.interfaces) > 0 && len(o.files) > 0:
		return usageErrorf("-i and -r: capture from interfaces or from files, not both")
	}
	return o.validateValues()
}

// validateValues looks at the flags that have a set of values.
func (o *deviceOptions) validateValues() error {
	oneOf := func(flag, value string, allowed ...string) error {
		if !slices.Contains(allowed, value) {
			return usageErrorf("--%s %q: want %s", flag, value, strings.Join(allowed, ", "))
		}
		return nil
	}
	_, _, _, err := o.keepList()
	err = errors.Join(
		oneOf("engine", o.engine, "auto", "afxdp", "afpacket", "asavie"),
		oneOf("xdp-mode", o.mode, "auto", "native", "generic"),
		oneOf("zero-copy", o.zeroCopy, "auto", "require", "off"),
		oneOf("stamp", o.stamp, "packet", "batch"),
		oneOf("clock", o.clock, "system", "nic"),
		err,
	)
	if err != nil || len(o.interfaces) == 0 {
		return err
	}
	if _, err := o.cpuList(); err != nil {
		return err
	}
	// Whatever engine auto will take: what cannot be is a mistake for all.
	cfg, err := o.afxdpConfig(o.interfaces[0], "")
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return withCode(exitUsage, err)
	}
	return nil
}

// maxWorkers of one interface: as many as a packet socket's fanout group takes.
const maxWorkers = 256

// keepList reads --keep.
func (o *deviceOptions) keepList() (arp, nd bool, ports []uint16, err error) {
	for _, k := range o.keep {
		switch k {
		case "arp":
			arp = true
		case "nd":
			nd = true
		default:
			n, e := strconv.ParseUint(k, 10, 16)
			if e != nil || n == 0 {
				return false, false, nil, usageErrorf("--keep %q: want arp, nd or port numbers, as in --keep arp,nd,22", k)
			}
			ports = append(ports, uint16(n))
		}
	}
	return arp, nd, ports, nil
}

// stateDir holds what must be undone after a crash.
const stateDir = "/run/xcapa"

// openDevice opens one interface with the engine asked for, or with the one
// that auto chooses. notes is called with what is wrong and stops nothing.
func openDevice(name string, o *deviceOptions, notes func(string)) (capture.Device, error) {
	if err := interfaceExists(name); err != nil {
		return nil, err
	}
	engine, why, err := o.prepare(name, notes)
	if err != nil {
		return nil, err
	}
	if engine == "afpacket" {
		return opened(afpacket.Open(afpacket.Config{
			Interface: name, SnapLen: int(o.snap), Promiscuous: !o.noPromiscuous, Workers: o.workers, Why: why,
		}))
	}
	cfg, err := o.afxdpConfig(name, why)
	if err != nil {
		return nil, err
	}
	var d capture.Device
	if engine == "asavie" {
		d, err = opened(asavie.Open(cfg))
	} else {
		d, err = opened(afxdp.Open(cfg))
	}
	if err != nil {
		return nil, err
	}
	return o.shareOut(d)
}

// shareOut gives a device with fewer or more queues than --workers so many
// workers, if it can.
func (o *deviceOptions) shareOut(d capture.Device) (capture.Device, error) {
	if o.workers == 0 || o.workers == len(d.Sources()) {
		return d, nil
	}
	shared, err := fanout.New(d, o.workers, o.batch)
	if err != nil {
		return nil, errors.Join(usageErrorf("--workers: %w", err), d.Close())
	}
	return shared, nil
}

// afxdpConfig is what the two AF_XDP engines are told.
func (o *deviceOptions) afxdpConfig(name, why string) (afxdp.Config, error) {
	arp, nd, ports, err := o.keepList()
	return afxdp.Config{
		Interface: name, Mode: afxdp.Mode(o.mode), ZeroCopy: afxdp.ZeroCopy(o.zeroCopy), RingSize: o.rings, Frames: o.frames,
		ChunkSize: o.chunk, Batch: o.batch, Stamp: afxdp.Stamp(o.stamp), Clock: afxdp.Clock(o.clock),
		SnapLen: o.snap, HeadersOnly: o.headersOnly, KeepARP: arp, KeepND: nd, KeepPorts: ports,
		Promiscuous: !o.noPromiscuous, TakeOver: o.takeOver, Replace: o.replace, Spin: o.spin,
		StateDir: stateDir, Why: why,
	}, err
}

// opened makes an engine's answer a capture.Device: nil with an error, which
// gets the exit code it stands for.
func opened[D capture.Device](d D, err error) (capture.Device, error) {
	if err != nil {
		return nil, captureError(err)
	}
	return d, nil
}

// openFiles opens the files of -r as one device. Damage is reported and passed
// over.
func (o *deviceOptions) openFiles(s *streams) (capture.Device, error) {
	return replay.Open(replay.Config{
		Files: o.files, Resync: true,
		OnDamage: func(e *pcap.DamageError) { fmt.Fprintf(s.err, "xcapa: %v\n", e) },
	})
}

func interfaceExists(name string) error {
	if name == "any" {
		return usageErrorf("-i any: XDP attaches to one device; name the interfaces, as in -i eth1 -i eth2 (`xcapa capture -D` lists them)")
	}
	if strings.ContainsAny(name, "/\x00") || name == "" || name == "." || name == ".." {
		return usageErrorf("-i %q: not the name of an interface", name)
	}
	// Asked of the kernel, not of sysfs: that may show another namespace's.
	if _, err := net.InterfaceByName(name); err == nil {
		return nil
	}
	return usageErrorf("no interface called %s; `xcapa capture -D` lists them", name)
}

// captureError gives an engine's error the exit code it stands for.
func captureError(err error) error {
	if errors.Is(err, os.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return withCode(exitPrivilege, err)
	}
	return err
}
