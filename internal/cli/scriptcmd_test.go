package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"xcapa/internal/broker"
	"xcapa/internal/kafka"
)

// scriptCondition knows [root].
func scriptCondition(cond string) (bool, error) {
	if cond == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// scriptSetup gives scripts the capture files of the project, in $PCAPS.
func scriptSetup(env *testscript.Env) error {
	dir, err := filepath.Abs("../../testdata/pcap")
	env.Setenv("PCAPS", dir)
	return err
}

// exitCode runs `exitcode N xcapa args...`, which must end with status N. What
// it wrote is what stdout and stderr then look at.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// hexFile runs `hexfile OUT IN`: writes the bytes spelled in hex in IN.
func hexFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hexfile out in")
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(ts.ReadFile(args[1])), ""))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// startBroker runs `startbroker [TOPIC=PARTITIONS...]`: an embedded broker in
// this process, its address in $BROKERS, ended with the script.
func startBroker(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: startbroker [topic=partitions...]")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	c := broker.Config{Partitions: 4, Limit: 256 << 20, Ready: func(addr string) { ready <- addr }}
	go func() { ended <- broker.Run(ctx, c) }()
	ts.Defer(func() { cancel(); <-ended })
	select {
	case addr := <-ready:
		ts.Setenv("BROKERS", addr)
		makeTopics(ts, addr, args)
	case err := <-ended:
		ended <- err
		ts.Fatalf("start the broker: %v", err)
	}
}

// makeTopics makes each NAME=PARTITIONS.
func makeTopics(ts *testscript.TestScript, addr string, topics []string) {
	for _, t := range topics {
		name, number, _ := strings.Cut(t, "=")
		n, err := strconv.Atoi(number)
		ts.Check(err)
		c := kafka.Config{Brokers: []string{addr}, CreateTopics: kafka.CreateTopics{Allowed: true, Partitions: int32(n)}}
		ts.Check(kafka.EnsureTopics(context.Background(), c, name))
	}
}
