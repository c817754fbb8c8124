package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"xcapa/internal/config"
)

func newConfigCommand(s *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration file, and show where each value comes from",
		Long: `The configuration file is YAML. Its keys are the long names of flags: at the top
for every command that has the flag, in a section named after a command for that
command alone. A flag on the command line goes before the environment (XCAPA_ and
the name in upper case), the environment before the file, the file before the
default. Secrets stand in files of their own, which the settings name.`,
		Example: `  xcapa config check xcapa.yaml
  xcapa config show
  xcapa config show --effective capture --linger 1s`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageErrorf("say which: xcapa config check or xcapa config show")
		},
	}
	cmd.AddCommand(newConfigCheckCommand(s), newConfigShowCommand(s))
	return cmd
}

func newConfigCheckCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:     "check [FILE]",
		Short:   "Check a configuration file, and name everything that is wrong with it",
		Example: `  xcapa config check xcapa.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageErrorf("one file at a time, got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path := configPath(cmd)
			if len(args) == 1 {
				path = args[0]
			}
			if path == "" {
				return usageErrorf("no file: name one, as in xcapa config check xcapa.yaml (%s is not there)", config.DefaultPath)
			}
			return checkConfig(s, path)
		},
	}
}

// checkConfig sets every value on flags that nobody uses.
func checkConfig(s *streams, path string) error {
	root := newRoot(&streams{})
	settings, err := config.Load(path, configSchema(root))
	if err != nil {
		return withCode(exitUsage, err)
	}
	var problems []string
	for _, setting := range settings {
		for _, cmd := range root.Commands() {
			if cmd.Hidden || ignoresConfig(cmd) {
				continue
			}
			if err := applySetting(cmd, setting); err != nil && !slices.Contains(problems, err.Error()) {
				problems = append(problems, err.Error())
			}
		}
	}
	if len(problems) > 0 {
		return usageErrorf("%s", strings.Join(problems, "\n"))
	}
	fmt.Fprintf(s.err, "%s: %d settings, nothing wrong\n", path, len(settings))
	return nil
}

func newConfigShowCommand(s *streams) *cobra.Command {
	var effective bool
	cmd := &cobra.Command{
		Use:   "show [COMMAND [FLAGS OF COMMAND]]",
		Short: "Show settings and where each comes from, as a configuration file",
		Long: `show prints what is set by file and environment, or by flags given behind the
command's name; --effective also prints the defaults. The output is a configuration
file itself. Secrets are not shown.`,
		Example: `  xcapa config show
  xcapa config show --effective > all.yaml
  xcapa config show --effective capture --linger 1s`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return showConfig(s, cmd, args, effective)
		},
	}
	cmd.Flags().BoolVar(&effective, "effective", false, "also what has its default value")
	cmd.Flags().SetInterspersed(false) // what follows the command's name is the command's
	return cmd
}

func showConfig(s *streams, cmd *cobra.Command, args []string, effective bool) error {
	root := newRoot(&streams{})
	// The file named here is the one they would read.
	if f := cmd.Flag(configFlag); f.Changed {
		if err := root.PersistentFlags().Set(configFlag, f.Value.String()); err != nil {
			return err
		}
	}
	schema := configSchema(root)
	commands := root.Commands()
	if len(args) > 0 {
		i := slices.IndexFunc(commands, func(c *cobra.Command) bool { return c.Name() == args[0] })
		if i < 0 || schema[args[0]] == nil {
			return unknownCommand(root, args[0])
		}
		commands = commands[i : i+1]
	}
	for _, c := range commands {
		if schema[c.Name()] == nil {
			continue
		}
		c.InheritedFlags() // adds the root's to c's own
		if len(args) > 1 {
			if err := c.ParseFlags(args[1:]); err != nil {
				return usageErrorf("%w; see xcapa %s --help", err, c.Name())
			}
		}
		if err := applySettings(c, os.LookupEnv); err != nil {
			return err
		}
		if err := writeSection(s.out, c, effective); err != nil {
			return err
		}
	}
	return nil
}

// writeSection writes one command's settings, each with its origin.
func writeSection(w io.Writer, cmd *cobra.Command, effective bool) error {
	var lines []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !configurable(f) || !effective && !f.Changed {
			return
		}
		lines = append(lines, fmt.Sprintf("  %-44s # %s", f.Name+": "+yamlValue(f), originOf(f)))
	})
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s:\n%s\n", cmd.Name(), strings.Join(lines, "\n"))
	return err
}

// yamlValue is a flag's value as the file has it.
func yamlValue(f *pflag.Flag) string {
	values, list := flagValues(f)
	quoted := make([]string, len(values))
	for i, v := range values {
		if v = config.Masked(f.Name, v); list || f.Value.Type() == "string" {
			v = yamlString(v)
		}
		quoted[i] = v
	}
	if list {
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return quoted[0]
}

// yamlString quotes what YAML would not read as the same string.
func yamlString(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./", r))
	}) < 0 && s[0] != '-' && s != "null"
	if plain {
		return s
	}
	return strconv.Quote(s)
}
