package smtpd

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// acceptLoop runs until the listener is closed by Stop.
func (s *Server) acceptLoop(l net.Listener) {
	const least, most = 5 * time.Millisecond, time.Second
	pause := least
	for {
		c, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors, most likely: it passes.
			s.log.Warn("mail door cannot accept a connection", "err", err)
			select {
			case <-s.quit:
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, most)
			continue
		}
		pause = least
		s.admit(c)
	}
}

// admit starts a session, or turns the caller away when there are too many.
func (s *Server) admit(c net.Conn) {
	n := newSession(s, c)
	if text := s.enter(n); text != "" {
		s.o.Observe(EventTurnedAway)
		// A few bytes into an empty socket buffer: this cannot hold up the loop.
		c.SetWriteDeadline(time.Now().Add(time.Second))
		c.Write([]byte("421 4.7.0 " + text + "\r\n"))
		c.Close()
		return
	}
	s.o.Observe(EventConnection)
	s.wg.Go(func() {
		defer s.leave(n)
		n.run()
	})
}

func (s *Server) enter(n *session) (refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	caller := network(n.remote)
	switch {
	case s.stopping:
		return "Going down for a restart, try again later"
	case len(s.sessions) >= s.o.MaxConns:
		return "Too many connections, try again later"
	case caller.IsValid() && s.perIP[caller] >= s.o.MaxConnsPerIP:
		return "Too many connections from your address, close some or try again later"
	}
	s.sessions[n] = struct{}{}
	if caller.IsValid() {
		s.perIP[caller]++
	}
	return ""
}

func (s *Server) leave(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, n)
	if caller := network(n.remote); caller.IsValid() {
		if s.perIP[caller]--; s.perIP[caller] <= 0 {
			delete(s.perIP, caller)
		}
	}
}

// network is what counts as one caller: an IPv4 address, or an IPv6 /64,
// because one host has all the addresses in it.
func network(a netip.Addr) netip.Prefix {
	if !a.IsValid() {
		return netip.Prefix{}
	}
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}

func remoteOf(c net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// wire is a connection whose reads end in time, and which Stop can wake.
type wire struct {
	net.Conn
	read, write time.Duration

	mu     sync.Mutex
	end    time.Time // guarded by mu: of the command or message being read
	busy   bool      // guarded by mu: a message is being received, do not wake
	woken  bool      // guarded by mu: no more reads
	handed bool      // guarded by mu: Stop has been told once
}

var errStopping = errors.New("smtpd: stopping")

func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	if w.woken {
		w.mu.Unlock()
		return 0, errStopping
	}
	d := time.Now().Add(w.read)
	if !w.end.IsZero() && w.end.Before(d) {
		d = w.end
	}
	w.Conn.SetReadDeadline(d)
	w.mu.Unlock()
	n, err := w.Conn.Read(p)
	if n == 0 && err != nil && w.stopped() {
		err = errStopping
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	w.Conn.SetWriteDeadline(time.Now().Add(w.write))
	return w.Conn.Write(p)
}

// until sets the moment at which all reads end; busy reads are spared by a
// graceful stop.
func (w *wire) until(end time.Time, busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end, w.busy = end, busy
	if w.handed && !busy {
		w.woken = true
	}
}

// interrupt ends the reads: at once when idle, after the message when busy.
// Forced, the connection is closed under whatever it is doing.
func (w *wire) interrupt(force bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handed = true
	if w.busy && !force {
		return
	}
	w.woken = true
	w.Conn.SetReadDeadline(time.Unix(1, 0))
	if force {
		w.Conn.Close()
	}
}

func (w *wire) stopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.woken
}
