package store

import (
	"context"
	"fmt"
)

// waitForMemory returns when the windows leave room for a message more. It
// closes the largest window when they do not.
func (s *Store) waitForMemory(ctx context.Context) error {
	for {
		if err := s.err(); err != nil {
			return err
		}
		s.mu.Lock()
		full, freed := s.memory >= s.opt.MemoryBytes, s.freed
		s.mu.Unlock()
		if !full {
			return nil
		}
		s.closeLargest()
		select {
		case <-freed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the store to write: %w", ctx.Err())
		case <-s.ctx.Done():
		}
	}
}

// closeLargest closes the window that gives back the most memory, if any is
// open. Sizes move while they are compared; the choice need not be exact.
func (s *Store) closeLargest() {
	var largest *partition
	var size int64
	for _, p := range s.assigned() {
		p.mu.Lock()
		if p.open != nil && p.open.bytes > size {
			largest, size = p, p.open.bytes
		}
		p.mu.Unlock()
	}
	if largest != nil {
		largest.mu.Lock()
		s.closeWindow(largest)
		largest.mu.Unlock()
	}
}

// grow accounts for memory taken (n > 0) or given back.
func (s *Store) grow(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory += n
	if n < 0 {
		close(s.freed)
		s.freed = make(chan struct{})
	}
}
