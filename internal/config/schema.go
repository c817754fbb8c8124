package config

import (
	"fmt"
	"slices"
	"strings"

	"xcapa/internal/nearest"
)

// Schema is what a file may say: for each command the names of its flags.
type Schema map[string][]string

func (s Schema) hasSection(name string) bool { _, ok := s[name]; return ok }

// unknown says what is wrong with a name; "" when it is known. At the top
// (section "") a name is known that any command has.
func (s Schema) unknown(section, name string) string {
	if section != "" {
		if slices.Contains(s[section], name) {
			return ""
		}
		return fmt.Sprintf("%s has no setting %q%s", section, name, s.meant(name, s[section]))
	}
	var all []string
	for _, names := range s {
		if slices.Contains(names, name) {
			return ""
		}
		all = append(all, names...)
	}
	for command := range s {
		all = append(all, command)
	}
	return fmt.Sprintf("no command has a setting %q%s", name, s.meant(name, all))
}

// meant is the rest of the message: what to write instead.
func (s Schema) meant(name string, known []string) string {
	if isSecret(name) {
		return ": secrets do not stand in this file; name a file that holds them (kafka-password-file, es-password-file, api-key-file) or set the environment"
	}
	if near := nearest.Word(strings.ReplaceAll(name, "_", "-"), known); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	return "; `xcapa config show --effective` lists all there are"
}
