-- What no program, and nobody at the database's own prompt, may do by a plain
-- statement: approve an instruction that nobody proved. REPLACE deletes without
-- asking a trigger on DELETE, so a row that is there already is never inserted.
CREATE TRIGGER instructions_begin BEFORE INSERT ON instructions
WHEN NEW.state <> 'proposed' OR NEW.tries <> 0 OR NEW.need < 1
	OR NEW.approvals < COALESCE((SELECT approvals FROM instruction_types WHERE id = NEW.type_id), 99)
	OR EXISTS (SELECT 1 FROM instructions i WHERE i.id = NEW.id OR i.ref_hash = NEW.ref_hash)
	OR (NEW.need < COALESCE((SELECT level FROM instruction_types WHERE id = NEW.type_id), 99)
	AND NOT EXISTS (SELECT 1 FROM consents WHERE contact_id = NEW.contact_id AND scope = 'proof' AND ended_at = 0 AND starts_at <= NEW.made_at AND expires_at > NEW.made_at))
BEGIN SELECT RAISE(ABORT, 'instructions: begins as proposed, with the assurance and the people that its type demands'); END;
-- +statement
CREATE TRIGGER instructions_fixed BEFORE UPDATE OF id, ref_hash, bind, type_id, contact_id, case_id, key_id, doc, need, approvals, proposer, auto, made_at, expires_at ON instructions
BEGIN SELECT RAISE(ABORT, 'instructions: what was shown never changes; make a new one'); END;
-- +statement
CREATE TRIGGER instructions_forward BEFORE UPDATE OF tries, ready_at ON instructions
WHEN NEW.tries < OLD.tries OR NEW.ready_at < OLD.ready_at
BEGIN SELECT RAISE(ABORT, 'instructions: tries and waits only grow'); END;
-- +statement
CREATE TRIGGER instructions_proved BEFORE UPDATE OF state ON instructions
WHEN NEW.state IN ('proved', 'approved', 'executed') AND NOT EXISTS (SELECT 1 FROM instruction_proofs p
	WHERE p.instruction_id = NEW.id AND p.contact_id = NEW.contact_id AND p.bind = NEW.bind AND p.level >= NEW.need)
BEGIN SELECT RAISE(ABORT, 'instructions: no proof that satisfies the type'); END;
-- +statement
CREATE TRIGGER instructions_approved BEFORE UPDATE OF state ON instructions
WHEN NEW.state IN ('approved', 'executed') AND NEW.approvals > (SELECT COUNT(*) FROM instruction_approvals a
	WHERE a.instruction_id = NEW.id AND 'staff:' || a.staff_id <> NEW.proposer
	AND NOT EXISTS (SELECT 1 FROM instruction_proofs p WHERE p.instruction_id = NEW.id AND a.staff_id IN (p.attested_by, p.let_in_by)))
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
CREATE TRIGGER instruction_proofs_begin BEFORE INSERT ON instruction_proofs
WHEN EXISTS (SELECT 1 FROM instruction_proofs p WHERE p.instruction_id = NEW.instruction_id OR p.once = NEW.once)
	OR NOT EXISTS (SELECT 1 FROM instructions i WHERE i.id = NEW.instruction_id AND i.state = 'proposed' AND i.contact_id = NEW.contact_id AND i.bind = NEW.bind)
BEGIN SELECT RAISE(ABORT, 'instruction_proofs: one for each instruction, of its person and its text, while it is proposed'); END;
-- +statement
CREATE TRIGGER instruction_proofs_fixed BEFORE UPDATE ON instruction_proofs
BEGIN SELECT RAISE(ABORT, 'instruction_proofs: a proof never changes'); END;
-- +statement
CREATE TRIGGER instruction_proofs_stay BEFORE DELETE ON instruction_proofs
BEGIN SELECT RAISE(ABORT, 'instruction_proofs: records stay'); END;
-- +statement
CREATE TRIGGER instruction_approvals_begin BEFORE INSERT ON instruction_approvals
WHEN NOT EXISTS (SELECT 1 FROM instructions i WHERE i.id = NEW.instruction_id AND i.state = 'proved')
	OR EXISTS (SELECT 1 FROM instruction_approvals a WHERE a.instruction_id = NEW.instruction_id AND a.staff_id = NEW.staff_id)
BEGIN SELECT RAISE(ABORT, 'instruction_approvals: once for each person, of what is proved'); END;
-- +statement
CREATE TRIGGER instruction_approvals_fixed BEFORE UPDATE ON instruction_approvals
BEGIN SELECT RAISE(ABORT, 'instruction_approvals: a yes never changes'); END;
-- +statement
CREATE TRIGGER instruction_approvals_stay BEFORE DELETE ON instruction_approvals
BEGIN SELECT RAISE(ABORT, 'instruction_approvals: records stay'); END;
-- +statement
CREATE TRIGGER consents_begin BEFORE INSERT ON consents
WHEN NEW.ended_at <> 0 OR EXISTS (SELECT 1 FROM consents c WHERE c.id = NEW.id OR c.contact_id = NEW.contact_id AND c.scope = NEW.scope AND c.ended_at = 0)
BEGIN SELECT RAISE(ABORT, 'consents: one stands for each person and scope'); END;
-- +statement
CREATE TRIGGER consents_fixed BEFORE UPDATE OF id, contact_id, scope, wording, wording_sum, channel, factor, fingerprint, message_id, proved_at, given_at, starts_at, expires_at ON consents
BEGIN SELECT RAISE(ABORT, 'consents: what was chosen never changes'); END;
-- +statement
CREATE TRIGGER consents_end BEFORE UPDATE OF ended_at ON consents
WHEN OLD.ended_at <> 0
BEGIN SELECT RAISE(ABORT, 'consents: ended once'); END;
-- +statement
CREATE TRIGGER consents_stay BEFORE DELETE ON consents
BEGIN SELECT RAISE(ABORT, 'consents: records stay'); END;
