package db

import (
	"context"
	"database/sql"
	"sync"
)

// statements keeps the prepared statements of one SQLite pool open: parsing the
// text of a query costs more than most of our queries do. (PostgreSQL's driver
// does so itself.) A query is prepared after the transaction that first asked for
// it, never in it: preparing takes a connection, and the writer has only one.
type statements struct {
	pool *sql.DB

	mu     sync.RWMutex
	m      map[string]*sql.Stmt // guarded by mu; nil while it is wanted only
	wanted []string             // guarded by mu
}

// maxStatements is above the number of queries in the program, with lists of the usual
// lengths in them (In).
const maxStatements = 1000

func newStatements(pool *sql.DB) *statements {
	return &statements{pool: pool, m: map[string]*sql.Stmt{}}
}

// find returns the prepared query, or nil for now.
func (s *statements) find(query string) *sql.Stmt {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	stmt, known := s.m[query]
	full := len(s.m) >= maxStatements
	s.mu.RUnlock()
	if known || full {
		return stmt
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.m[query]; !known {
		s.m[query] = nil
		s.wanted = append(s.wanted, query)
	}
	return nil
}

// prepare prepares what was asked for. What cannot be prepared runs as text.
func (s *statements) prepare() {
	if s == nil {
		return
	}
	s.mu.RLock()
	none := len(s.wanted) == 0
	s.mu.RUnlock()
	if none {
		return
	}
	s.mu.Lock()
	list := s.wanted
	s.wanted = nil
	s.mu.Unlock()
	for _, query := range list {
		stmt, err := s.pool.PrepareContext(context.Background(), query)
		if err != nil {
			continue
		}
		s.mu.Lock()
		s.m[query] = stmt
		s.mu.Unlock()
	}
}
