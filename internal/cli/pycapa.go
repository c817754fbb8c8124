package cli

import (
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/pycapa"
)

// newPycapaCommand takes pycapa's own command line, of both its eras. It always
// captures with AF_PACKET: pycapa never took traffic away from the host.
func newPycapaCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "pycapa --producer --kafka-broker HOST:PORT --kafka-topic TOPIC -i INTERFACE",
		Short: "Capture raw frames to Kafka with the command line of Metron's pycapa",
		Example: `  sudo xcapa pycapa --producer --kafka sandbox:9092 --topic logisland_input_packets_topic -i eth0
  sudo xcapa pycapa -p -k kafka:9092 -t pcap -i eth0 -m 1000`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pycapa.Parse(args)
			switch {
			case err != nil:
				return usageErrorf("%w; see xcapa pycapa --help", err)
			case p.Help:
				return cmd.Help()
			case p.Consumer:
				return usageErrorf("pycapa's consumer mode (-c) is not there yet; kcat reads the topic: kcat -C -b %s -t %s", p.Broker, p.Topic)
			case !p.Producer:
				return usageErrorf("pycapa: say --producer (-p)")
			case p.Broker == "" || p.Topic == "" || p.Interface == "":
				return usageErrorf("pycapa --producer needs a broker (-k), a topic (-t) and an interface (-i)")
			}
			return runCapture(cmd.Context(), s, pycapaCapture(&p))
		},
	}
}

// pycapaCapture is the capture that does what p asks for.
func pycapaCapture(p *pycapa.Options) *captureOptions {
	o := &captureOptions{}
	o.register(&cobra.Command{}) // the defaults of capture
	o.device.interfaces = []string{p.Interface}
	o.device.engine = "afpacket"
	o.device.snap = uint32(p.SnapLen)
	o.kafka.brokers = []string{p.Broker}
	o.kafka.properties = p.Properties
	o.topic = p.Topic
	o.encode = codec.EncodingRaw.String()
	o.count = p.MaxPackets
	o.linger = 5 * time.Millisecond
	o.report.quiet = p.LogLevel == "WARN"
	return o
}

// calledAs maps the name of the program to a subcommand, so that a link called
// pycapa behaves as pycapa.
func calledAs(args []string) []string {
	if filepath.Base(args[0]) == "pycapa" {
		return append([]string{"pycapa"}, args[1:]...)
	}
	return args[1:]
}
