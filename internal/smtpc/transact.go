package smtpc

import (
	"errors"
	"fmt"
	"time"
)

// transact runs one mail transaction. A nil error means that the connection is
// in step with the server and may be used again; the result says what became of
// the message either way.
func (k *conn) transact(from, to string, raw []byte) (Result, error) {
	body := stuffed(raw)
	mail := "MAIL FROM:<" + from + ">"
	if _, ok := k.ext["SIZE"]; ok { // RFC 1870
		mail += fmt.Sprintf(" SIZE=%d", len(raw))
	}
	rcpt := "RCPT TO:<" + to + ">"
	if _, ok := k.ext["PIPELINING"]; ok { // RFC 2920
		if err := k.write(mail + "\r\n" + rcpt + "\r\n"); err != nil {
			return k.broken(StageMail, err)
		}
		if res, err, done := k.step(StageMail, 2); done {
			if err == nil { // RCPT was sent too: its answer is due, whatever it is
				_, err = k.expect(StageRcpt, 5, nil)
				err = onlyIO(err)
			}
			return res, err
		}
	} else {
		if err := k.write(mail + "\r\n"); err != nil {
			return k.broken(StageMail, err)
		}
		if res, err, done := k.step(StageMail, 2); done {
			return res, err
		}
		if err := k.write(rcpt + "\r\n"); err != nil {
			return k.broken(StageRcpt, err)
		}
	}
	if res, err, done := k.step(StageRcpt, 2); done {
		return res, err
	}
	if err := k.write("DATA\r\n"); err != nil {
		return k.broken(StageData, err)
	}
	if res, err, done := k.step(StageData, 3); done {
		return res, err
	}
	return k.content(body)
}

// step reads the answer of one command; done when it is not the wanted class.
func (k *conn) step(stage string, class int) (res Result, err error, done bool) {
	r, err := k.expect(stage, class, nil)
	if err == nil {
		return Result{}, nil, false
	}
	if onlyIO(err) != nil || r.class() == 2 || r.class() == 3 {
		return k.result(Deferred, stage, r, err), err, true // out of step or broken
	}
	return k.judge(stage, r)
}

// judge tells what a 4xx or 5xx says about the message.
func (k *conn) judge(stage string, r reply) (Result, error, bool) {
	out := Deferred
	if r.class() == 5 && !aboutUs(r.code) {
		out = Refused
	}
	var err error
	if r.code == 421 { // RFC 5321, 3.8: the server closes
		err = errClosing
	}
	return k.result(out, stage, r, nil), err, true
}

// aboutUs lists the codes that ask for sign-in or TLS (RFC 4954, 6; RFC 3207,
// 4): our configuration is wrong, the message is not.
func aboutUs(code int) bool { return code == 530 || code == 534 || code == 535 || code == 538 }

var errClosing = errors.New("the server is closing the connection")

// content sends the body and the dot. Up to the dot a failure is Deferred; the
// dot is sent alone and last, so that the border between "surely not accepted"
// and "perhaps accepted" is one write.
func (k *conn) content(body []byte) (Result, error) {
	const block = 64 << 10 // RFC 5321, 4.5.3.2.5: the time is per block
	for len(body) > 0 {
		n := min(block, len(body))
		k.deadline(k.r.Timeout)
		if _, err := k.c.Write(body[:n]); err != nil {
			return k.early(err)
		}
		body = body[n:]
	}
	// A server that hung up or spoke already has not accepted anything.
	if !k.quiet() {
		return k.early(errClosing)
	}
	k.deadline(2 * k.r.Timeout) // RFC 5321, 4.5.3.2.6: ten minutes
	if _, err := k.c.Write([]byte(".\r\n")); err != nil {
		return k.result(InDoubt, StageDot, reply{}, err), err
	}
	r, err := readReply(k.in, nil)
	switch {
	case err != nil:
		return k.result(InDoubt, StageDot, reply{}, err), err
	case r.class() == 2:
		return k.result(Sent, StageDot, r, nil), nil
	case r.class() == 3: // nonsense here; nobody knows what it means
		return k.result(InDoubt, StageDot, r, nil), errClosing
	}
	res, err, _ := k.judge(StageDot, r)
	return res, err
}

// early ends a transaction whose body could not be sent to its end. A server
// may have said why before it hung up.
func (k *conn) early(err error) (Result, error) {
	k.deadline(min(k.r.Timeout, time.Second))
	r, rerr := readReply(k.in, nil)
	if rerr != nil || r.class() < 4 {
		return k.broken(StageBody, err)
	}
	res, _, _ := k.judge(StageBody, r)
	return res, err
}

func (k *conn) broken(stage string, err error) (Result, error) {
	return k.result(Deferred, stage, reply{}, err), err
}

func (k *conn) result(o Outcome, stage string, r reply, err error) Result {
	e := stepError{stage: stage, reply: r, err: err}
	if s := (*stepError)(nil); errors.As(err, &s) {
		e = *s
	}
	return Result{Outcome: o, Code: r.code, Enhanced: r.enhanced, Text: e.text(), Stage: stage}
}

// onlyIO keeps an error of the connection and drops one that is merely an
// answer of another class.
func onlyIO(err error) error {
	if s := (*stepError)(nil); errors.As(err, &s) && s.err == nil {
		return nil
	}
	return err
}
