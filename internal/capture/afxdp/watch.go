package afxdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// watcher looks after an interface while it is captured: nothing tells a socket
// that its interface was removed or got another queue. It has one goroutine,
// ended by close.
type watcher struct {
	hook   *Hook
	fd     int // netlink, group RTMGRP_LINK
	stopFD int // eventfd: close was called
	goneFD int // eventfd: the interface is gone, or close was called
	gone   atomic.Bool
	done   sync.WaitGroup
	once   sync.Once
}

// watchInterval is how often what is not told of is looked at, in ms.
const watchInterval = 1000

// watch starts a watcher. It must run in the interface's network namespace.
func watch(h *Hook) (_ *watcher, err error) {
	w := &watcher{hook: h, fd: -1, stopFD: -1, goneFD: -1}
	defer func() {
		if err != nil {
			w.closeFDs()
			err = fmt.Errorf("watch interface %s: %w", h.iface.Name, err)
		}
	}()
	if w.stopFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, err
	}
	if w.goneFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, err
	}
	w.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(w.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		return nil, err
	}
	w.done.Go(w.run)
	return w, nil
}

func (w *watcher) run() {
	buffer := make([]byte, 64<<10)
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(w.stopFD), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, watchInterval)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil, fds[1].Revents != 0:
			return
		case n > 0:
			w.read(buffer)
		default:
			w.hook.look()
		}
		if w.gone.Load() {
			return
		}
	}
}

// read takes one datagram of news about interfaces.
func (w *watcher) read(buffer []byte) {
	n, _, err := unix.Recvfrom(w.fd, buffer, 0)
	if errors.Is(err, unix.ENOBUFS) { // news were lost: look for ourselves
		if _, err := w.hook.iface.Link(); errors.Is(err, unix.ENODEV) || isLinkNotFound(err) {
			w.tellGone()
		}
		return
	}
	if err != nil {
		return
	}
	messages, err := syscall.ParseNetlinkMessage(buffer[:n])
	if err != nil {
		return
	}
	for _, m := range messages {
		if len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		// struct ifinfomsg: the index is at byte 4.
		if int(binary.NativeEndian.Uint32(m.Data[4:])) != w.hook.iface.Index {
			continue
		}
		if m.Header.Type == unix.RTM_DELLINK {
			w.tellGone()
		}
	}
}

func (w *watcher) tellGone() {
	w.gone.Store(true)
	w.wake()
	w.hook.config.Logger.Error("interface gone", "interface", w.hook.iface.Name)
}

// wake makes goneFD readable, for good: nobody reads it.
func (w *watcher) wake() {
	unix.Write(w.goneFD, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// err is why nothing will come any more.
func (w *watcher) err() error {
	if !w.gone.Load() {
		return nil
	}
	return fmt.Errorf("interface %s is gone: %w: start again when it is back", w.hook.iface.Name, unix.ENODEV)
}

func (w *watcher) close() {
	w.once.Do(func() {
		unix.Write(w.stopFD, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		w.done.Wait()
		w.closeFDs()
	})
}

func (w *watcher) closeFDs() {
	for _, fd := range []int{w.fd, w.stopFD, w.goneFD} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
