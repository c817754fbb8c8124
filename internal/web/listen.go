package web

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// Where the page is when nobody says where: the first free port of these.
const (
	DefaultHost = "127.0.0.1"
	FirstPort   = 4050
	LastPort    = 4060
)

// ErrNoPort says that the whole default range is taken.
var ErrNoPort = errors.New("every port of the default range is taken")

// Listen opens addr, host:port; "" means the first free port of the default
// range on loopback.
func Listen(addr string) (net.Listener, error) {
	if addr != "" {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("open the page: %w", err)
		}
		return l, nil
	}
	for port := FirstPort; port <= LastPort; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort(DefaultHost, strconv.Itoa(port)))
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("open the page: %w", err)
		}
	}
	return nil, fmt.Errorf("open the page on %s, ports %d to %d: %w", DefaultHost, FirstPort, LastPort, ErrNoPort)
}

// isLoopback is whether only this machine can reach a listener on addr.
func isLoopback(addr net.Addr) bool {
	t, ok := addr.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}
