package cli

import (
	"github.com/spf13/cobra"

	"xcapa/internal/line"
)

// lineFlags say how a packet is shown as a line, by capture, read and tail.
type lineFlags struct {
	ethernet  bool
	verbose   int
	timestamp int
}

const linesGroup = "Lines for people"

func (l *lineFlags) register(cmd *cobra.Command) { l.registerWith(cmd, "e") }

// registerWith is for commands that have another use for the letter.
func (l *lineFlags) registerWith(cmd *cobra.Command, ethernet string) {
	defer group(cmd, linesGroup)()
	f := cmd.Flags()
	f.BoolVarP(&l.ethernet, "ethernet", ethernet, false, "text: show the link-layer header")
	f.CountVarP(&l.verbose, "verbose", "v", "text: show more of the headers")
	f.CountVarP(&l.timestamp, "timestamp", "t", "text: -t no time, -tt epoch, -ttt delta, -tttt date, -ttttt since the first")
}

// printer is for one output; brief shows protocol and length only.
func (l *lineFlags) printer(brief bool) line.Printer {
	return line.Printer{
		Time: line.TimeFormat(min(l.timestamp, int(line.TimeSinceOne))), Ethernet: l.ethernet, Verbose: l.verbose, Quiet: brief,
	}
}
