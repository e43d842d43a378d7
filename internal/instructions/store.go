package instructions

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// Store reads and writes instructions; v seals them with the contact's key.
type Store struct{ v *vault.Vault }

// NewStore returns the store.
func NewStore(v *vault.Vault) *Store { return &Store{v} }

const columns = `id, bind, type_id, contact_id, case_id, key_id, doc, result, need, approvals, proposer, state, why, tries, auto, stuck, answered_at,
	made_at, expires_at, ready_at, proved_at, approved_at, ended_at, version`

func scan(i *Instruction, row func(...any) error) error {
	return row(&i.ID, &i.Bind, &i.Type, &i.Contact, &i.Case, &i.KeyID, &i.sealed, &i.result, &i.Need, &i.Approvals, &i.Proposer, &i.State, &i.Why, &i.Tries, &i.Auto, &i.Stuck, db.Time(&i.Answered),
		db.Time(&i.Made), db.Time(&i.Expires), db.Time(&i.Ready), db.Time(&i.ProvedAt), db.Time(&i.Approved), db.Time(&i.Ended), &i.Version)
}

func (s *Store) refHash(ref string) string {
	return hex.EncodeToString(s.v.MAC("instruction-ref", ref))
}

// New prepares an instruction outside any transaction: it seals what is shown.
// key is the contact's data key.
func (s *Store) New(i *Instruction, key *vault.Key) error {
	i.ID, i.KeyID, i.State, i.Version = ID(db.NewID()), key.ID, Proposed, 1
	i.Bind = Bind(i.Doc.Ref, i.Doc.Text)
	b, err := json.Marshal(i.Doc)
	if err != nil {
		return fmt.Errorf("encode instruction: %w", err)
	}
	i.sealed = key.Seal(b, "instruction", string(i.ID))
	return nil
}

// Add stores a new instruction. Whose type is unknown, or demands more, is
// refused by the database.
func (s *Store) Add(ctx context.Context, tx *db.Tx, i *Instruction) error {
	_, err := tx.Exec(ctx, `INSERT INTO instructions (id, ref_hash, bind, type_id, contact_id, case_id, key_id, doc, need, approvals, proposer, state, made_at, expires_at, auto)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		i.ID, s.refHash(i.Doc.Ref), i.Bind, i.Type, i.Contact, i.Case, i.KeyID, i.sealed, i.Need, i.Approvals, i.Proposer, i.State, db.Micros(i.Made), db.Micros(i.Expires), i.Auto)
	if err != nil {
		return err
	}
	return s.note(ctx, tx, i, i.Proposer, "proposed", fmt.Sprintf("%s, needs %s and %d people", i.Type, KindOf(i.Need), i.Approvals))
}

// note writes an act into the audit log; detail holds no content.
func (s *Store) note(ctx context.Context, tx *db.Tx, i *Instruction, actor, act, detail string) error {
	if detail != "" {
		detail = ": " + detail
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "instruction." + act, About: string(i.Case), Detail: "instruction " + string(i.ID) + detail})
}

var errNone = fail.New(fail.NotFound, "there is no such instruction")

func one(i *Instruction, err error) (*Instruction, error) {
	if fail.Is(err, fail.NotFound) {
		return nil, errNone
	}
	return i, err
}

// Get returns an instruction, for staff.
func (s *Store) Get(ctx context.Context, tx *db.Tx, id ID) (*Instruction, error) {
	return one(db.One(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE id = $1`, id))
}

// Mine returns an instruction of this contact; another's is NotFound.
func (s *Store) Mine(ctx context.Context, tx *db.Tx, c contacts.ID, id ID) (*Instruction, error) {
	return one(db.One(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE id = $1 AND contact_id = $2`, id, c))
}

// ByRef returns the instruction with the one-time reference, whoever's it is.
func (s *Store) ByRef(ctx context.Context, tx *db.Tx, ref string) (*Instruction, error) {
	return one(db.One(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE ref_hash = $1`, s.refHash(ref)))
}

// OfContact lists a contact's, newest first.
func (s *Store) OfContact(ctx context.Context, tx *db.Tx, c contacts.ID, limit int) ([]Instruction, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE contact_id = $1 ORDER BY made_at DESC, id DESC LIMIT CAST($2 AS BIGINT)`, c, limit)
}

// OpenOf lists all that can still be proved, approved or done for a contact.
func (s *Store) OpenOf(ctx context.Context, tx *db.Tx, c contacts.ID) ([]Instruction, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE contact_id = $1 AND ended_at = 0 ORDER BY made_at, id`, c)
}

