package cli

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/kafka"
	"xcapa/internal/pycapa"
)

// newPycapaCommand takes pycapa's own command line, of both its eras. It always
// captures with AF_PACKET: pycapa never took traffic away from the host.
func newPycapaCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "pycapa --producer|--consumer --kafka-broker HOST:PORT --kafka-topic TOPIC [-i INTERFACE]",
		Short: "Capture raw frames to Kafka, or read them back, with the command line of Metron's pycapa",
		Example: `  sudo xcapa pycapa --producer --kafka sandbox:9092 --topic logisland_input_packets_topic -i eth0
  sudo xcapa pycapa -p -k kafka:9092 -t pcap -i eth0 -m 1000
  xcapa pycapa --consumer -k kafka:9092 -t pcap -o begin -m 1000 | tshark -r -`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pycapa.Parse(args)
			switch {
			case err != nil:
				return usageErrorf("%w; see xcapa pycapa --help", err)
			case p.Help:
				return cmd.Help()
			case p.Producer == p.Consumer:
				return usageErrorf("pycapa: say --producer (-p) or --consumer (-c), one of them")
			case p.Consumer && (p.Broker == "" || p.Topic == ""):
				return usageErrorf("pycapa --consumer needs a broker (-k) and a topic (-t)")
			case p.Consumer:
				return runConsume(cmd.Context(), s, pycapaConsume(s, &p))
			case p.Broker == "" || p.Topic == "" || p.Interface == "":
				return usageErrorf("pycapa --producer needs a broker (-k), a topic (-t) and an interface (-i)")
			}
			return runCapture(cmd.Context(), s, pycapaCapture(s, &p))
		},
	}
}

// pycapaCapture is the capture that does what p asks for.
func pycapaCapture(s *streams, p *pycapa.Options) *captureOptions {
	o := &captureOptions{}
	o.register(&cobra.Command{}) // the defaults of capture
	o.device.interfaces = []string{p.Interface}
	o.device.engine = "afpacket"
	o.device.snap = uint32(p.SnapLen)
	o.kafka.brokers = []string{p.Broker}
	o.kafka.properties = neededProperties(s, p.Properties)
	o.topic = p.Topic
	o.encode = codec.EncodingRaw.String()
	o.count = p.MaxPackets
	o.linger = 5 * time.Millisecond
	o.report.quiet = p.LogLevel == "WARN"
	return o
}

// neededProperties are those of librdkafka's properties that have a counterpart
// here, or are wrong; the others are named.
func neededProperties(s *streams, properties []string) (needed []string) {
	t := &translation{}
	for _, p := range properties {
		name, value, _ := strings.Cut(p, "=")
		var scratch kafka.Config
		if err := kafka.SetProperty(&scratch, name, value); errors.Is(err, kafka.ErrNotNeeded) {
			t.notNeeded("-X "+p, reasonOf(err))
			continue
		}
		needed = append(needed, p)
	}
	t.write(s.err)
	return needed
}

// pycapaConsume is the consume that does what p asks for: pcap on standard
// output. Where the group has stored nothing, librdkafka begins at the end.
func pycapaConsume(s *streams, p *pycapa.Options) *consumeOptions {
	o := &consumeOptions{}
	o.register(&cobra.Command{}) // the defaults of consume
	o.kafka.brokers = []string{p.Broker}
	o.kafka.properties = append([]string{"auto.offset.reset=latest"}, neededProperties(s, p.Properties)...)
	o.topics = []string{p.Topic}
	o.start = p.Offset
	o.group = "pycapa"
	o.count = p.MaxPackets
	o.pretty = p.PrettyPrint
	o.snap = uint32(p.SnapLen)
	o.save.format = "pcap"
	o.report.quiet = true // pycapa says nothing at the end
	return o
}

// calledAs maps the name of the program to a subcommand, so that a link called
// pycapa behaves as pycapa.
func calledAs(args []string) []string {
	if name := filepath.Base(args[0]); name == "pycapa" || name == "fastcapa" {
		return append([]string{name}, args[1:]...)
	}
	return args[1:]
}
