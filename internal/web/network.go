package web

import (
	"net"
	"net/http"
)

// Network is where a request comes from, for slowing guesses down: an IPv4
// address, or an IPv6 /64, because one host has all the addresses in it.
func Network(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return ip.Mask(net.CIDRMask(64, 128)).String()
	}
	return host
}
