// Package pycapa reads the command line of Apache Metron's pycapa probe, in the
// spelling of both its eras, the way Python's argparse does: options may be
// shortened as long as they stay unambiguous, flags may stand together, values
// may follow, be attached, or come behind '='.
//
// In: arguments. Out: Options, which the command line turns into a capture or a
// consume.
//
// Non-obvious:
//   - The tutorial's own line (--kafka, --topic) is of the older era; today's
//     pycapa refuses it. Here both spellings are options of their own, so an
//     exact name is never an ambiguous prefix.
//   - Two-letter options with one dash (-pp, -ll) are why no ordinary flag
//     library will do: "-pp 10" is one option, "-pc" is two flags.
package pycapa

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Options are what a pycapa command line asks for.
type Options struct {
	Producer    bool
	Consumer    bool
	Broker      string
	Topic       string
	Offset      string // begin, end or stored
	Interface   string
	MaxPackets  int64 // 0: endless
	PrettyPrint int64 // one line a that many packets; 0: none
	LogLevel    string
	SnapLen     int64
	Properties  []string // KEY=VALUE of librdkafka
	Help        bool
}

// DefaultSnapLen is pycapa's.
const DefaultSnapLen = 65535

// option is one entry of the parser: all its spellings and what it does.
type option struct {
	names []string
	value bool // takes one
	set   func(o *Options, value string) error
}

// options are those of today's pycapa, then those of before April 2017.
var options = []option{
	{[]string{"-h", "--help"}, false, func(o *Options, _ string) error { o.Help = true; return nil }},
	{[]string{"-p", "--producer"}, false, func(o *Options, _ string) error { o.Producer = true; return nil }},
	{[]string{"-c", "--consumer"}, false, func(o *Options, _ string) error { o.Consumer = true; return nil }},
	{[]string{"-k", "--kafka-broker", "--kafka"}, true, text(func(o *Options) *string { return &o.Broker })},
	{[]string{"-t", "--kafka-topic", "--topic"}, true, text(func(o *Options) *string { return &o.Topic })},
	{[]string{"-o", "--kafka-offset"}, true, choice(func(o *Options) *string { return &o.Offset }, "begin", "end", "stored")},
	{[]string{"-i", "--interface"}, true, text(func(o *Options) *string { return &o.Interface })},
	{[]string{"-m", "--max-packets", "-n", "--number"}, true, number(func(o *Options) *int64 { return &o.MaxPackets })},
	{[]string{"-pp", "--pretty-print", "-d", "--debug"}, true, number(func(o *Options) *int64 { return &o.PrettyPrint })},
	{[]string{"-ll", "--log-level"}, true, text(func(o *Options) *string { return &o.LogLevel })},
	{[]string{"-X"}, true, func(o *Options, v string) error { o.Properties = append(o.Properties, v); return nil }},
	{[]string{"-s", "--snaplen"}, true, number(func(o *Options) *int64 { return &o.SnapLen })},
}

func text(at func(*Options) *string) func(*Options, string) error {
	return func(o *Options, v string) error { *at(o) = v; return nil }
}

func number(at func(*Options) *int64) func(*Options, string) error {
	return func(o *Options, v string) error {
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil {
			return fmt.Errorf("invalid int value: %q", v)
		}
		*at(o) = n
		return nil
	}
}

func choice(at func(*Options) *string, allowed ...string) func(*Options, string) error {
	return func(o *Options, v string) error {
		if !slices.Contains(allowed, v) {
			return fmt.Errorf("invalid choice: %q (choose from %s)", v, strings.Join(allowed, ", "))
		}
		*at(o) = v
		return nil
	}
}

// Parse reads a pycapa command line, without the name of the program.
func Parse(args []string) (Options, error) {
	o := Options{Offset: "end", LogLevel: "INFO", SnapLen: DefaultSnapLen}
	for len(args) > 0 {
		arg := args[0]
		if len(arg) < 2 || arg[0] != '-' || arg == "--" {
			return o, fmt.Errorf("unrecognized argument: %s", arg)
		}
		rest, err := o.take(arg, args[1:])
		if err != nil {
			return o, err
		}
		args = rest
	}
	return o, nil
}

// take reads the option in arg, with its value from rest where it needs one,
// and returns what is left.
func (o *Options) take(arg string, rest []string) ([]string, error) {
	opt, name, attached, hasAttached, err := find(arg)
	if err != nil {
		return nil, err
	}
	for {
		if opt.value {
			if !hasAttached {
				if len(rest) == 0 || looksLikeOption(rest[0]) {
					return nil, fmt.Errorf("argument %s: expected one argument", strings.Join(opt.names, "/"))
				}
				attached, rest = rest[0], rest[1:]
			}
			if err := opt.set(o, attached); err != nil {
				return nil, fmt.Errorf("argument %s: %w", strings.Join(opt.names, "/"), err)
			}
			return rest, nil
		}
		if err := opt.set(o, ""); err != nil {
			return nil, err
		}
		if !hasAttached {
			return rest, nil
		}
		// A flag with something attached: more one-letter options behind it.
		next := lookup("-" + attached[:min(1, len(attached))])
		if strings.HasPrefix(name, "--") || attached == "" || next == nil {
			return nil, fmt.Errorf("argument %s: ignored explicit argument %q", strings.Join(opt.names, "/"), attached)
		}
		opt, name = next, "-"+attached[:1]
		attached = attached[1:]
		hasAttached = attached != ""
	}
}

// find looks up one argument as argparse does: the exact name, the name before
// '=', then whatever it is an unambiguous beginning of.
func find(arg string) (opt *option, name, attached string, hasAttached bool, err error) {
	if opt := lookup(arg); opt != nil {
		return opt, arg, "", false, nil
	}
	if n, v, ok := strings.Cut(arg, "="); ok {
		if opt := lookup(n); opt != nil {
			return opt, n, v, true, nil
		}
	}
	matches := candidates(arg)
	switch len(matches) {
	case 0:
		return nil, "", "", false, fmt.Errorf("unrecognized argument: %s", arg)
	case 1:
		m := matches[0]
		return m.opt, m.name, m.attached, m.hasAttached, nil
	}
	var names []string
	for _, m := range matches {
		names = append(names, m.name)
	}
	return nil, "", "", false, fmt.Errorf("ambiguous option: %s could match %s", arg, strings.Join(names, ", "))
}

type match struct {
	opt         *option
	name        string
	attached    string
	hasAttached bool
}

func candidates(arg string) (out []match) {
	prefix, value, hasValue := strings.Cut(arg, "=")
	long := strings.HasPrefix(arg, "--")
	for i := range options {
		for _, name := range options[i].names {
			switch {
			case long && strings.HasPrefix(name, prefix):
				out = append(out, match{&options[i], name, value, hasValue})
			case !long && name == arg[:2]:
				out = append(out, match{&options[i], name, arg[2:], true})
			case !long && strings.HasPrefix(name, arg):
				out = append(out, match{&options[i], name, "", false})
			}
		}
	}
	return out
}

func lookup(name string) *option {
	for i := range options {
		if slices.Contains(options[i].names, name) {
			return &options[i]
		}
	}
	return nil
}

// looksLikeOption reports whether argparse takes arg for an option where a
// value should stand: a dash and something that is no number.
func looksLikeOption(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	if _, err := strconv.ParseFloat(arg, 64); err == nil {
		return false
	}
	return !strings.Contains(arg, " ")
}
