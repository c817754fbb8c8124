package cli

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"xcapa/internal/config"
	"xcapa/internal/status"
	"xcapa/internal/web"
)

// The two values of --page that are no address.
const (
	pageOn  = "on"
	pageOff = "off"
)

// pageFlags say where the monitoring page is, if anywhere.
type pageFlags struct {
	addr     string
	pprof    bool
	interval time.Duration
}

func (p *pageFlags) register(cmd *cobra.Command, addr string) {
	defer group(cmd, "Monitoring page")()
	f := cmd.Flags()
	f.StringVar(&p.addr, "page", addr, "monitoring page: `off`, on (this machine alone, port 4050 or the next free one up to 4060) or HOST:PORT")
	f.BoolVar(&p.pprof, "page-pprof", false, "the page also serves profiles of the process at /debug/pprof/")
	f.DurationVar(&p.interval, "batch-interval", 0, "sum the page's batches up over this time (0: each fetch-to-commit cycle is a row)")
}

// setDefault gives a flag of a command that was built on another's flags a
// default of its own.
func setDefault(cmd *cobra.Command, name, value string) {
	f := cmd.Flags().Lookup(name)
	if err := f.Value.Set(value); err != nil {
		panic("default of --" + name + ": " + err.Error())
	}
	f.DefValue = value
}

// validate checks the flags; commands call it before they open anything.
func (p *pageFlags) validate() error {
	if p.interval < 0 {
		return usageErrorf("--batch-interval %v: want a time above 0, as in --batch-interval 4s, or 0", p.interval)
	}
	if p.addr == pageOn || p.addr == pageOff {
		return nil
	}
	if _, _, err := net.SplitHostPort(p.addr); err != nil {
		return usageErrorf("--page %q: want on, off or HOST:PORT, as in --page 127.0.0.1:4050", p.addr)
	}
	return nil
}

// open starts the page; nil: there is none. Without an address of the user's
// own it is no reason to fail.
func (p *pageFlags) open(s *streams, command string, quiet bool, source status.Source) (*web.Server, error) {
	if err := p.validate(); err != nil || p.addr == pageOff {
		return nil, err
	}
	addr := p.addr
	if addr == pageOn {
		addr = ""
	}
	l, err := web.Listen(addr)
	switch {
	case errors.Is(err, web.ErrNoPort):
		fmt.Fprintf(s.err, "xcapa: %v: there is no page; name another address with --page HOST:PORT\n", err)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: name another address with --page, or leave it out", err)
	}
	page := web.Serve(l, web.Config{Command: command, Version: version, Source: source, Pprof: p.pprof})
	if !quiet {
		fmt.Fprintf(s.err, "page: %s\n", page.URL())
		if page.Public() {
			fmt.Fprintln(s.err, "  note: other machines can read it: it shows topics, addresses of servers and flags, and asks for no password")
		}
	}
	return page, nil
}

// effectiveFlags are the flags of a command as they are now, secrets masked.
func effectiveFlags(f *pflag.FlagSet) []status.Option {
	var out []status.Option
	f.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		values, _ := flagValues(f)
		values = slices.Clone(values) // the flag's own
		for i, v := range values {
			values[i] = config.Masked(f.Name, v)
		}
		out = append(out, status.Option{Name: f.Name, Value: strings.Join(values, ", "), Origin: originOf(f)})
	})
	return out
}
