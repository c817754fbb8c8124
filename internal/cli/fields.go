package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"xcapa/internal/record"
)

func newFieldsCommand(s *streams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "fields",
		Short: "List every field of a packet record: name, types, meaning",
		Example: `  xcapa fields
  xcapa fields -o json | jq -r '.[].name'`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			switch output {
			case "text":
				w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "FIELD\tARROW\tELASTICSEARCH\tECS\tMEANING")
				for _, f := range record.Fields() {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.Name, orDash(f.Arrow.String()), orDash(f.Elastic), orDash(f.ECS), f.Meaning)
				}
				return w.Flush()
			case "json":
				return writeFieldsJSON(s)
			}
			return usageErrorf("-o %q: want text or json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text or json")
	return cmd
}

func writeFieldsJSON(s *streams) error {
	type field struct {
		Name    string `json:"name"`
		Arrow   string `json:"arrow,omitempty"`
		Elastic string `json:"elasticsearch,omitempty"`
		ECS     string `json:"ecs,omitempty"`
		Seed    string `json:"seed,omitempty"`
		Meaning string `json:"meaning"`
	}
	var out []field
	for _, f := range record.Fields() {
		out = append(out, field{f.Name, f.Arrow.String(), f.Elastic, f.ECS, f.Seed, f.Meaning})
	}
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
