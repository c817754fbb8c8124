package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/record"
)

func newFieldsCommand(s *streams) *cobra.Command {
	var output, schema string
	cmd := &cobra.Command{
		Use:   "fields",
		Short: "List every field of a packet record: name, types, meaning",
		Example: `  xcapa fields
  xcapa fields -o json | jq -r '.[].name'
  xcapa fields -o avro > packet.avsc`,
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
			case "markdown":
				return writeFieldsMarkdown(s)
			case "avro":
				schema, err := record.ParseSchema(schema)
				if err != nil {
					return usageErrorf("--schema: %w", err)
				}
				_, err = s.out.Write(codec.AvroSchema(schema))
				return err
			}
			return usageErrorf("-o %q: want text, json, markdown or avro", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text, json, markdown or avro (the schema of parse --encoding avro)")
	cmd.Flags().StringVar(&schema, "schema", "logisland", "field `NAMES` and values of -o avro: logisland or seed")
	return cmd
}

// writeFieldsMarkdown writes the table as documents have it.
func writeFieldsMarkdown(s *streams) error {
	var b strings.Builder
	b.WriteString("| Field | Arrow | Elasticsearch | ECS | Meaning |\n|---|---|---|---|---|\n")
	for _, f := range record.Fields() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Name, orDash(f.Arrow.String()), orDash(f.Elastic), orDash(f.ECS), f.Meaning)
	}
	_, err := io.WriteString(s.out, b.String())
	return outputError(err)
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
