package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"xcapa/internal/capture/afxdp"
)

func newCleanupCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "cleanup",
		Short: "Undo what a crashed capture left on its interfaces",
		Long: `A capture that is killed takes its XDP program, sockets and promiscuous mode with
it: the kernel undoes them. What it cannot undo are offload settings; they were
written down before they were changed, and cleanup sets them back.`,
		Example: `  sudo xcapa cleanup`,
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			done, err := afxdp.Restore(stateDir)
			for _, d := range done {
				fmt.Fprintln(s.err, d)
			}
			if err == nil && len(done) == 0 {
				fmt.Fprintln(s.err, "nothing to undo")
			}
			return err
		},
	}
}
