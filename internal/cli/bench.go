package cli

import "github.com/spf13/cobra"

func newBenchCommand(s *streams) *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Find what this host can capture, and the first stage that breaks", Hidden: true}
	cmd.AddCommand(newGenerateCommand(s))
	return cmd
}
