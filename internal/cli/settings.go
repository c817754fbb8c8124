package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"xcapa/internal/config"
	"xcapa/internal/nearest"
)

// Where the values of flags come from: command line > environment >
// configuration file > default.

// configFlag names the file. It is the one flag that has no key in it.
const configFlag = "config"

func registerConfigFlag(root *cobra.Command) {
	root.PersistentFlags().String(configFlag, "", "configuration `FILE` (default "+config.DefaultPath+" where it exists; --config= reads none)")
}

// applySettings gives every flag that was not set on the command line the value
// of its environment name, else that of the configuration file.
func applySettings(cmd *cobra.Command, lookup func(string) (string, bool)) error {
	if err := applyEnvironment(cmd, lookup); err != nil {
		return err
	}
	path := configPath(cmd)
	if path == "" || ignoresConfig(cmd) {
		return nil
	}
	settings, err := config.Load(path, configSchema(cmd.Root()))
	if err != nil {
		return withCode(exitUsage, err)
	}
	for _, s := range settings {
		if err := applySetting(cmd, s); err != nil {
			return withCode(exitUsage, err)
		}
	}
	return nil
}

// configPath is the file to read; "" for none.
func configPath(cmd *cobra.Command) string {
	f := cmd.Flag(configFlag)
	if f.Changed {
		return f.Value.String()
	}
	if _, err := os.Stat(config.DefaultPath); err == nil {
		return config.DefaultPath
	}
	return ""
}

// ignoresConfig: commands that look at the file themselves, or have to work
// while it is broken.
func ignoresConfig(cmd *cobra.Command) bool {
	for ; cmd.HasParent(); cmd = cmd.Parent() {
		if slices.Contains([]string{"config", "help", "completion", "version", "cleanup", "man"}, cmd.Name()) || strings.HasPrefix(cmd.Name(), "__") {
			return true
		}
	}
	return false
}

// configSchema is what a configuration file may say: the flags of the commands
// that people see.
func configSchema(root *cobra.Command) config.Schema {
	s := config.Schema{}
	for _, cmd := range root.Commands() {
		if cmd.Hidden || ignoresConfig(cmd) {
			continue
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if configurable(f) {
				names = append(names, f.Name)
			}
		})
		if len(names) > 0 {
			s[cmd.Name()] = names
		}
	}
	return s
}

func configurable(f *pflag.Flag) bool {
	return !f.Hidden && f.Name != "help" && f.Name != configFlag && f.Annotations[commandLineOnly] == nil
}

const (
	// commandLineOnly marks a flag that is a deed and no setting.
	commandLineOnly = "xcapa_command_line_only"
	// origin is where a flag's value comes from, in words; absent: the command
	// line or the default.
	origin = "xcapa_origin"
)

// onlyOnCommandLine keeps flags out of configuration files.
func onlyOnCommandLine(cmd *cobra.Command, names ...string) {
	for _, n := range names {
		annotate(cmd.Flags().Lookup(n), commandLineOnly, "true")
	}
}

func annotate(f *pflag.Flag, key, value string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[key] = []string{value}
}

// typedByHand: the flag stands on the command line.
func typedByHand(cmd *cobra.Command, name string) bool {
	f := cmd.Flags().Lookup(name)
	return f != nil && f.Changed && f.Annotations[origin] == nil
}

// applySetting sets cmd's flag unless it is set already. A setting of another
// command's section, or at the top of the file for a flag cmd has not, is none
// of its business.
func applySetting(cmd *cobra.Command, s config.Setting) error {
	f := cmd.Flags().Lookup(s.Name)
	if f == nil || !configurable(f) || s.Section != "" && s.Section != cmd.Name() {
		return nil
	}
	if f.Changed && !(fromTop(f) && s.Section != "") {
		return nil // set by hand, by the environment, or by the section
	}
	list, isList := f.Value.(pflag.SliceValue)
	if s.List && !isList {
		return s.Place.Errorf("%s takes one value, not a list", s.Name)
	}
	for _, v := range s.Values {
		if err := cmd.Flags().Set(f.Name, v); err != nil {
			return s.Place.Errorf("%s: %q is no %s: %w", s.Name, config.Masked(s.Name, v), flagType(f), valueError(err))
		}
	}
	if isList && s.List {
		if err := list.Replace(s.Values); err != nil {
			return s.Place.Errorf("%s: %w", s.Name, err)
		}
		f.Changed = true
	}
	annotate(f, origin, "file "+s.Place.String())
	if s.Section == "" {
		annotate(f, fileTop, "true")
	} else {
		delete(f.Annotations, fileTop)
	}
	return nil
}

// fileTop marks a value from the top of the file: the command's own section
// goes before it, wherever it stands.
const fileTop = "xcapa_file_top"

func fromTop(f *pflag.Flag) bool { return f.Annotations[fileTop] != nil }

func flagType(f *pflag.Flag) string {
	if name, _ := pflag.UnquoteUsage(f); name != "" {
		return strings.ToLower(name)
	}
	return f.Value.Type()
}

// valueError is what is wrong with the value, without pflag's words about flags
// on a command line.
func valueError(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok || inner.Unwrap() == nil {
			return err
		}
		err = inner.Unwrap()
	}
}

// applyEnvironment gives every flag that was not set on the command line the
// value of its environment name, if that is set and not empty.
func applyEnvironment(cmd *cobra.Command, lookup func(string) (string, bool)) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := environmentName(f.Name)
		value, ok := lookup(name)
		if !ok || value == "" || f.Changed || f.Name == "help" || err != nil {
			return
		}
		if e := cmd.Flags().Set(f.Name, value); e != nil {
			err = usageErrorf("environment variable %s: %w", name, e)
			return
		}
		annotate(f, origin, "environment "+name)
	})
	return err
}

func environmentName(flag string) string {
	return "XCAPA_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// originOf says where a flag's value comes from.
func originOf(f *pflag.Flag) string {
	switch {
	case f.Annotations[origin] != nil:
		return f.Annotations[origin][0]
	case f.Changed:
		return "command line"
	}
	return "default"
}

// flagValues are the values of a flag, one for each entry of a list.
func flagValues(f *pflag.Flag) (values []string, list bool) {
	if s, ok := f.Value.(pflag.SliceValue); ok {
		return s.GetSlice(), true
	}
	return []string{f.Value.String()}, false
}

// unknownCommand makes an error of a word that is no command.
func unknownCommand(root *cobra.Command, word string) error {
	var names []string
	for _, c := range root.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	hint := ""
	if near := nearest.Word(word, names); near != "" {
		hint = fmt.Sprintf(", did you mean %q?", near)
	}
	return usageErrorf("there is no command %q%s; see xcapa --help", word, hint)
}
