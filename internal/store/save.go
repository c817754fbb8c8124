package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// openWindow gives p, which has none, a window that closes by itself. p.mu is
// held.
func (s *Store) openWindow(p *partition) {
	w := s.windows.Get().(*window)
	w.done = make(chan struct{})
	w.timer = time.AfterFunc(s.opt.Window, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.open == w {
			s.closeWindow(p)
		}
	})
	p.open = w
}

// closeWindow takes p's window, if it has one, and has it saved. p.mu is held.
func (s *Store) closeWindow(p *partition) {
	w := p.open
	if w == nil {
		return
	}
	p.open = nil
	w.timer.Stop()
	s.mu.Lock()
	s.unsettled[w] = struct{}{}
	s.mu.Unlock()
	p.saving.Add(1)
	go func() {
		defer p.saving.Done()
		s.finish(p, w, s.save(p, w))
	}()
}

// save writes the files of a window, however long the disk makes it wait. An
// error means that it is given up: the partition was taken away, the store was
// closed, or it cannot go on.
func (s *Store) save(p *partition, w *window) error {
	if w.rows() == 0 { // messages without a row settle all the same
		return p.ctx.Err()
	}
	var e *encoder
	select {
	case e = <-s.encoders:
		defer func() { s.encoders <- e }()
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
	name := fileName{Topic: p.key.topic, Partition: p.key.partition, First: w.first, Last: w.last, TopicID: p.topicID}
	for _, part := range w.parts() {
		if err := s.saveFile(p, e, name, w, part); err != nil {
			return err
		}
	}
	return nil
}

// saveFile writes one file, trying again for as long as the partition is ours.
func (s *Store) saveFile(p *partition, e *encoder, name fileName, w *window, part part) error {
	wait, said := firstRetry, time.Time{}
	for began := time.Now(); ; {
		var size counting
		err := writeFile(s.dir, part.hour.folder(name.Topic), tempName(name, part.hour), name.String(), p.ctx.Err,
			func(out io.Writer) error {
				size = counting{w: out}
				return e.encode(&size, name, w, part.rows)
			})
		if err == nil {
			s.files.Add(1)
			s.bytes.Add(uint64(size.n))
			if !said.IsZero() {
				s.opt.Logger.Info("storing again", "file", name.String(), "after", time.Since(began).Round(time.Millisecond))
			}
			return nil
		}
		if p.ctx.Err() != nil {
			return p.ctx.Err()
		}
		if !worthRetry(err) {
			return err
		}
		s.retries.Add(1)
		if time.Since(said) >= sayAgain {
			s.opt.Logger.Warn("cannot store, trying again", "directory", s.dir, "error", err, "advice", adviceFor(err))
			said = time.Now()
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, s.opt.retryMax)
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
}

// finish settles a window that was saved (err nil), counts one that was given
// up, and gives its memory back.
func (s *Store) finish(p *partition, w *window, err error) {
	rows := uint64(w.rows())
	if err == nil && p.ctx.Err() != nil { // saved, but taken away meanwhile
		err = p.ctx.Err()
	}
	switch {
	case err == nil:
		s.out.Add(rows)
		s.messages.Add(uint64(len(w.settled)))
		// Last to first: the committed offset must not stop inside the file.
		for i := len(w.settled) - 1; i >= 0; i-- {
			w.settled[i]()
		}
	default:
		s.givenBack.Add(rows)
		if !errors.Is(err, context.Canceled) {
			s.fail(err)
		}
	}
	s.drop(w)
}

// drop forgets a closed window and takes its memory back.
func (s *Store) drop(w *window) {
	size, done := w.bytes, w.done
	s.mu.Lock()
	delete(s.unsettled, w)
	s.mu.Unlock()
	w.reset()
	s.windows.Put(w)
	s.grow(-size)
	close(done)
}

// giveUp ends a partition that is not in s.partitions any more: its open
// window is dropped, and when it returns nothing of it is being written and no
// settled function of it will be called.
func (s *Store) giveUp(p *partition) {
	p.cancel()
	p.mu.Lock()
	w := p.open
	p.open = nil
	p.mu.Unlock()
	if w != nil {
		w.timer.Stop()
		s.givenBack.Add(uint64(w.rows()))
		s.drop(w)
	}
	p.saving.Wait()
}

// counting counts the bytes it passes on.
type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
