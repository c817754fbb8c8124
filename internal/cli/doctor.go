package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"xcapa/internal/config"
	"xcapa/internal/doctor"
	"xcapa/internal/host"
)

// doctorOptions are the flags of doctor: those of the capture that the host is
// looked at for, and of the servers behind it.
type doctorOptions struct {
	device  deviceOptions
	kafka   kafkaFlags
	elastic elasticFlags
	topics  []string
	create  bool
	install bool
	store   string
	output  string
	verbose bool

	// command is this command line, for the commands that mend: the same
	// server, the same credentials.
	command func(without ...string) string
}

func newDoctorCommand(s *streams) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [-i INTERFACE...]",
		Short: "Say what this host can capture, what stands in the way, and the command that mends it",
		Long: `doctor looks at the kernel, the privileges and limits of this process, the
interfaces named with -i and, where they are named, the brokers, Elasticsearch and
the folder of the store. It changes nothing. Give it the flags that the capture
will have: it is that capture it looks at. capture makes the same checks when it
starts and fails with the same words.

States: ok; warn (a capture runs, with something less); fail (something is wrong:
exit status 3); skipped (it could not be found out).`,
		Example: `  sudo xcapa doctor -i eth1
  sudo xcapa doctor -i eth1 --chunk 2048 -v
  xcapa doctor --brokers kafka:9092 --elasticsearch http://es:9200 --store /data/packets
  xcapa doctor --brokers kafka:9092 --create-topics
  xcapa doctor -o json | jq -r '.checks[] | select(.state == "fail") | .mend'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.command = func(without ...string) string { return commandLine(cmd, without) }
			return runDoctor(cmd.Context(), s, &o)
		},
	}
	o.device.register(cmd)
	o.kafka.register(cmd)
	o.elastic.register(cmd)
	for _, name := range []string{"read", "require-healthy"} {
		_ = cmd.Flags().MarkHidden(name) // of captures
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.topics, "topic", []string{defaultPacketsTopic, defaultErrorsTopic}, "`TOPICS` that must be there and writable")
	f.BoolVar(&o.create, "create-topics", false, "create topics that are missing")
	f.BoolVar(&o.install, "install-template", false, "install the index template where it is missing")
	f.StringVar(&o.store, "store", "", "`FOLDER` of the local Parquet store or of capture files")
	f.StringVarP(&o.output, "output", "o", "text", "`FORMAT`: text or json")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "text: say of every check why it matters")
	onlyOnCommandLine(cmd, "create-topics", "install-template")
	return cmd
}

func runDoctor(ctx context.Context, s *streams, o *doctorOptions) error {
	if o.output != "text" && o.output != "json" {
		return usageErrorf("-o %q: want text or json", o.output)
	}
	if len(o.device.files) > 0 {
		return usageErrorf("-r: a capture file needs no doctor; name an interface with -i")
	}
	if err := o.device.validateValues(); err != nil {
		return err
	}
	checks, done, err := o.checks()
	defer done()
	if err != nil {
		return err
	}
	findings := doctor.Run(ctx, doctor.Limit, checks)
	write := writeFindings
	if o.output == "json" {
		write = writeFindingsJSON
	}
	if err := write(s.out, findings, o.verbose); err != nil {
		return fmt.Errorf("write standard output: %w", err)
	}
	if o.output == "text" && len(o.device.interfaces) == 0 && isTerminal(s.err) {
		fmt.Fprintln(s.err, "this was the host alone: name an interface with -i (`xcapa capture -D` lists them)")
	}
	if n := doctor.Count(findings, doctor.Fail); n > 0 {
		return withCode(exitUnbalanced, fmt.Errorf("doctor found %d %s", n, plural(n, "problem", "problems")))
	}
	return nil
}

// checks are all that the flags ask for. done closes what they look with.
func (o *doctorOptions) checks() (checks []doctor.Check, done func(), err error) {
	var opened []*host.Interface
	done = func() {
		for _, i := range opened {
			i.Close()
		}
	}
	engines := map[string]bool{}
	var perInterface []doctor.Check
	for _, name := range o.device.interfaces {
		if err := interfaceExists(name); err != nil {
			return nil, done, err
		}
		i, err := host.OpenInterface(name)
		if err != nil {
			return nil, done, err
		}
		opened = append(opened, i)
		engine, why, refused := o.device.chooseEngine(i)
		if refused != nil {
			engine = o.device.engine // what was asked for, to look at the rest
		}
		engines[engine] = true
		perInterface = append(perInterface, engineCheck(name, engine, why, refused))
		more, err := doctor.InterfaceChecks(i, o.device.settings(engine))
		if err != nil {
			return nil, done, err
		}
		perInterface = append(perInterface, more...)
	}
	engine := ""
	if len(engines) == 1 && engines["afpacket"] {
		engine = "afpacket"
	}
	checks = append(doctor.HostChecks(engine), perInterface...)
	if o.store != "" {
		checks = append(checks, doctor.DiskChecks(o.store)...)
	}
	servers, err := o.serverChecks()
	return append(checks, servers...), done, err
}

// engineCheck shows what chooseEngine decided.
func engineCheck(name, engine, why string, refused error) doctor.Check {
	return doctor.Check{Name: "engine", Interface: name,
		Why: "AF_XDP takes all traffic of the interface away from the host, AF_PACKET shares it",
		Look: func(context.Context) doctor.Finding {
			var p *host.Problem
			switch {
			case errors.As(refused, &p):
				return doctor.Finding{State: doctor.Fail, Found: p.Found, Why: p.Why, Mend: p.Mend, Or: p.Or}
			case refused != nil:
				return doctor.Finding{State: doctor.Fail, Found: refused.Error()}
			case why == "":
				why = engine + ", as asked for"
			}
			return doctor.Finding{State: doctor.OK, Found: why}
		}}
}

// writeFindingsJSON is the report for programs; its names are stable.
func writeFindingsJSON(w io.Writer, findings []doctor.Finding, _ bool) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		OK       bool             `json:"ok"`
		Problems int              `json:"problems"`
		Warnings int              `json:"warnings"`
		Checks   []doctor.Finding `json:"checks"`
	}{doctor.Count(findings, doctor.Fail) == 0, doctor.Count(findings, doctor.Fail), doctor.Count(findings, doctor.Warn), findings})
}

// Terminal colours of the states, SGR parameters of ECMA-48.
var stateColours = map[doctor.State]string{doctor.OK: "32", doctor.Warn: "33", doctor.Fail: "31", doctor.Skipped: "2"}

// writeFindings is the report for people: one line a check, and below what is
// not well why it matters and what mends it.
func writeFindings(w io.Writer, findings []doctor.Finding, verbose bool) error {
	colour := isTerminal(w) && os.Getenv("NO_COLOR") == ""
	width := 0
	for _, f := range findings {
		width = max(width, len(findingName(f)))
	}
	var b strings.Builder
	indent := strings.Repeat(" ", len("skipped  ")+width+2)
	for _, f := range findings {
		state := fmt.Sprintf("%-7s", f.State)
		if colour {
			state = "\x1b[" + stateColours[f.State] + "m" + state + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s  %-*s  %s\n", state, width, findingName(f), printable(f.Found))
		bad := f.State == doctor.Warn || f.State == doctor.Fail
		for _, more := range []struct {
			label, text string
			show        bool
		}{{"why:", f.Why, bad || verbose}, {"fix:", f.Mend, true}, {"or:", f.Or, true}} {
			if more.show && more.text != "" {
				fmt.Fprintf(&b, "%s%-4s %s\n", indent, more.label, printable(more.text))
			}
		}
	}
	fails, warns := doctor.Count(findings, doctor.Fail), doctor.Count(findings, doctor.Warn)
	fmt.Fprintf(&b, "%d %s, %d %s\n", warns, plural(warns, "warning", "warnings"), fails, plural(fails, "problem", "problems"))
	_, err := io.WriteString(w, b.String())
	return err
}

func findingName(f doctor.Finding) string {
	if f.Interface == "" {
		return f.Check
	}
	return printable(f.Interface) + " " + f.Check
}

// printable keeps one line one line, and a terminal a terminal: names and
// answers of servers are other people's.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' '
		case r < ' ' || r == 0x7f:
			return '?'
		}
		return r
	}, s)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// commandLine is the command as it was given, environment and file included,
// without some flags.
func commandLine(cmd *cobra.Command, without []string) string {
	words := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		for _, w := range without {
			if f.Name == w {
				return
			}
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			v = config.Masked(f.Name, v) // a secret stays where it is
			if f.Value.Type() == "bool" && v == "true" {
				words = append(words, "--"+f.Name)
			} else {
				words = append(words, "--"+f.Name, shellQuote(v))
			}
		}
	})
	return strings.Join(words, " ")
}

// shellQuote quotes a word for a POSIX shell where it has to be.
func shellQuote(s string) string {
	safe := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=@%+", r))
	}) < 0
	if safe {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
