// Package dbtest gives tests a fresh, migrated database of each kind. SQLite
// is a file in a temporary folder. PostgreSQL is a private server of the test
// run on a socket of its own; POSTERN_TEST_PG names one that is already
// running. A test never skips PostgreSQL: without a server it fails and says
// what to install.
package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/internal/db"
)

// Each runs f once on SQLite and once on PostgreSQL.
func Each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	EachAt(t, nil, f)
}

// EachAt is Each with a clock.
func EachAt(t *testing.T, clock func() time.Time, f func(t *testing.T, d *db.DB)) {
	t.Run("sqlite", func(t *testing.T) { f(t, open(t, SQLite(t), clock)) })
	t.Run("postgres", func(t *testing.T) { f(t, open(t, Postgres(t), clock)) })
}

// URLs names the kinds and makes an empty database of each when called.
func URLs() map[string]func(testing.TB) string {
	return map[string]func(testing.TB) string{"sqlite": SQLite, "postgres": Postgres}
}

// SQLite returns the path of an SQLite file that does not exist yet.
func SQLite(t testing.TB) string { return filepath.Join(t.TempDir(), "test.db") }

// Open opens and migrates the database at url and closes it with the test.
func Open(t testing.TB, url string) *db.DB { return open(t, url, nil) }

func open(t testing.TB, url string, clock func() time.Time) *db.DB {
	t.Helper()
	ctx := context.Background()
	d, err := db.Open(ctx, db.Options{URL: url, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return d
}

var server struct {
	once sync.Once
	url  string // of the database "postgres"
	err  error
	mu   sync.Mutex
	n    int
}

// Postgres returns the URL of an empty database of its own.
func Postgres(t testing.TB) string {
	t.Helper()
	server.once.Do(func() {
		if server.url = os.Getenv("POSTERN_TEST_PG"); server.url == "" {
			server.url, server.err = Start()
		}
	})
	if server.err != nil {
		t.Fatal(server.err)
	}
	server.mu.Lock()
	server.n++
	name := fmt.Sprintf("t%d_%d_%d", os.Getpid(), server.n, time.Now().UnixNano()%1e6)
	server.mu.Unlock()
	admin, err := sql.Open("pgx", server.url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		admin.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
		admin.Close()
	})
	return strings.Replace(server.url, "dbname=postgres", "dbname="+name, 1)
}

// sweep removes the folders of servers whose test was killed before it could.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), "postern-pg-*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(strings.Split(filepath.Base(dir), "-")[2])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			os.RemoveAll(dir)
		}
	}
}

// Start starts a private PostgreSQL that ends with this process, and returns
// its URL ("host=... dbname=postgres ...").
func Start() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	sweep()
	dir, err := os.MkdirTemp("", fmt.Sprintf("postern-pg-%d-", os.Getpid()))
	if err != nil {
		return "", err
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		uid, gid, err := unprivileged()
		if err != nil {
			return "", err
		}
		os.Chmod(dir, 0o700)
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return "", err
		}
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postern", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	pg := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-p", "54329",
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "fsync="+onoff(os.Getenv("POSTERN_TEST_PG_FSYNC") != ""), "-c", "logging_collector=off")
	pg.SysProcAttr, pg.Dir = attr, dir
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	pg.Stdout, pg.Stderr = log, log
	if err := startLocked(pg); err != nil {
		return "", fmt.Errorf("start postgres: %w", err)
	}
	url := "host=" + dir + " port=54329 user=postern dbname=postgres sslmode=disable"
	for i := 0; i < 200; i++ {
		c, err := sql.Open("pgx", url)
		if err == nil {
			err = c.Ping()
			c.Close()
		}
		if err == nil {
			return url, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	out, _ := os.ReadFile(log.Name())
	return "", fmt.Errorf("postgres did not come up:\n%s", out)
}

// startLocked starts the server from a thread that lives as long as the
// process: Pdeathsig is tied to the thread that forked.
func startLocked(c *exec.Cmd) error {
	res := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := c.Start()
		res <- err
		if err == nil {
			c.Wait()
		}
	}()
	return <-res
}

func onoff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func binaries() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for i := len(dirs) - 1; i >= 0; i-- {
		if _, err := os.Stat(filepath.Join(dirs[i], "initdb")); err == nil {
			return dirs[i], nil
		}
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", fmt.Errorf("PostgreSQL is not installed; install it with: apt-get install postgresql")
}

func unprivileged() (uid, gid uint32, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		a, _ := strconv.Atoi(u.Uid)
		b, _ := strconv.Atoi(u.Gid)
		return uint32(a), uint32(b), nil
	}
	return 0, 0, fmt.Errorf("no user to run PostgreSQL as: neither postgres nor nobody exists")
}
