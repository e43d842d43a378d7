-- SQLite alone: a row has a number beside its key, and REPLACE by that number
-- deletes without asking a trigger on DELETE.
CREATE TRIGGER instructions_row_new BEFORE INSERT ON instructions
WHEN EXISTS (SELECT 1 FROM instructions WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'instructions: records stay'); END;
-- +statement
CREATE TRIGGER instructions_row_stays BEFORE UPDATE ON instructions
WHEN NEW.rowid <> OLD.rowid
BEGIN SELECT RAISE(ABORT, 'instructions: records stay'); END;
-- +statement
CREATE TRIGGER instruction_proofs_row_new BEFORE INSERT ON instruction_proofs
WHEN EXISTS (SELECT 1 FROM instruction_proofs WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'instruction_proofs: records stay'); END;
-- +statement
CREATE TRIGGER instruction_proofs_row_stays BEFORE UPDATE ON instruction_proofs
WHEN NEW.rowid <> OLD.rowid
BEGIN SELECT RAISE(ABORT, 'instruction_proofs: records stay'); END;
-- +statement
CREATE TRIGGER instruction_approvals_row_new BEFORE INSERT ON instruction_approvals
WHEN EXISTS (SELECT 1 FROM instruction_approvals WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'instruction_approvals: records stay'); END;
-- +statement
CREATE TRIGGER instruction_approvals_row_stays BEFORE UPDATE ON instruction_approvals
WHEN NEW.rowid <> OLD.rowid
BEGIN SELECT RAISE(ABORT, 'instruction_approvals: records stay'); END;
-- +statement
CREATE TRIGGER consents_row_new BEFORE INSERT ON consents
WHEN EXISTS (SELECT 1 FROM consents WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'consents: records stay'); END;
-- +statement
CREATE TRIGGER consents_row_stays BEFORE UPDATE ON consents
WHEN NEW.rowid <> OLD.rowid
BEGIN SELECT RAISE(ABORT, 'consents: records stay'); END;
