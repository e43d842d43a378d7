package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"postern/internal/config"
	"postern/internal/fail"
	"postern/internal/vault"
)

// openFolder makes the data folder, readable by us alone, and locks it: two
// desks on one folder would send everything twice.
func openFolder(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "the data folder "+dir+" cannot be made; set data_dir to a folder that this user may write to")
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "the data folder "+dir+" cannot be written to")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fail.New(fail.Conflict, "another Postern is running on the data folder %s; stop it first, or set data_dir to another folder", dir)
	}
	return func() { f.Close() }, nil
}

// masterKey reads the master key from where the settings say, and makes one in
// the data folder if none is named anywhere and none is there.
func masterKey(c *config.Config) ([]byte, error) {
	if c.MasterKey != "" {
		return decodeKey(c.MasterKey, "setting master_key")
	}
	file := c.KeyFile
	if file == "" {
		file = filepath.Join(c.DataDir, "master.key")
	}
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		return decodeKey(string(text), "the file "+file)
	case !errors.Is(err, fs.ErrNotExist) || c.KeyFile != "":
		return nil, fail.Wrap(fail.Invalid, err, "the master key file "+file+" cannot be read (setting master_key_file)")
	}
	if _, err := os.Stat(filepath.Join(c.DataDir, "postern.db")); err == nil {
		return nil, fail.New(fail.Denied, "there is a database in %s but no master.key beside it; put the key back, or name it by master_key_file: without it nothing can be read", c.DataDir)
	}
	key := vault.NewMaster()
	if err := writeNew(file, []byte(hex.EncodeToString(key)+"\n")); err != nil {
		return nil, fmt.Errorf("write the master key: %w", err)
	}
	return key, nil
}

func decodeKey(text, where string) ([]byte, error) {
	key, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != vault.MasterSize {
		return nil, fail.New(fail.Invalid, "%s does not hold a master key: it must be 64 hex digits", where)
	}
	return key, nil
}

// writeNew writes a file that must not exist, durably, for our eyes only.
func writeNew(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// certificate loads the TLS certificate, or makes a self-signed one for the
// desk's host at first start.
func certificate(c *config.Config) (tls.Certificate, error) {
	cert, key := c.TLSCert, c.TLSKey
	if cert == "" {
		cert, key = filepath.Join(c.DataDir, "tls.crt"), filepath.Join(c.DataDir, "tls.key")
		if ownOver(cert, key, hostOf(c.URL)) {
			if err := errors.Join(gone(cert), gone(key)); err != nil {
				return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
			}
			if err := selfSigned(c, cert, key); err != nil {
				return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
			}
		}
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return pair, fail.Wrap(fail.Invalid, err, "the certificate "+cert+" cannot be used (settings web.tls_cert, web.tls_key)")
	}
	return pair, nil
}

// ownOver reports whether our own pair must be made: one of the two is not there, or it has
// run out, or is for another name than the desk has now.
func ownOver(cert, key, host string) bool {
	for _, name := range []string{cert, key} {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	return err == nil && (time.Now().After(pair.Leaf.NotAfter) || pair.Leaf.VerifyHostname(host) != nil)
}

func gone(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func selfSigned(c *config.Config, certFile, keyFile string) error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: u.Hostname(), Organization: []string{c.OrgName}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	for _, host := range []string{u.Hostname(), c.Hostname, "localhost", "127.0.0.1"} {
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeNew(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})); err != nil {
		return err
	}
	return writeNew(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
