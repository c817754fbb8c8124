package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"xcapa/bench/peers"
	"xcapa/internal/measure"
)

// harness is one run of the suite.
type harness struct {
	binary  string // xcapa
	self    string // this program: the peers
	python  string // with pcapy-ng and confluent-kafka; "" where pip did not answer
	scratch string // kept between runs: binaries, jars, a virtual environment
	place   measure.Placement
	length  time.Duration // of one trial's traffic
	count   int           // rounds
	full    bool
	end     time.Time // from then on one round of everything; zero: no such time
	report  report
}

// part is one chapter of the suite.
type part struct {
	name string
	full bool // of bench-full alone
	run  func(*harness)
}

var parts = []part{
	{"capture", false, (*harness).capture},
	{"fixed", false, (*harness).fixed},
	{"path", false, (*harness).path},
	{"cpu", false, (*harness).cpu},
	{"parse", false, (*harness).parse},
	{"index", false, (*harness).index},
	{"files", false, (*harness).files},
	{"replay", false, (*harness).replay},
	{"query", false, (*harness).query},
	{"sizes", false, (*harness).sizes},
	{"servers", true, (*harness).servers},
	{"curves", true, (*harness).curves},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "peer" {
		os.Exit(peers.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "scale" {
		if err := scale(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	h := &harness{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&h.binary, "xcapa", "bin/xcapa", "the program to measure")
	out := f.String("o", "bench/results", "folder for the report")
	only := f.String("only", "", "chapters to run, with commas between; all: "+strings.Join(partNames(), ","))
	f.DurationVar(&h.length, "length", 800*time.Millisecond, "traffic of one trial")
	f.IntVar(&h.count, "rounds", 5, "rounds, of which the median counts")
	f.BoolVar(&h.full, "full", false, "the curves as well")
	name := f.String("name", "", "of the report's files (default latest, with -full: full)")
	budget := f.Duration("budget", 12*time.Minute, "after so long one round of what is left must do (-full: no limit)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("veth pairs and XDP take root: sudo make bench")
	}
	var err error
	if h.place, err = measure.Place(measure.AllowedCores()); err != nil {
		return err
	}
	if h.binary, err = filepath.Abs(h.binary); err != nil {
		return err
	}
	if h.self, err = os.Executable(); err != nil {
		return err
	}
	if h.scratch, err = filepath.Abs(filepath.Join(*out, "tmp")); err == nil {
		err = os.MkdirAll(h.scratch, 0o755)
	}
	if err != nil {
		return err
	}
	if *name == "" {
		if *name = "latest"; h.full {
			*name = "full"
		}
	}
	if !h.full {
		h.end = time.Now().Add(*budget)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	h.report = report{Began: time.Now().UTC(), Machine: describeMachine(h.binary), Command: commandLine(f), Place: h.place.String(), Length: h.length.String(), Rounds: h.count}
	chosen := strings.Split(*only, ",")
	for _, p := range parts {
		if *only != "" && !slices.Contains(chosen, p.name) || *only == "" && p.full && !h.full {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		begin := time.Now()
		fmt.Fprintf(os.Stderr, "bench: %s\n", p.name)
		p.run(h)
		h.report.Took = append(h.report.Took, took{p.name, time.Since(begin).Seconds()})
	}
	h.report.Ended = time.Now().UTC()
	return h.report.write(*out, *name)
}

// commandLine is how the suite was called, without folders of this machine.
func commandLine(f *flag.FlagSet) string {
	words := []string{"bench"}
	f.Visit(func(f *flag.Flag) {
		if f.Name != "o" && f.Name != "xcapa" {
			words = append(words, "-"+f.Name+"="+f.Value.String())
		}
	})
	return strings.Join(words, " ")
}

func partNames() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}
