package safehttp

import "net/netip"

// Permitted is what the dialler asks of each address.
func Permitted(a netip.Addr, allow ...netip.Prefix) error { return permitted(a, allow, families()) }
