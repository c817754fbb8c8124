// Package cli is the command line: flags, the wiring of real parts, signals and
// exit codes. It is the only place that knows every concrete type.
//
// In: arguments, environment, signals. Out: an exit code, data on standard
// output, words for people on standard error.
//
// Non-obvious:
//   - The first SIGINT or SIGTERM cancels the command's context: it detaches,
//     drains and prints its ledger. The second one ends the process at once.
//   - A flag that was not given takes its environment name (XCAPA_ and the
//     flag's name in upper case, '-' as '_'), else what the configuration file
//     says (settings.go). Every flag is a key of that file by itself.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes of the interface description, section 6.
const (
	exitOK          = 0
	exitFailed      = 1   // the run failed
	exitUsage       = 2   // usage or configuration
	exitUnbalanced  = 3   // doctor found something wrong, or the books do not balance
	exitPrivilege   = 4   // missing privilege or kernel feature
	exitUnreachable = 5   // destination not reachable at start
	exitInterrupted = 130 // second interrupt
)

const exitCodesHelp = `
Exit status: 0 done; 1 the run failed; 2 usage or configuration; 3 doctor found
something wrong, or the ledger of a finished run does not balance; 4 missing
privilege or kernel feature; 5 destination not reachable at start; 130 second
interrupt.
`

// exitError carries the exit code an error stands for.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// withCode marks err with an exit code; nil stays nil.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

func usageErrorf(format string, args ...any) error {
	return withCode(exitUsage, fmt.Errorf(format, args...))
}

// streams are the three standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// Main runs one command line and returns its exit code. args[0] is the name of
// the program.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signalContext(stderr)
	defer stop()
	// A reader that goes away is an error of the write, not the end of us: rings
	// and processes want to be closed in order.
	signal.Ignore(syscall.SIGPIPE)
	root := newRoot(&streams{stdin, stdout, stderr})
	root.SetArgs(calledAs(args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var ee *exitError
	if errors.As(err, &ee) {
		code = ee.code
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("interrupted before it was done; what had begun is undone (%w)", err)
	}
	fmt.Fprintf(stderr, "xcapa: %v\n", err)
	return code
}

// signalContext is cancelled by the first SIGINT or SIGTERM; the second one
// ends the process.
func signalContext(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	sig := make(chan os.Signal, 2)
	signal.Notify(sig, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		if _, ok := <-sig; !ok {
			return
		}
		cancel()
		if _, ok := <-sig; !ok {
			return
		}
		fmt.Fprintln(stderr, "xcapa: second interrupt: ending at once, what was in flight is not counted")
		os.Exit(exitInterrupted)
	}()
	return ctx, func() { signal.Stop(sig); close(sig); cancel() }
}

func newRoot(s *streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "xcapa",
		Short: "Network packet capture agent: AF_XDP to Kafka to Elasticsearch, every packet accounted for",
		Long: `xcapa takes frames from a network interface with AF_XDP, decodes their headers in
one worker per RX queue, batches the records to Kafka, and indexes them into
Elasticsearch or a local Parquet store. Every stage keeps books that balance.`,
		Example: `  xcapa demo                          see the whole path in a minute
  sudo xcapa capture -i eth1          one line a packet, ledger at the end
  sudo xcapa run -i eth1              broker, capture and local store in one
  sudo xcapa capture -i eth1 --brokers kafka:9092
  xcapa index --brokers kafka:9092 --elasticsearch https://es:9200
  xcapa read capture.pcap             one JSON document a packet`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return applySettings(cmd, os.LookupEnv)
		},
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if !cmd.HasParent() && cmd.Flags().NArg() > 0 { // the flags of a command that is not there
			return unknownCommand(cmd, cmd.Flags().Arg(0))
		}
		return usageErrorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.SetHelpTemplate(helpTemplate)
	cobra.AddTemplateFunc("flagUsages", flagUsages)
	root.SetUsageTemplate(usageTemplate)
	registerConfigFlag(root)
	root.AddCommand(
		newCaptureCommand(s), newParseCommand(s), newIndexCommand(s), newRunCommand(s), newDemoCommand(s), newReadCommand(s),
		newReplayCommand(s), newBenchCommand(s), newVersionCommand(s), newFieldsCommand(s), newCleanupCommand(s), newDoctorCommand(s), newBrokerCommand(s), newPycapaCommand(s), newConfigCommand(s), newManCommand(s),
		newQueryCommand(s), newConsumeCommand(s), newTailCommand(s), newImportCommand(s), newFastcapaCommand(s),
	)
	completeFlags(root)
	return root
}

// helpTemplate puts the examples first.
const helpTemplate = `{{with .Short}}{{.}}

{{end}}{{if .HasExample}}Examples:
{{.Example}}

{{end}}{{with (or .Long "")}}{{. | trimTrailingWhitespaces}}

{{end}}{{.UsageString}}` + exitCodesHelp
