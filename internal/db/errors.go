package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"postern/internal/fail"
)

// Error turns a driver's error into a failure of the right kind. Every error
// of a driver passes here once; codes are compared, never texts.
func Error(err error) error {
	if err == nil || fail.KindOf(err) != fail.Internal {
		return err
	}
	var lite *sqlite.Error
	var pg *pgconn.PgError
	var network *net.OpError
	var connect *pgconn.ConnectError
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fail.Wrap(fail.NotFound, err, "not found")
	case errors.As(err, &lite):
		return liteError(lite, err)
	case errors.As(err, &pg):
		return pgError(pg, err)
	case errors.As(err, &connect), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return away(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &network):
		return away(err)
	}
	return err
}

func away(err error) error {
	return fail.Wrap(fail.Unavailable, err, "the database is away; please try again in a moment")
}

func full(err error) error {
	return fail.Wrap(fail.Full, err, "there is no room left on the disk; nothing was saved")
}

func liteError(lite *sqlite.Error, err error) error {
	switch lite.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fail.Wrap(fail.Conflict, err, "already exists")
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return full(err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_LOCKED:
		return away(err)
	}
	return err
}

func pgError(pg *pgconn.PgError, err error) error {
	switch {
	case pg.Code == "23505":
		return fail.Wrap(fail.Conflict, err, "already exists")
	case pg.Code == "53100":
		return full(err)
	case strings.HasPrefix(pg.Code, "08"), strings.HasPrefix(pg.Code, "53"), strings.HasPrefix(pg.Code, "57P"),
		pg.Code == "25P03", pg.Code == "55P03": // another node holds us up
		return away(err)
	}
	return err
}

// retryable: serialization failure or deadlock, the transaction may run again.
func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// stale: a unique key was broken, perhaps by a value of which another node made more.
func stale(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}
