package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand writes the manual pages: `make man` and packages call it.
func newManCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:     "man FOLDER",
		Short:   "Write the manual pages, one for each command",
		Example: `  xcapa man /usr/local/share/man/man1`,
		Hidden:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageErrorf("name the folder for the manual pages, as in xcapa man man1")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the folder for manual pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // the same pages from the same tree
			header := doc.GenManHeader{Title: "XCAPA", Section: "1", Source: "xcapa " + version, Manual: "xcapa"}
			if err := doc.GenManTree(root, &header, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			pages, _ := filepath.Glob(filepath.Join(args[0], "xcapa*.1"))
			fmt.Fprintf(s.err, "%d manual pages in %s\n", len(pages), args[0])
			return nil
		},
	}
}
