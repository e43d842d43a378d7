package db

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"

	"postern/internal/fail"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed guards/*.sql
var guards embed.FS

// The migrations that set the guards up: triggers, the one thing that the two
// databases have no common text for.
const (
	guardsVersion = 13
	rowsVersion   = 16
)

func (d *DB) guard(ctx context.Context, tx *sql.Tx) error {
	if d.lite {
		return apply(ctx, tx, "guards/sqlite.sql")
	}
	return apply(ctx, tx, "guards/postgres.sql")
}

func (d *DB) guardRows(ctx context.Context, tx *sql.Tx) error {
	if !d.lite {
		return nil // no such number there
	}
	return apply(ctx, tx, "guards/sqlite-rows.sql")
}

func apply(ctx context.Context, tx *sql.Tx, name string) error {
	text, err := guards.ReadFile(name)
	if err != nil {
		return err
	}
	for _, statement := range strings.Split(string(text), "-- +statement\n") {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// Migrate brings the tables up to this program's version. A database written
// by a newer program is refused.
func (d *DB) Migrate(ctx context.Context) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dialect := goose.DialectPostgres
	if d.lite {
		dialect = goose.DialectSQLite3
	}
	p, err := goose.NewProvider(dialect, d.write, dir, goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(goose.NewGoMigration(guardsVersion, &goose.GoFunc{RunTx: d.guard}, nil), goose.NewGoMigration(rowsVersion, &goose.GoFunc{RunTx: d.guardRows}, nil)))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	known := p.ListSources()
	newest := known[len(known)-1].Version
	have := int64(0)
	if err := d.write.QueryRowContext(ctx, `SELECT MAX(version_id) FROM goose_db_version`).Scan(&have); err == nil && have == newest {
		return nil // as at most starts
	}
	return d.Alone(ctx, func() error { return migrate(ctx, p, newest) })
}

// Alone runs f while no other node is in an Alone: of two nodes that start at once one
// makes the tables and the other waits for it. (SQLite has one node.)
func (d *DB) Alone(ctx context.Context, f func() error) error {
	if d.lite {
		return f()
	}
	c, err := d.read.Conn(ctx) // which waits as long as it takes
	if err != nil {
		return Error(err)
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, `SELECT pg_advisory_lock(1347375956, 2)`); err != nil {
		return Error(err)
	}
	defer c.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(1347375956, 2)`) // else it goes with the connection
	return f()
}

func migrate(ctx context.Context, p *goose.Provider, newest int64) error {
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return Error(err)
	}
	if have > newest {
		return fail.New(fail.Conflict, "the database is at version %d, made by a newer Postern; this one knows versions up to %d. Start the newer program, or restore a backup from before the upgrade", have, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
