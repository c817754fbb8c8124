package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/load"
)

// generated is what `bench generate` says when it is done.
type generated struct {
	Frames  uint64  `json:"frames"`
	Seconds float64 `json:"seconds"` // from the first frame on
}

// newGenerateCommand sends load; bench runs it as a process of its own, on the
// core that also does the receiving interface's work.
func newGenerateCommand(s *streams) *cobra.Command {
	var c load.Config
	var name string
	var length time.Duration
	var imix bool
	cmd := &cobra.Command{
		Use:    "generate -i INTERFACE",
		Short:  "Send numbered frames out of one end of a veth pair, as many as a core can make",
		Hidden: true,
		Args:   noArguments,
		Example: `  sudo xcapa bench generate -i veth0 --for 10s
  sudo xcapa bench generate -i veth0 --rate 1e6 --sizes 512 --flows 65536`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name == "" {
				return usageErrorf("no interface: name one end of a veth pair with -i")
			}
			if imix {
				c.Sizes = load.IMIX
			}
			g, err := load.Open(name, c)
			if err != nil {
				return captureError(err)
			}
			defer g.Close()
			frames, took, err := g.Run(cmd.Context(), length)
			if err != nil {
				return captureError(err)
			}
			b, _ := json.Marshal(generated{frames, took.Seconds()})
			fmt.Fprintf(s.out, "%s\n", b)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&name, "interface", "i", "", "`INTERFACE` to send out of")
	f.DurationVar(&length, "for", time.Second, "how long")
	f.Float64Var(&c.Rate, "rate", 0, "frames a second (0: as many as it goes)")
	f.IntSliceVar(&c.Sizes, "sizes", []int{60}, "`BYTES` of the frames, in turn, without FCS")
	f.BoolVar(&imix, "imix", false, "60, 590 and 1514 bytes, 7:4:1")
	f.BoolVar(&c.IPv6, "ipv6", false, "IPv6 instead of IPv4")
	f.BoolVar(&c.TCP, "tcp", false, "TCP instead of UDP")
	f.Uint16Var(&c.VLAN, "vlan", 0, "`VID` of a tag (0: none)")
	f.BoolVar(&c.Alone, "alone", false, "make frames and send none: what the generator itself costs")
	f.IntVar(&c.Flows, "flows", 1, "number of flows, rounded up to a power of two")
	return cmd
}
