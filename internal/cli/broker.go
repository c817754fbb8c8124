package cli

import (
	"github.com/spf13/cobra"

	"xcapa/internal/broker"
)

// newBrokerCommand is the embedded broker's process; run and demo start it.
func newBrokerCommand(s *streams) *cobra.Command {
	var c broker.Config
	var limit byteSize = 512 << 20
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "The embedded Kafka broker that run and demo start",
		Long: `broker speaks the Kafka protocol on a loopback port and keeps a bounded amount in
memory: what every consumer group has committed is deleted. It is for one machine
with nothing installed, not a replacement of Apache Kafka.`,
		Example: `  xcapa broker --listen 127.0.0.1:9092`,
		Hidden:  true,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Limit = int64(limit)
			return broker.Run(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Listen, "listen", "127.0.0.1:0", "`ADDRESS` to listen on; port 0: a free one")
	f.StringVar(&c.PortFile, "port-file", "", "`FILE` that gets the address once it is ready")
	f.StringVar(&c.DataDir, "data", "", "`FOLDER` to keep data in (default: memory)")
	f.StringSliceVar(&c.Topics, "topics", nil, "`TOPICS` made at start")
	f.StringSliceVar(&c.Rings, "rings", nil, "`TOPICS` made at start that nobody need read: they keep their newest part")
	f.IntVar(&c.Partitions, "partitions", 4, "partitions of each topic")
	f.BoolVar(&c.Discard, "discard", false, "acknowledge records and keep none of them, to measure producers by")
	f.Var(&limit, "limit", "most `SIZE` of data held")
	return cmd
}
