package db

import (
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"time"
)

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns a fresh id of 26 characters: the time in nanoseconds first, so
// that ids sort as they were made and rows made together lie together, then 64
// random bits. It is no secret.
func NewID() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixNano()))
	rand.Read(b[8:])
	return idEncoding.EncodeToString(b[:])
}

// NewSecret returns 160 random bits as 32 characters, for tokens and links.
func NewSecret() string {
	var b [20]byte
	rand.Read(b[:])
	return idEncoding.EncodeToString(b[:])
}

// Micros is how a time is stored: microseconds since 1970, the zero time as 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time scans a stored time into t.
func Time(t *time.Time) sql.Scanner { return timeScanner{t} }

type timeScanner struct{ t *time.Time }

func (s timeScanner) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("scan %T into a time", v)
	}
	*s.t = time.Time{}
	if n != 0 {
		*s.t = time.UnixMicro(n).UTC()
	}
	return nil
}

const inStep = 16

// In returns "($n, $n+1, ...)" for the values, and the arguments with them
// appended; the portable stand-in for = ANY. The last value may stand
// there several times, so that lists of all lengths have few query texts.
func In[T any](args []any, values []T) (string, []any) {
	n := len(values)
	if n > inStep {
		n = (n + inStep - 1) / inStep * inStep
	} else if n > 1 {
		n = 1 << bits.Len(uint(n-1))
	}
	var b strings.Builder
	b.WriteByte('(')
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		args = append(args, values[min(i, len(values)-1)])
		fmt.Fprintf(&b, "$%d", len(args))
	}
	b.WriteByte(')')
	return b.String(), args
}

// Of is a list of columns as those of one table of several.
func Of(table, columns string) string {
	list := strings.Split(columns, ",")
	for i, c := range list {
		list[i] = table + "." + strings.TrimSpace(c)
	}
	return strings.Join(list, ", ")
}
