package cli

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/fastcapa"
	"xcapa/internal/kafka"
)

// newFastcapaCommand takes fastcapa's own command line. It says of every option
// and setting what it became.
func newFastcapaCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "fastcapa -i INTERFACE [DPDK's options] -- [fastcapa's options]",
		Short: "Capture raw frames to Kafka with the command line of Metron's fastcapa",
		Long: `fastcapa takes the options of Metron's DPDK probe, DPDK's own in front of "--" and
fastcapa's behind it, and its configuration file (-c). What has no counterpart is
named with the reason. DPDK's ports are not known to the kernel: name the interface
with -i, or by its PCI address (-w in front of "--").`,
		Example: `  sudo xcapa fastcapa -i eth1 -c 0x03 --huge-dir /mnt/huge_1GB -- -p 0x01 -t pcap -c fastcapa.conf
  sudo xcapa fastcapa -i eth1 -l 0-7 -n 4 -- -q 4 -t pcap -c fastcapa.conf -s stats.json`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := fastcapa.Parse(args)
			switch {
			case err != nil:
				return usageErrorf("fastcapa: %w; see xcapa fastcapa --help", err)
			case f.Help:
				return cmd.Help()
			}
			o, became, err := fastcapaCapture(&f)
			if err != nil {
				return err
			}
			became.write(s.err)
			return runCapture(cmd.Context(), s, o)
		},
	}
}

// fastcapaCapture is the capture that does what f asks for, and what became of
// each of its options.
func fastcapaCapture(f *fastcapa.Options) (*captureOptions, *translation, error) {
	o := &captureOptions{}
	o.register(&cobra.Command{}) // the defaults of capture
	t := &translation{}
	var err error
	if o.device.interfaces, err = fastcapaInterfaces(f, t); err != nil {
		return nil, nil, err
	}
	o.encode = codec.EncodingRaw.String()
	o.topic = f.Topic
	t.used("-t "+f.Topic, "--encoding raw --topic "+f.Topic)
	if f.Burst > 0 {
		o.device.batch = f.Burst
		t.used("-b "+strconv.Itoa(f.Burst), fmt.Sprintf("--batch %d", f.Burst))
	}
	if f.Descriptor > 0 {
		o.device.rings = max(o.device.rings, 1<<bits.Len(uint(f.Descriptor-1)))
		o.device.frames = max(o.device.frames, 2*o.device.rings)
		t.used("-d "+strconv.Itoa(f.Descriptor), fmt.Sprintf("--rings %d --frames %d", o.device.rings, o.device.frames))
	}
	if f.StatsFile != "" {
		o.report.statsFile = f.StatsFile
		t.used("-s "+f.StatsFile, "--stats-file "+f.StatsFile+", with the ledger in place of librdkafka's numbers")
	}
	for _, n := range f.Notes {
		t.notNeeded(n.Option, n.What)
	}
	if f.ConfigFile == "" {
		return nil, nil, usageErrorf("fastcapa: no brokers: they stand in its configuration file, -c behind --, as in -- -t pcap -c fastcapa.conf")
	}
	t.used("-c "+f.ConfigFile, "its settings:")
	return o, t, applyFastcapaConfig(o, f.ConfigFile, t)
}

// fastcapaInterfaces are those of -i, and those that the kernel has for the PCI
// addresses.
func fastcapaInterfaces(f *fastcapa.Options, t *translation) ([]string, error) {
	for _, name := range f.Interfaces {
		t.used("-i "+name, "-i "+name)
	}
	names := f.Interfaces
	for _, pci := range f.PCI {
		address := pci
		if strings.Count(pci, ":") == 1 {
			address = "0000:" + pci
		}
		found, _ := filepath.Glob("/sys/bus/pci/devices/" + filepath.Base(address) + "/net/*")
		if len(found) == 0 {
			if len(names) > 0 {
				t.notNeeded("-w "+pci, "the interface is named with -i")
				continue
			}
			return nil, usageErrorf("fastcapa: -w %s: the kernel has no network interface for this PCI address; give the device back to its kernel driver (dpdk-devbind.py --bind=...), or name the interface with -i", pci)
		}
		for _, path := range found {
			names = append(names, filepath.Base(path))
			t.used("-w "+pci, "-i "+filepath.Base(path))
		}
	}
	if len(names) == 0 {
		return nil, usageErrorf("fastcapa: no interface: fastcapa names a DPDK port, which the kernel does not know; name the interface in front of --, as in -i eth1 -c 0x03 -- -t pcap")
	}
	return names, nil
}

// applyFastcapaConfig takes the settings of a fastcapa configuration file into
// o.
func applyFastcapaConfig(o *captureOptions, path string, t *translation) error {
	file, err := os.Open(path)
	if err != nil {
		return usageErrorf("open fastcapa's configuration: %w", err)
	}
	defer file.Close()
	settings, err := fastcapa.ParseConfig(file, path)
	if err != nil {
		return usageErrorf("read fastcapa's configuration: %w", err)
	}
	for _, s := range settings {
		as := s.Name + " = " + s.Value
		var scratch kafka.Config
		switch err := kafka.SetProperty(&scratch, s.Name, s.Value); {
		case s.Name == "statistics.interval.ms" && o.report.statsFile != "":
			if ms, err := strconv.Atoi(s.Value); err == nil && ms > 0 {
				o.report.statsInterval = time.Duration(ms) * time.Millisecond
				t.used(as, "--stats-interval "+o.report.statsInterval.String())
			}
		case errors.Is(err, kafka.ErrNotNeeded):
			t.notNeeded(as, reasonOf(err))
		case err != nil:
			return usageErrorf("%s:%d: %w", path, s.Line, err)
		case scratch.Brokers != nil && o.kafka.hasBrokers():
			t.notNeeded(as, "--brokers says which")
		case scratch.Brokers != nil:
			o.kafka.brokers = scratch.Brokers
			t.used(as, "--brokers "+s.Value)
		default:
			o.kafka.properties = append(o.kafka.properties, s.Name+"="+s.Value)
			t.used(as, "-X "+s.Name+"="+s.Value)
		}
	}
	return nil
}

// reasonOf is the part of a property's error that says why it is not needed.
func reasonOf(err error) string {
	_, why, _ := strings.Cut(err.Error(), kafka.ErrNotNeeded.Error()+": ")
	return strings.TrimSuffix(why, "; leave it away")
}

// translation is what became of another tool's options.
type translation struct{ rows [][2]string }

func (t *translation) used(option, as string) {
	t.rows = append(t.rows, [2]string{option, "used: " + as})
}

func (t *translation) notNeeded(option, why string) {
	t.rows = append(t.rows, [2]string{option, "not needed: " + why})
}

// write prints the table.
func (t *translation) write(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range t.rows {
		fmt.Fprintf(tw, "  %s\t%s\n", r[0], r[1])
	}
	_ = tw.Flush()
}
