package fastcapa

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Options are what a fastcapa command line asks for.
type Options struct {
	Interfaces []string // -i, ours
	PCI        []string // PCI addresses of -w/--pci-whitelist/-a
	Topic      string   // -t
	ConfigFile string   // -c behind "--"; "": none
	StatsFile  string   // -s; "": none
	Burst      int      // -b: frames taken at once; 0: not given
	Descriptor int      // -d or -r: descriptors of the receive ring; 0: not given
	Help       bool

	Notes []Note // one for each option that is not used
}

// Note is what became of an option or setting, in words.
type Note struct{ Option, What string }

// DefaultTopic is fastcapa's.
const DefaultTopic = "pcap"

// maxBurst is fastcapa's limit of -b.
const maxBurst = 1024

// option is one entry of a parser.
type option struct {
	names []string
	value bool // takes one
	set   func(o *Options, value string) error
	why   string // set nil: why it is not used
}

// eal are DPDK's options, those of its releases 16.11 to 19 that take part in
// a capture. What is not here is refused: whoever gives it should know that it
// does nothing.
var eal = []option{
	{names: []string{"-i", "--interface"}, value: true, set: func(o *Options, v string) error { o.Interfaces = append(o.Interfaces, v); return nil }},
	{names: []string{"-w", "--pci-whitelist", "-a", "--allow"}, value: true, set: func(o *Options, v string) error {
		address, _, _ := strings.Cut(v, ",") // device arguments follow
		o.PCI = append(o.PCI, address)
		return nil
	}},
	{names: []string{"-h", "--help"}, set: func(o *Options, _ string) error { o.Help = true; return nil }},
	{names: []string{"-c"}, value: true, why: coresWhy},
	{names: []string{"-l"}, value: true, why: coresWhy},
	{names: []string{"--lcores", "--master-lcore"}, value: true, why: coresWhy},
	{names: []string{"-n"}, value: true, why: "memory channels are DPDK's business"},
	{names: []string{"-r"}, value: true, why: "memory ranks are DPDK's business"},
	{names: []string{"-m", "--socket-mem"}, value: true, why: "memory is taken as --rings, --frames and --chunk say, without huge pages"},
	{names: []string{"--huge-dir", "--file-prefix"}, value: true, why: "no huge pages are needed"},
	{names: []string{"--no-huge", "--huge-unlink"}, why: "no huge pages are needed"},
	{names: []string{"-b", "--pci-blacklist"}, value: true, why: "only the interface named is touched"},
	{names: []string{"-d"}, value: true, why: "the interface keeps the kernel's driver"},
	{names: []string{"--vdev"}, value: true, why: "name the interface with -i"},
	{names: []string{"--proc-type", "--log-level", "--syslog", "--vfio-intr", "--base-virtaddr"}, value: true, why: "it is about DPDK alone"},
	{names: []string{"--no-pci", "--no-hpet", "--no-shconf", "--vmware-tsc-map", "--create-uio-dev", "--xen-dom0", "-v"}, why: "it is about DPDK alone"},
}

const coresWhy = "one worker runs per RX queue, off the cores that take the NIC's interrupts"

// app are fastcapa's own options.
var app = []option{
	{names: []string{"-i"}, value: true, set: eal[0].set},
	{names: []string{"-t"}, value: true, set: func(o *Options, v string) error {
		if len(v) < 1 {
			return fmt.Errorf("the topic is empty")
		}
		o.Topic = v
		return nil
	}},
	{names: []string{"-c"}, value: true, set: func(o *Options, v string) error { o.ConfigFile = v; return nil }},
	{names: []string{"-s"}, value: true, set: func(o *Options, v string) error { o.StatsFile = v; return nil }},
	{names: []string{"-b"}, value: true, set: number(1, maxBurst, func(o *Options) *int { return &o.Burst })},
	{names: []string{"-d", "-r"}, value: true, set: number(1, 1<<16, func(o *Options) *int { return &o.Descriptor })},
	{names: []string{"-h"}, set: func(o *Options, _ string) error { o.Help = true; return nil }},
	{names: []string{"-p"}, value: true, set: portMask},
	{names: []string{"-q"}, value: true, why: "every RX queue of the interface is used; `ethtool -L IF combined N` sets how many there are"},
	{names: []string{"-w"}, value: true, why: "batches for Kafka end by time and size: --linger, -X linger.ms"},
	{names: []string{"-x"}, value: true, why: "there is no ring between receiving and sending"},
}

// portMask checks -p, which fastcapa itself fails to do, and notes it.
func portMask(o *Options, v string) error {
	mask, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(v), "0x"), 16, 64)
	if err != nil || mask == 0 {
		return fmt.Errorf("%q is no hexadecimal mask of ports", v)
	}
	o.Notes = append(o.Notes, Note{"-p " + v, "the interface is named with -i, or by its PCI address (-w in front of --)"})
	return nil
}

func number(low, high int, at func(*Options) *int) func(*Options, string) error {
	return func(o *Options, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < low || n > high {
			return fmt.Errorf("%q is not a number from %d to %d", v, low, high)
		}
		*at(o) = n
		return nil
	}
}

// Parse reads a fastcapa command line, without the name of the program:
// [EAL options] [-- [fastcapa's options]].
func Parse(args []string) (Options, error) {
	o := Options{Topic: DefaultTopic}
	front, behind := args, []string(nil)
	if i := slices.Index(args, "--"); i >= 0 {
		front, behind = args[:i], args[i+1:]
	}
	if err := o.parse(eal, front, " in front of --"); err != nil {
		return o, err
	}
	return o, o.parse(app, behind, " behind --")
}

// parse reads one half, as getopt_long does: values follow or are attached.
func (o *Options) parse(known []option, args []string, where string) error {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		opt, name, value, attached := find(known, arg)
		if opt == nil {
			return fmt.Errorf("unknown option %s%s", arg, where)
		}
		if opt.value && !attached {
			if len(args) == 0 {
				return fmt.Errorf("option %s%s needs a value", name, where)
			}
			value, args = args[0], args[1:]
		}
		if opt.set == nil {
			o.Notes = append(o.Notes, Note{strings.TrimSpace(name + " " + value), opt.why})
			continue
		}
		if err := opt.set(o, value); err != nil {
			return fmt.Errorf("option %s%s: %w", name, where, err)
		}
	}
	return nil
}

// find looks an argument up: its exact name, --name=value, or -xVALUE.
func find(known []option, arg string) (opt *option, name, value string, attached bool) {
	name = arg
	if strings.HasPrefix(arg, "--") {
		name, value, attached = strings.Cut(arg, "=")
	} else if len(arg) > 2 && arg[0] == '-' {
		name, value, attached = arg[:2], arg[2:], true
	}
	for i := range known {
		if slices.Contains(known[i].names, name) && (known[i].value || !attached) {
			return &known[i], name, value, attached
		}
	}
	return nil, arg, "", false
}
