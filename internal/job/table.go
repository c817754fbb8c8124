package job

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteTable prints what each key became: what matters most first, then place by
// place in the order of the file.
func (p *Plan) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "what each key became: line, key, value, verdict, and why")
	heading := ""
	for _, r := range p.Rows {
		under := plain(r.Place)
		if rank(r) < 2 {
			under = "look at this first"
		}
		if under != heading {
			fmt.Fprintf(tw, "%s:\n", under) // no cell: each place has columns of its own
			heading = under
		}
		line := fmt.Sprint(r.Line)
		if r.Line == 0 {
			line = "--set"
		}
		if r.Place == jobPlace {
			line = ""
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", line, plain(r.Key), shortened(plain(r.Value)), r.Verdict, plain(r.Words))
	}
	return tw.Flush()
}

// shortened is a value without the package of a Java class.
func shortened(v string) string {
	if strings.Count(v, ".") > 2 && !strings.ContainsAny(v, ":/ ,") {
		return short(v)
	}
	return v
}

// plain keeps a file's text from moving a terminal's cursor or the table's cells.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// CommandLine is the stage as one would type it.
func (s *Stage) CommandLine() string {
	words := []string{"xcapa", string(s.Kind)}
	for _, a := range s.Args {
		words = append(words, quoted(a))
	}
	for _, e := range s.Env {
		name, _, _ := strings.Cut(e, "=")
		words = append([]string{name + "=..."}, words...)
	}
	return strings.Join(words, " ")
}

// quoted is an argument that a shell reads as one word.
func quoted(a string) string {
	if a != "" && strings.IndexFunc(a, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=@%+", r)
	}) < 0 {
		return a
	}
	return "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
}