// ExecutedSince lists what was done for a contact at some moment or after it, the
// newest first.
func (s *Store) ExecutedSince(ctx context.Context, tx *db.Tx, c contacts.ID, since time.Time) ([]Instruction, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE contact_id = $1 AND state = 'executed' AND ended_at >= $2 ORDER BY ended_at DESC, id DESC`, c, db.Micros(since))
}

// CountOf counts what one proposer began for a contact: what is open, and what was
// begun within a day.
func CountOf(ctx context.Context, tx *db.Tx, c contacts.ID, proposer string) (open, day int64, err error) {
	q := `SELECT COUNT(*) FROM instructions WHERE contact_id = $1 AND proposer = $2 AND `
	if open, err = db.Count(ctx, tx, q+`ended_at = 0`, c, proposer); err != nil {
		return 0, 0, err
	}
	day, err = db.Count(ctx, tx, q+`made_at > $3`, c, proposer, db.Micros(tx.Now.Add(-24*time.Hour)))
	return open, day, err
}

// OfCase lists a case's, oldest first.
func (s *Store) OfCase(ctx context.Context, tx *db.Tx, c cases.ID) ([]Instruction, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE case_id = $1 ORDER BY made_at, id`, c)
}

// Waiting lists those at which something can still happen, oldest first.
func (s *Store) Waiting(ctx context.Context, tx *db.Tx, limit int) ([]Instruction, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE ended_at = 0 ORDER BY made_at, id LIMIT CAST($1 AS BIGINT)`, limit)
}

// Ended lists those that are over, newest first.
func (s *Store) Ended(ctx context.Context, tx *db.Tx, limit int) ([]Instruction, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE ended_at > 0 ORDER BY ended_at DESC, id DESC LIMIT CAST($1 AS BIGINT)`, limit)
}

// List lists all of a state (empty: of any), newest first, before the one named.
func (s *Store) List(ctx context.Context, tx *db.Tx, state State, before ID, limit int) ([]Instruction, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE ($1 = '' OR state = $1) AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT CAST($3 AS BIGINT)`, state, before, limit)
}

// Unseal opens what is shown; key is the contact's data key.
func (i *Instruction) Unseal(key *vault.Key) error {
	b, err := key.Open(i.sealed, "instruction", string(i.ID))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &i.Doc); err != nil {
		return fmt.Errorf("decode instruction %s: %w", i.ID, err)
	}
	if Bind(i.Doc.Ref, i.Doc.Text) != i.Bind {
		return fmt.Errorf("instruction %s: its text is not the one that was bound", i.ID)
	}
	i.Result, err = key.OpenText(i.result, "instruction", string(i.ID), "result")
	return err
}

// Seen opens instructions of one contact.
func (s *Store) Seen(ctx context.Context, tx *db.Tx, list []Instruction) error {
	keys := map[string]*vault.Key{}
	for n := range list {
		i := &list[n]
		if keys[i.KeyID] == nil {
			k, err := s.v.Get(ctx, tx, i.KeyID)
			if err != nil && !fail.Is(err, fail.NotFound) {
				return err
			}
			keys[i.KeyID] = k
		}
		if k := keys[i.KeyID]; k == nil || i.Unseal(k) != nil {
			i.Doc.Title = "Not readable any more" // erased, or damaged; the others stay readable
		}
	}
	return nil
}

// save stores the moving parts. Somebody else's change in between is a Conflict.
func (s *Store) save(ctx context.Context, tx *db.Tx, i *Instruction) error {
	n, err := tx.Exec(ctx, `UPDATE instructions SET state = $2, why = $3, ready_at = $4, proved_at = $5, approved_at = $6, ended_at = $7, result = $8, version = version + 1
		WHERE id = $1 AND version = $9`, i.ID, i.State, i.Why, db.Micros(i.Ready), db.Micros(i.ProvedAt), db.Micros(i.Approved), db.Micros(i.Ended), i.result, i.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return fail.New(fail.Conflict, "somebody else decided about this at the same moment; look at it again")
	}
	i.Version++
	return nil
}

// Prove files a proof and moves on, or records why it was refused: refused is
// then set beside a nil error, and the caller commits the record.
func (s *Store) Prove(ctx context.Context, tx *db.Tx, i *Instruction, p *Proof, key *vault.Key) (refused, err error) {
	actor := audit.Contact(string(p.Contact))
	used, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM instruction_proofs WHERE once = $1`, p.Once)
	if err != nil {
		return nil, err
	}
	if word := i.Accepts(p, used > 0, tx.Now); word != "" {
		return errRefused, s.note(ctx, tx, i, actor, "proof-refused", KindOf(p.Level)+", "+word)
	}
	b, err := json.Marshal(p.Evidence)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO instruction_proofs (instruction_id, contact_id, bind, kind, level, once, attested_by, let_in_by, evidence, proved_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		i.ID, p.Contact, p.Bind, KindOf(p.Level), p.Level, p.Once, p.Attested, p.LetIn, key.Seal(b, "instruction", string(i.ID), "proof"), db.Micros(tx.Now))
	if err != nil {
		return nil, err
	}
	i.prove(tx.Now)
	if err := s.save(ctx, tx, i); err != nil {
		return nil, err
	}
	return nil, s.note(ctx, tx, i, actor, "proved", KindOf(p.Level))
}

// StoredProof is a proof as it is kept.
type StoredProof struct {
	Level    Level
	Attested string
	LetIn    string
	At       time.Time
	sealed   []byte
	id       ID
}

