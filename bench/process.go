package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under measurement.
type process struct {
	cmd  *exec.Cmd
	addr string
	was  float64 // CPU seconds at the start of the measurement
}

// startRef starts the bound on a fresh database.
func startRef(dir, kind string, m *mails) (*process, error) {
	file := filepath.Join(dir, fmt.Sprintf("ref-%d.db", time.Now().UnixNano()))
	args := []string{"-db", file}
	if kind == "se" {
		keys := filepath.Join(dir, "keys")
		if err := os.WriteFile(keys, m.ring(), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "-keys", keys)
	}
	c := exec.Command(filepath.Join(dir, "ref"), args...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the bound did not start: %w", err)
	}
	return &process{cmd: c, addr: strings.TrimSpace(line)}, nil
}

func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}

// mark begins a measurement of CPU time and of the highest memory.
func (p *process) mark() {
	p.was = p.cpu()
	os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0) // without it the peak is that of the whole run
}

// usage returns the CPU seconds and the highest memory since the mark.
func (p *process) usage() (cpu float64, rss int64) { return p.cpu() - p.was, p.memory("VmHWM") }

func (p *process) cpu() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100 // clock ticks
}

func (p *process) memory(field string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), field+":")
	kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kb << 10
}
