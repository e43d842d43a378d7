package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/safehttp"
)

const columns = `id, case_id, host, kind, target, spec, made_by, made_at, next_at, state, since, failing_since, mended_at, bad, unseen, stopped_at, owner`

func scan(p *Probe, row func(...any) error) error {
	var spec string
	err := row(&p.ID, &p.Case, &p.Host, &p.Kind, &p.Target, &spec, &p.By, db.Time(&p.Made), db.Time(&p.Next), &p.State, db.Time(&p.Since), db.Time(&p.Failing), db.Time(&p.Mended), &p.bad, &p.unseen, db.Time(&p.Stopped), &p.owner)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(spec), &p.Spec)
}

// Add begins to watch. The host need not be confirmed yet: until it is, nobody asks it.
// by is an actor of the audit log.
func Add(ctx context.Context, tx *db.Tx, p *Probe) error {
	if err := p.check(); err != nil {
		return err
	}
	spec, err := json.Marshal(p.Spec)
	if err != nil {
		return fmt.Errorf("write what a probe wants: %w", err)
	}
	p.ID, p.Made, p.Next, p.State, p.Since = ID(db.NewID()), tx.Now, tx.Now, New, tx.Now
	if err := tx.Put(ctx, `INSERT INTO probes (id, case_id, host, kind, target, spec, made_by, made_at, next_at, state, since) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		p.ID, p.Case, p.Host, p.Kind, p.Target, string(spec), p.By, db.Micros(p.Made), db.Micros(p.Next), p.State, db.Micros(p.Since)); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: p.By, Act: "probe.made", About: p.about(), Detail: "probe " + string(p.ID) + ", " + string(p.Kind)})
}

// about is what the audit log files a probe under.
func (p *Probe) about() string {
	if p.Case != "" {
		return p.Case
	}
	return string(p.ID)
}

// Get returns a probe; none is NotFound.
func Get(ctx context.Context, tx *db.Tx, id ID) (*Probe, error) {
	return db.One(ctx, tx, scan, `SELECT `+columns+` FROM probes WHERE id = $1`, id)
}

// Of lists the probes of a case, oldest first, stopped ones too.
func Of(ctx context.Context, tx *db.Tx, caseID string) ([]Probe, error) {
	if caseID == "" {
		return nil, nil // that would be all that stand for themselves
	}
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM probes WHERE case_id = $1 ORDER BY made_at, id`, caseID)
}

// Standing lists the probes that belong to no case.
func Standing(ctx context.Context, tx *db.Tx) ([]Probe, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM probes WHERE case_id = '' ORDER BY made_at, id`)
}

// Due lists what Run would ask now, the longest waiting first.
func Due(ctx context.Context, tx *db.Tx, limit int) ([]Probe, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM probes WHERE `+due+` ORDER BY next_at, id LIMIT CAST($2 AS BIGINT)`, db.Micros(tx.Now), limit)
}

const due = `stopped_at = 0 AND next_at <= $1 AND lease_until <= $1 AND host IN (SELECT host FROM hosts WHERE confirmed_at > 0)`

// Stop ends a probe; what it saw is kept.
func Stop(ctx context.Context, tx *db.Tx, id ID, by string) error {
	p, err := Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := db.Change(ctx, tx, `UPDATE probes SET stopped_at = $2 WHERE id = $1 AND stopped_at = 0`, id, db.Micros(tx.Now)); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: by, Act: "probe.stopped", About: p.about(), Detail: "probe " + string(id)})
}

// Results lists what a probe saw, newest first.
func Results(ctx context.Context, tx *db.Tx, id ID, limit int) ([]Result, error) {
	return db.List(ctx, tx, func(r *Result, row func(...any) error) error {
		var evidence string
		err := row(&r.Probe, db.Time(&r.At), &r.State, &r.Why, &evidence, &r.Hash)
		r.Evidence = json.RawMessage(evidence)
		return err
	}, `SELECT probe_id, at, state, why, evidence, hash FROM probe_results WHERE probe_id = $1 ORDER BY at DESC LIMIT CAST($2 AS BIGINT)`, id, limit)
}

