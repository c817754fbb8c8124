package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Flags stand in groups in the help: a list of seventy is read by nobody.

// flagGroup is the group of a flag; absent: the command's own.
const flagGroup = "xcapa_group"

// group puts every flag that is registered until the function it returns is
// called into the group of that title: defer group(cmd, "Kafka")().
func group(cmd *cobra.Command, title string) func() {
	before := map[string]bool{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { before[f.Name] = true })
	return func() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !before[f.Name] && f.Annotations[flagGroup] == nil {
				annotate(f, flagGroup, title)
			}
		})
	}
}

// flagUsages is the help text of a command's own flags, group by group, those of
// the command itself first.
func flagUsages(cmd *cobra.Command) string {
	const own = "Flags"
	sets := map[string]*pflag.FlagSet{}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		title := own
		if a := f.Annotations[flagGroup]; a != nil {
			title = a[0]
		}
		if sets[title] == nil {
			sets[title] = pflag.NewFlagSet(title, pflag.ContinueOnError)
		}
		sets[title].AddFlag(f)
	})
	var titles []string
	for title, set := range sets {
		if set.HasAvailableFlags() {
			titles = append(titles, title)
		}
	}
	slices.SortFunc(titles, func(a, b string) int {
		if (a == own) != (b == own) {
			if a == own {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	for i, title := range titles {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(title + ":\n" + sets[title].FlagUsages())
	}
	return strings.TrimRight(b.String(), "\n")
}

// usageTemplate is cobra's, with flags in groups and without the examples, which
// the help has said already.
const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND

Available Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

{{flagUsages .}}{{end}}{{if .HasAvailableInheritedFlags}}

Everywhere:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

{{.CommandPath}} COMMAND --help says more about one of them.{{end}}
`
