package smtpc

// pendingState is what a socket has for us, seen without reading from it.
type pendingState int

const (
	nothing   pendingState = iota // open and silent
	something                     // bytes wait to be read
	gone                          // closed or reset by the other side
)