// claim takes due probes for a run. A run that dies leaves them to another when the
// lease is over.
func claim(ctx context.Context, tx *db.Tx, owner string, limit int) ([]Probe, error) {
	return db.List(ctx, tx, scan, `UPDATE probes SET owner = $2, lease_until = $3 WHERE id IN (SELECT id FROM probes WHERE `+due+` ORDER BY next_at, id LIMIT CAST($4 AS BIGINT)) RETURNING `+columns,
		db.Micros(tx.Now), owner, db.Micros(tx.Now.Add(lease)), limit)
}

// release gives a probe back that was not looked at.
func release(ctx context.Context, tx *db.Tx, p *Probe) error {
	_, err := tx.Exec(ctx, `UPDATE probes SET owner = '', lease_until = 0 WHERE id = $1 AND owner = $2`, p.ID, p.owner)
	return err
}

// keep writes a result and what it made of the probe.
func keep(ctx context.Context, tx *db.Tx, p *Probe, r *Result) error {
	if err := tx.Put(ctx, `INSERT INTO probe_results (probe_id, at, state, why, evidence, hash) VALUES ($1, $2, $3, $4, $5, $6)`,
		p.ID, db.Micros(r.At), r.State, r.Why, string(r.Evidence), r.Hash); err != nil {
		return err
	}
	return tx.Must(ctx, fail.New(fail.NotFound, "the probe is gone"), `UPDATE probes SET state = $2, since = $3, failing_since = $4, bad = $5, unseen = $6, next_at = $7, mended_at = $8, owner = '', lease_until = 0 WHERE id = $1`,
		p.ID, p.State, db.Micros(p.Since), db.Micros(p.Failing), p.bad, p.unseen, db.Micros(p.Next), db.Micros(p.Mended))
}

// A Host is a place that the organisation says is its own.
type Host struct {
	Name      string
	Token     string // what it must show
	How       string // dns or file; "": it has not shown it
	Confirmed time.Time
	By        string
	Made      time.Time
	Checked   time.Time
	Failed    time.Time // since when it does not show it any more
	asked     time.Time
}

const hostColumns = `host, token, how, confirmed_at, made_by, made_at, checked_at, failed_at, asked_at`

func scanHost(h *Host, row func(...any) error) error {
	return row(&h.Name, &h.Token, &h.How, db.Time(&h.Confirmed), &h.By, db.Time(&h.Made), db.Time(&h.Checked), db.Time(&h.Failed), db.Time(&h.asked))
}

// AddHost notes a host and makes what it must show. One that is there already is
// returned as it is.
func AddHost(ctx context.Context, tx *db.Tx, name, by string) (*Host, error) {
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
	if u, err := safehttp.CheckVisit("https://" + name + "/"); err != nil || u.Host != name || u.Port() != "" || !strings.Contains(name, ".") {
		return nil, fail.New(fail.Invalid, "write the name of the host, such as www.example.org")
	}
	n, err := tx.Exec(ctx, `INSERT INTO hosts (host, token, made_by, made_at) VALUES ($1, $2, $3, $4) ON CONFLICT (host) DO NOTHING`, name, db.NewSecret(), by, db.Micros(tx.Now))
	if err != nil {
		return nil, err
	}
	if n > 0 {
		if err := audit.Append(ctx, tx, audit.Entry{Actor: by, Act: "host.named", About: name}); err != nil {
			return nil, err
		}
	}
	return GetHost(ctx, tx, name)
}

// GetHost returns a host; none is NotFound.
func GetHost(ctx context.Context, tx *db.Tx, name string) (*Host, error) {
	return db.One(ctx, tx, scanHost, `SELECT `+hostColumns+` FROM hosts WHERE host = $1`, name)
}

// Hosts lists all of them by name.
func Hosts(ctx context.Context, tx *db.Tx) ([]Host, error) {
	return db.List(ctx, tx, scanHost, `SELECT `+hostColumns+` FROM hosts ORDER BY host`)
}