// ProofOf returns the proof of an instruction; none is NotFound.
func (s *Store) ProofOf(ctx context.Context, tx *db.Tx, id ID) (*StoredProof, error) {
	return db.One(ctx, tx, func(p *StoredProof, row func(...any) error) error {
		p.id = id
		return row(&p.Level, &p.Attested, &p.LetIn, &p.sealed, db.Time(&p.At))
	}, `SELECT level, attested_by, let_in_by, evidence, proved_at FROM instruction_proofs WHERE instruction_id = $1`, id)
}

// Evidence opens what was kept with the proof.
func (p *StoredProof) Evidence(key *vault.Key) (Evidence, error) {
	var e Evidence
	b, err := key.Open(p.sealed, "instruction", string(p.id), "proof")
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(b, &e)
}

// Approvers lists who approved, in order.
func (s *Store) Approvers(ctx context.Context, tx *db.Tx, id ID) ([]string, error) {
	return db.Strings(ctx, tx, `SELECT staff_id FROM instruction_approvals WHERE instruction_id = $1 ORDER BY approved_at, staff_id`, id)
}

// Approve records a yes; approved tells whether it was the last one needed.
func (s *Store) Approve(ctx context.Context, tx *db.Tx, i *Instruction, staff string) (approved bool, err error) {
	proof, err := s.ProofOf(ctx, tx, i.ID)
	if err != nil {
		return false, fail.New(fail.Conflict, "nobody has proved it yet")
	}
	by, err := s.Approvers(ctx, tx, i.ID)
	if err != nil {
		return false, err
	}
	if err := i.MayApprove(staff, proof, by, tx.Now); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO instruction_approvals (instruction_id, staff_id, approved_at) VALUES ($1, $2, $3)`, i.ID, staff, db.Micros(tx.Now)); err != nil {
		return false, err
	}
	approved = i.Approve(int64(len(by)+1), tx.Now)
	if err := s.save(ctx, tx, i); err != nil { // also without a new state: a second yes at the same moment conflicts
		return false, err
	}
	return approved, s.note(ctx, tx, i, audit.Staff(staff), "approved", fmt.Sprintf("%d of %d", len(by)+1, i.Approvals))
}

// Settle approves what needs nobody's yes.
func (s *Store) Settle(ctx context.Context, tx *db.Tx, i *Instruction) (approved bool, err error) {
	if !i.Approve(0, tx.Now) {
		return false, nil
	}
	if err := s.save(ctx, tx, i); err != nil {
		return false, err
	}
	return true, s.note(ctx, tx, i, audit.System, "approved", "its type needs nobody's yes")
}

// Execute marks it as done; result says what came of it, sealed.
func (s *Store) Execute(ctx context.Context, tx *db.Tx, i *Instruction, actor string, result []byte) error {
	if err := i.Execute(tx.Now); err != nil {
		return err
	}
	i.result = result
	if err := s.save(ctx, tx, i); err != nil {
		return err
	}
	return s.note(ctx, tx, i, actor, "executed", "")
}

// SealResult seals the words on what came of it.
func (i *Instruction) SealResult(key *vault.Key, text string) []byte {
	return key.SealText(text, "instruction", string(i.ID), "result")
}

// End ends it otherwise than by doing it.
func (s *Store) End(ctx context.Context, tx *db.Tx, i *Instruction, to State, why, actor string) error {
	if err := i.End(to, why, tx.Now); err != nil {
		return err
	}
	if err := s.save(ctx, tx, i); err != nil {
		return err
	}
	return s.note(ctx, tx, i, actor, string(to), why)
}

// Overdue lists what nobody proved or approved in time.
func (s *Store) Overdue(ctx context.Context, tx *db.Tx, limit int) ([]Instruction, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE ended_at = 0 AND state IN ('proposed', 'proved') AND expires_at <= $1 ORDER BY made_at, id LIMIT CAST($2 AS BIGINT)`,
		db.Micros(tx.Now), limit)
}

// DueNow lists what is approved, whose wait is over, and that no person does, in
// the order of their times; after is the last of the page before.
func (s *Store) DueNow(ctx context.Context, tx *db.Tx, after *Instruction, limit int) ([]Instruction, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM instructions WHERE auto AND ended_at = 0 AND NOT stuck AND state = 'approved' AND ready_at <= $1
		AND (ready_at > $2 OR ready_at = $2 AND id > $3) ORDER BY ready_at, id LIMIT CAST($4 AS BIGINT)`, db.Micros(tx.Now), db.Micros(after.Ready), after.ID, limit)
}

// SetResult sets the words on what came of it; they are stored with the next step.
func (i *Instruction) SetResult(key *vault.Key, text string) {
	i.Result, i.result = text, i.SealResult(key, text)
}

// Note records something about it that is no step; detail holds no content.
func (s *Store) Note(ctx context.Context, tx *db.Tx, i *Instruction, actor, act, detail string) error {
	return s.note(ctx, tx, i, actor, act, detail)
}
