//go:build unix

package smtpc

import (
	"errors"
	"net"
	"syscall"
)

// pending looks at a socket without reading from it and without waiting.
func pending(c net.Conn) (state pendingState) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nothing
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return gone
	}
	err = rc.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
			state = nothing
		case err != nil, n == 0:
			state = gone
		default:
			state = something
		}
	})
	if err != nil {
		return gone
	}
	return state
}
