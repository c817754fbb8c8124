// Package peers holds the programs that xcapa is compared with, each run as a
// process of its own: `bench peer NAME FLAGS`.
//
// A peer that captures prints a line of JSON when it takes frames, goes on until
// SIGTERM, prints a second line with what it got, and then waits to be killed,
// so that its CPU time can be read after its last work and before its end.
package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// Result is what a capturing peer says at its end.
type Result struct {
	Ready   bool   `json:"ready,omitempty"` // the first line
	Packets uint64 `json:"packets"`         // delivered: counted, or acknowledged by the broker
	Dropped uint64 `json:"dropped"`         // as far as it knows itself
}

var all = map[string]func(ctx context.Context, args []string) error{
	"drop": drop, "afpacket": afpacketCount, "asavie": asavieLoop, "pycapa": pycapaShape, "bulk": bulkIndexer,
	"parse": parseFrames, "latency": latency, "acknowledged": acknowledged, "message": messagePerPacket, "sink": sink,
}

// Names lists the peers.
func Names() []string {
	var names []string
	for n := range all {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Main runs the peer args[0] and returns an exit code.
func Main(args []string) int {
	if len(args) == 0 || all[args[0]] == nil {
		fmt.Fprintf(os.Stderr, "bench peer: want one of %v\n", Names())
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := all[args[0]](ctx, args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "bench peer %s: %v\n", args[0], err)
		return 1
	}
	return 0
}

func say(r Result) {
	b, _ := json.Marshal(r)
	fmt.Printf("%s\n", b)
}

func ready() { say(Result{Ready: true}) }

// done says r and waits for the end.
func done(r Result) error {
	say(r)
	select {}
}

// cpuSeconds is what this process has used so far.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
