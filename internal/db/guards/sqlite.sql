-- What no program, and nobody at the database's own prompt, may do by a plain
-- statement: approve an instruction that nobody proved.
CREATE TRIGGER instructions_begin BEFORE INSERT ON instructions
WHEN NEW.state <> 'proposed' OR NEW.need < 1 OR (NEW.need < COALESCE((SELECT level FROM instruction_types WHERE id = NEW.type_id), 99)
	AND NOT EXISTS (SELECT 1 FROM consents WHERE contact_id = NEW.contact_id AND scope = 'proof' AND ended_at = 0 AND starts_at <= NEW.made_at AND expires_at > NEW.made_at))
BEGIN SELECT RAISE(ABORT, 'instructions: begins as proposed, with the assurance that its type demands'); END;
-- +statement
CREATE TRIGGER instructions_fixed BEFORE UPDATE OF id, ref_hash, bind, type_id, contact_id, key_id, doc, need, approvals, proposer, made_at, expires_at ON instructions
BEGIN SELECT RAISE(ABORT, 'instructions: what was shown never changes; make a new one'); END;
-- +statement
CREATE TRIGGER instructions_proved BEFORE UPDATE OF state ON instructions
WHEN NEW.state IN ('proved', 'approved', 'executed') AND NOT EXISTS (SELECT 1 FROM instruction_proofs p
	WHERE p.instruction_id = NEW.id AND p.contact_id = NEW.contact_id AND p.bind = NEW.bind AND p.level >= NEW.need)
BEGIN SELECT RAISE(ABORT, 'instructions: no proof that satisfies the type'); END;
-- +statement
CREATE TRIGGER instructions_approved BEFORE UPDATE OF state ON instructions
WHEN NEW.state IN ('approved', 'executed') AND NEW.approvals > (SELECT COUNT(*) FROM instruction_approvals a
	WHERE a.instruction_id = NEW.id AND 'staff:' || a.staff_id <> NEW.proposer)
BEGIN SELECT RAISE(ABORT, 'instructions: too few people approved'); END;
-- +statement
CREATE TRIGGER instructions_order BEFORE UPDATE OF state ON instructions
WHEN OLD.state <> NEW.state AND NOT (
	(OLD.state = 'proposed' AND NEW.state IN ('proved', 'refused', 'frozen', 'expired', 'cancelled'))
	OR (OLD.state = 'proved' AND NEW.state IN ('approved', 'refused', 'frozen', 'expired', 'cancelled'))
	OR (OLD.state = 'approved' AND NEW.state IN ('executed', 'refused', 'frozen', 'cancelled')))
BEGIN SELECT RAISE(ABORT, 'instructions: no such step'); END;
-- +statement
CREATE TRIGGER instructions_stay BEFORE DELETE ON instructions
BEGIN SELECT RAISE(ABORT, 'instructions: records stay'); END;
-- +statement
CREATE TRIGGER instruction_proofs_fixed BEFORE UPDATE ON instruction_proofs
BEGIN SELECT RAISE(ABORT, 'instruction_proofs: a proof never changes'); END;
-- +statement
CREATE TRIGGER instruction_proofs_stay BEFORE DELETE ON instruction_proofs
BEGIN SELECT RAISE(ABORT, 'instruction_proofs: records stay'); END;
-- +statement
CREATE TRIGGER consents_stay BEFORE DELETE ON consents
BEGIN SELECT RAISE(ABORT, 'consents: records stay'); END;
