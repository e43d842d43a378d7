package app

import (
	"crypto/x509"
	"os"
	"strings"

	"postern/internal/config"
	"postern/internal/fail"
	"postern/internal/smtpc"
)

// relayOf turns the settings into a relay.
func relayOf(c *config.Config) (smtpc.Relay, error) {
	r := smtpc.Relay{Addr: c.RelayAddr, Implicit: c.RelayImplicit, TLS: smtpc.TLSPolicy(c.RelayTLS), Username: c.RelayUser, Password: c.RelayPassword,
		Hostname: c.Hostname, PoolSize: 16}
	if c.RelayPassFile != "" {
		b, err := os.ReadFile(c.RelayPassFile)
		if err != nil {
			return r, fail.Wrap(fail.Invalid, err, "the file of setting relay.password_file cannot be read")
		}
		r.Password = strings.TrimRight(string(b), "\r\n")
	}
	if c.RelayCA != "" {
		pem, err := os.ReadFile(c.RelayCA)
		if err != nil {
			return r, fail.Wrap(fail.Invalid, err, "the file of setting relay.ca_file cannot be read")
		}
		r.RootCAs = x509.NewCertPool()
		if !r.RootCAs.AppendCertsFromPEM(pem) {
			return r, fail.New(fail.Invalid, "the file of setting relay.ca_file holds no certificate")
		}
	}
	return r, nil
}
