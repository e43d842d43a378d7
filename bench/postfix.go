package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"postern/bench/load"
)

// accepting is Postfix as nothing but a durable accept: every mail goes to its hold
// queue, written and synced before the 250, and stays there. No delivery takes part of the
// machine from it. What is not said here is as Postfix comes.
const accepting = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
command_directory = %[2]s
daemon_directory = %[3]s
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = bench.example
mydestination =
alias_maps =
alias_database =
relay_domains = northmere.example
default_transport = discard:
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_mynetworks, reject
`

// designs is the part of the bound that Postfix reached as a durable accept on another
// machine, in one run of both: 225 of 745, 603 of 1,679 and 704 of 2,612 mails a second.
// It stands in where Postfix cannot be run, and misleads where a sync costs something else.
var designs = map[int]float64{1: 225.0 / 745, 10: 603.0 / 1679, 50: 704.0 / 2612}

// accept measures Postfix beside the bound, on the same disk. It needs an installed
// Postfix, which is left as it is, and root, as Postfix does.
func (l *lab) accept() error {
	if _, err := exec.LookPath("postfix"); err != nil || os.Getuid() != 0 {
		fmt.Println("\nPostfix is not measured: that takes an installed Postfix, and root. What the design measured of it stands in.")
		for n, part := range designs {
			l.postfix[n] = part * l.ref["plain"][n].Rate()
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "postern-postfix-") // Postfix's own user must get in
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	port, err := preparePostfix(dir)
	if err != nil {
		return err
	}
	if out, err := exec.Command("postfix", "-c", filepath.Join(dir, "etc"), "start").CombinedOutput(); err != nil {
		return fmt.Errorf("start Postfix: %w\n%s", err, out)
	}
	defer exec.Command("postfix", "-c", filepath.Join(dir, "etc"), "stop").Run()
	if !awaits("127.0.0.1:"+port, 10*time.Second) {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return fmt.Errorf("no greeting from Postfix:\n%s", log)
	}
	fmt.Println("\nPostfix, a durable accept and nothing else:")
	for _, n := range connections {
		if _, err := load.Run("127.0.0.1:"+port, n, l.mails.take("plain", 2*n)); err != nil { // its processes are there then
			return fmt.Errorf("load on Postfix: %w", err)
		}
		r, _, err := l.measure("127.0.0.1:"+port, "plain", n, nil)
		if err != nil {
			return fmt.Errorf("load on Postfix: %w", err)
		}
		l.postfix[n] = r.Rate()
		fmt.Printf("  plain %2d connections  %7.0f mails/s   p50 %6s  p95 %6s\n", n, r.Rate(), ms(r.P50), ms(r.P95))
	}
	return nil
}

// preparePostfix writes a configuration of its own into dir and returns the port.
func preparePostfix(dir string) (string, error) {
	ask := func(name string) string {
		out, _ := exec.Command("postconf", "-h", name).Output()
		return strings.TrimSpace(string(out))
	}
	etc := filepath.Join(dir, "etc")
	for _, d := range []string{dir, etc, filepath.Join(dir, "queue"), filepath.Join(dir, "data")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", err
		}
		if err := os.Chmod(d, 0o755); err != nil {
			return "", err
		}
	}
	if out, err := exec.Command("chown", ask("mail_owner"), filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	main := fmt.Sprintf(accepting, dir, ask("command_directory"), ask("daemon_directory"))
	if err := os.WriteFile(filepath.Join(etc, "main.cf"), []byte(main), 0o644); err != nil {
		return "", err
	}
	services, err := os.ReadFile(filepath.Join(ask("config_directory"), "master.cf"))
	if err != nil {
		return "", err
	}
	port, lines := port(), strings.Split(string(services), "\n")
	for i, line := range lines {
		if f := strings.Fields(line); len(f) >= 8 && f[0] == "smtp" && f[1] == "inet" {
			lines[i] = "127.0.0.1:" + port + " inet n - n - 100 smtpd"
		}
	}
	return port, os.WriteFile(filepath.Join(etc, "master.cf"), []byte(strings.Join(lines, "\n")), 0o644)
}
