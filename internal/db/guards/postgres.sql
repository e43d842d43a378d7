-- What no program, and nobody at the database's own prompt, may do by a plain
-- statement: approve an instruction that nobody proved.
CREATE FUNCTION instructions_begin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.state <> 'proposed' OR NEW.tries <> 0 OR NEW.need < 1
		OR NEW.approvals < COALESCE((SELECT approvals FROM instruction_types WHERE id = NEW.type_id), 99)
		OR (NEW.need < COALESCE((SELECT level FROM instruction_types WHERE id = NEW.type_id), 99)
		AND NOT EXISTS (SELECT 1 FROM consents WHERE contact_id = NEW.contact_id AND scope = 'proof' AND ended_at = 0 AND starts_at <= NEW.made_at AND expires_at > NEW.made_at)) THEN
		RAISE EXCEPTION 'instructions: begins as proposed, with the assurance and the people that its type demands';
	END IF;
	RETURN NEW;
END $$;
-- +statement
CREATE TRIGGER instructions_begin BEFORE INSERT ON instructions FOR EACH ROW EXECUTE FUNCTION instructions_begin();
-- +statement
CREATE FUNCTION instructions_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (NEW.id, NEW.ref_hash, NEW.bind, NEW.type_id, NEW.contact_id, NEW.case_id, NEW.key_id, NEW.doc, NEW.need, NEW.approvals, NEW.proposer, NEW.auto, NEW.made_at, NEW.expires_at)
		IS DISTINCT FROM (OLD.id, OLD.ref_hash, OLD.bind, OLD.type_id, OLD.contact_id, OLD.case_id, OLD.key_id, OLD.doc, OLD.need, OLD.approvals, OLD.proposer, OLD.auto, OLD.made_at, OLD.expires_at) THEN
		RAISE EXCEPTION 'instructions: what was shown never changes; make a new one';
	END IF;
	IF NEW.tries < OLD.tries OR NEW.ready_at < OLD.ready_at THEN
		RAISE EXCEPTION 'instructions: tries and waits only grow';
	END IF;
	IF NEW.state IN ('proved', 'approved', 'executed') AND NOT EXISTS (SELECT 1 FROM instruction_proofs p
		WHERE p.instruction_id = NEW.id AND p.contact_id = NEW.contact_id AND p.bind = NEW.bind AND p.level >= NEW.need) THEN
		RAISE EXCEPTION 'instructions: no proof that satisfies the type';
	END IF;
	IF NEW.state IN ('approved', 'executed') AND NEW.approvals > (SELECT COUNT(*) FROM instruction_approvals a
		WHERE a.instruction_id = NEW.id AND 'staff:' || a.staff_id <> NEW.proposer
		AND NOT EXISTS (SELECT 1 FROM instruction_proofs p WHERE p.instruction_id = NEW.id AND a.staff_id IN (p.attested_by, p.let_in_by))) THEN
		RAISE EXCEPTION 'instructions: too few people approved';
	END IF;
	IF OLD.state <> NEW.state AND NOT (
		(OLD.state = 'proposed' AND NEW.state IN ('proved', 'refused', 'frozen', 'expired', 'cancelled'))
		OR (OLD.state = 'proved' AND NEW.state IN ('approved', 'refused', 'frozen', 'expired', 'cancelled'))
		OR (OLD.state = 'approved' AND NEW.state IN ('executed', 'refused', 'frozen', 'cancelled'))) THEN
		RAISE EXCEPTION 'instructions: no such step';
	END IF;
	RETURN NEW;
END $$;
-- +statement
CREATE TRIGGER instructions_step BEFORE UPDATE ON instructions FOR EACH ROW EXECUTE FUNCTION instructions_step();
-- +statement
CREATE FUNCTION records_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '%: records stay as they are', TG_TABLE_NAME;
END $$;
-- +statement
CREATE TRIGGER instructions_stay BEFORE DELETE ON instructions FOR EACH ROW EXECUTE FUNCTION records_stay();
-- +statement
CREATE TRIGGER instructions_whole BEFORE TRUNCATE ON instructions FOR EACH STATEMENT EXECUTE FUNCTION records_stay();
-- +statement
CREATE FUNCTION instruction_proofs_begin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT 1 FROM instructions i WHERE i.id = NEW.instruction_id AND i.state = 'proposed' AND i.contact_id = NEW.contact_id AND i.bind = NEW.bind) THEN
		RAISE EXCEPTION 'instruction_proofs: of its person and its text, while it is proposed';
	END IF;
	RETURN NEW;
END $$;
-- +statement
CREATE TRIGGER instruction_proofs_begin BEFORE INSERT ON instruction_proofs FOR EACH ROW EXECUTE FUNCTION instruction_proofs_begin();
-- +statement
CREATE TRIGGER instruction_proofs_stay BEFORE UPDATE OR DELETE ON instruction_proofs FOR EACH ROW EXECUTE FUNCTION records_stay();
-- +statement
CREATE TRIGGER instruction_proofs_whole BEFORE TRUNCATE ON instruction_proofs FOR EACH STATEMENT EXECUTE FUNCTION records_stay();
-- +statement
CREATE FUNCTION instruction_approvals_begin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT 1 FROM instructions i WHERE i.id = NEW.instruction_id AND i.state = 'proved') THEN
		RAISE EXCEPTION 'instruction_approvals: of what is proved';
	END IF;
	RETURN NEW;
END $$;
-- +statement
CREATE TRIGGER instruction_approvals_begin BEFORE INSERT ON instruction_approvals FOR EACH ROW EXECUTE FUNCTION instruction_approvals_begin();
-- +statement
CREATE TRIGGER instruction_approvals_stay BEFORE UPDATE OR DELETE ON instruction_approvals FOR EACH ROW EXECUTE FUNCTION records_stay();
-- +statement
CREATE TRIGGER instruction_approvals_whole BEFORE TRUNCATE ON instruction_approvals FOR EACH STATEMENT EXECUTE FUNCTION records_stay();
-- +statement
CREATE FUNCTION consents_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (NEW.id, NEW.contact_id, NEW.scope, NEW.wording, NEW.wording_sum, NEW.channel, NEW.factor, NEW.fingerprint, NEW.message_id, NEW.proved_at, NEW.given_at, NEW.starts_at, NEW.expires_at)
		IS DISTINCT FROM (OLD.id, OLD.contact_id, OLD.scope, OLD.wording, OLD.wording_sum, OLD.channel, OLD.factor, OLD.fingerprint, OLD.message_id, OLD.proved_at, OLD.given_at, OLD.starts_at, OLD.expires_at)
		OR (OLD.ended_at <> 0 AND NEW.ended_at <> OLD.ended_at) THEN
		RAISE EXCEPTION 'consents: what was chosen never changes, and is ended once';
	END IF;
	RETURN NEW;
END $$;
-- +statement
CREATE TRIGGER consents_step BEFORE UPDATE ON consents FOR EACH ROW EXECUTE FUNCTION consents_step();
-- +statement
CREATE TRIGGER consents_stay BEFORE DELETE ON consents FOR EACH ROW EXECUTE FUNCTION records_stay();
-- +statement
CREATE TRIGGER consents_whole BEFORE TRUNCATE ON consents FOR EACH STATEMENT EXECUTE FUNCTION records_stay();
