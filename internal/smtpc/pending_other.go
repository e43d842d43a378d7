//go:build !unix

package smtpc

import "net"

// pending cannot look here. A dead connection is then noticed by using it, and
// a hang-up during the body counts as InDoubt.
func pending(net.Conn) pendingState { return nothing }
