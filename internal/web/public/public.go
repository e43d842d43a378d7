// Package public is the customers' side: what anybody may read, and the
// portal, where a message waits behind a second factor. Every page works
// without JavaScript; a passkey needs it, and another way stands beside it.
package public
