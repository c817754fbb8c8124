package afxdp

import (
	"golang.org/x/sys/unix"

	"xcapa/internal/ledger"
)

// Account adds the losses of one copy-mode socket without frames of several
// parts to the ring room: for an engine that brings sockets of its own.
func Account(r *ledger.Room, kernel unix.XDPStatistics) { ringCounts{kernel: kernel}.account(r) }
