// Command ref is the bound that the desk is measured against: SMTP in, decrypt
// and verify by go-crypto with keys in memory, two rows in SQLite with
// synchronous=FULL, and one commit for all that wait before their 250. It walks
// no MIME, keeps no threads, writes no audit: nothing can do the desk's work
// faster on this machine.
package main

import (
	"bytes"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/emersion/go-smtp"
	_ "modernc.org/sqlite"
)

type job struct {
	raw, text []byte
	done      chan error
}

type ref struct {
	ring  openpgp.EntityList // nil: mails are stored as they come
	queue chan job
}

func main() {
	dbFile, keys := flag.String("db", "", "database file"), flag.String("keys", "", "armoured keys, secret and public; empty: plain")
	flag.Parse()
	r := &ref{queue: make(chan job, 256)}
	if *keys != "" {
		data, err := os.ReadFile(*keys)
		check(err)
		for len(bytes.TrimSpace(data)) > 0 {
			rd := bytes.NewReader(data)
			block, err := armor.Decode(rd)
			check(err)
			list, err := openpgp.ReadKeyRing(block.Body)
			check(err)
			r.ring = append(r.ring, list...)
			_, rest, ok := bytes.Cut(data[1:], []byte("-----BEGIN"))
			if !ok {
				break
			}
			data = append([]byte("-----BEGIN"), rest...)
		}
	}
	db, err := sql.Open("sqlite", "file:"+*dbFile+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_txlock=immediate")
	check(err)
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`CREATE TABLE raw (id INTEGER PRIMARY KEY, body BLOB); CREATE TABLE msg (id INTEGER PRIMARY KEY, raw INTEGER, text BLOB)`)
	check(err)
	go r.write(db)
	s := smtp.NewServer(r)
	s.Addr, s.Domain, s.MaxMessageBytes, s.MaxLineLength = "127.0.0.1:0", "ref", 32<<20, 1<<20
	l, err := net.Listen("tcp", s.Addr)
	check(err)
	fmt.Println(l.Addr())
	check(s.Serve(l))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// write commits all jobs that wait together.
func (r *ref) write(db *sql.DB) {
	for first := range r.queue {
		group := []job{first}
	more:
		for len(group) < 128 {
			select {
			case j := <-r.queue:
				group = append(group, j)
			default:
				break more
			}
		}
		tx, err := db.Begin()
		check(err)
		for _, j := range group {
			res, err := tx.Exec(`INSERT INTO raw (body) VALUES (?)`, j.raw)
			check(err)
			id, _ := res.LastInsertId()
			_, err = tx.Exec(`INSERT INTO msg (raw, text) VALUES (?, ?)`, id, j.text)
			check(err)
		}
		err = tx.Commit()
		for _, j := range group {
			j.done <- err
		}
	}
}

func (r *ref) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{r}, nil }

type session struct{ *ref }

func (*session) Reset()                               {}
func (*session) Logout() error                        { return nil }
func (*session) Mail(string, *smtp.MailOptions) error { return nil }
func (*session) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s *session) Data(rd io.Reader) error {
	raw, err := io.ReadAll(rd)
	if err != nil {
		return err
	}
	j := job{raw: raw, done: make(chan error, 1)}
	if s.ring != nil {
		if j.text, err = s.open(raw); err != nil {
			return err
		}
	}
	s.queue <- j
	return <-j.done
}

// open finds the armour, decrypts and verifies.
func (s *session) open(raw []byte) ([]byte, error) {
	i := bytes.Index(raw, []byte("-----BEGIN PGP MESSAGE-----"))
	if i < 0 {
		return nil, fmt.Errorf("no armour")
	}
	block, err := armor.Decode(bytes.NewReader(raw[i:]))
	if err != nil {
		return nil, err
	}
	md, err := openpgp.ReadMessage(block.Body, s.ring, nil, nil)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(md.UnverifiedBody)
	if err != nil {
		return nil, err
	}
	if md.SignatureError != nil || !md.IsSigned {
		return nil, fmt.Errorf("signature: %v", md.SignatureError)
	}
	return text, nil
}
