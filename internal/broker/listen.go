package broker

import (
	"encoding/binary"
	"fmt"
	"net"
)

// maxRequest is the largest request a client may send, as Kafka's
// socket.request.max.bytes.
const maxRequest = 100 << 20

// listen opens port on loopback, for connections that speak Kafka.
func listen(port int) (net.Listener, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	return framedListener{l}, nil
}

type framedListener struct{ net.Listener }

func (l framedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framedConn{Conn: c}, nil
}

// framedConn follows the frames of a connection, a big-endian length and that
// many bytes, and ends it when a length is no request's: kfake would allocate
// it.
type framedConn struct {
	net.Conn
	left int64   // bytes of the current frame to come
	size [4]byte // of the next frame
	have int     // bytes in size
}

func (c *framedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if ferr := c.follow(p[:n]); ferr != nil {
		c.Conn.Close()
		return 0, ferr
	}
	return n, err
}

func (c *framedConn) follow(p []byte) error {
	for len(p) > 0 {
		if c.left > 0 {
			n := min(int64(len(p)), c.left)
			c.left -= n
			p = p[n:]
			continue
		}
		n := copy(c.size[c.have:], p)
		c.have += n
		p = p[n:]
		if c.have < len(c.size) {
			return nil
		}
		c.have = 0
		if c.left = int64(binary.BigEndian.Uint32(c.size[:])); c.left > maxRequest {
			return fmt.Errorf("a request claims %d bytes: not a Kafka client", c.left)
		}
	}
	return nil
}
