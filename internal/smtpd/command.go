package smtpd

import (
	"fmt"
	"strconv"
	"strings"
)

// dispatch obeys one command line.
func (n *session) dispatch(line []byte) {
	verb, arg, _ := strings.Cut(string(line), " ")
	arg = strings.Trim(arg, " \t")
	switch verb = strings.ToUpper(verb); verb {
	case "DATA":
		n.data(arg)
		return
	case "RCPT":
		n.rcpt(arg)
		return
	case "QUIT":
		n.reply(221, "2.0.0", "Goodbye")
		n.over = true
		return
	}
	if n.idle++; n.idle > maxIdle {
		n.hangUp(421, "4.7.0", "Many commands and no mail, closing the connection")
		return
	}
	switch verb {
	case "HELO", "EHLO", "LHLO":
		n.hello(verb, arg)
	case "MAIL":
		n.mailFrom(arg)
	case "RSET":
		n.reset()
		n.reply(250, "2.0.0", "Forgotten")
	case "NOOP":
		n.reply(250, "2.0.0", "Still here")
	case "STARTTLS":
		if arg != "" {
			n.badCommand(501, "5.5.4", "STARTTLS takes no argument") // RFC 3207, 4
			return
		}
		n.startTLS()
	case "VRFY", "EXPN":
		// RFC 5321, 3.5.3: the same for every address, so it tells nothing.
		n.reply(252, "2.5.0", "Not verified here; send the mail and see")
	case "BDAT":
		// The octets behind it are content and must not be read as commands.
		n.hangUp(502, "5.5.1", "CHUNKING is not offered; use DATA")
	case "AUTH":
		n.badCommand(502, "5.5.1", "No sign-in here: this door only takes mail for its own mailboxes")
	default:
		n.badCommand(500, "5.5.1", "Unknown command")
	}
}

func (n *session) hello(verb, arg string) {
	if lmtp := verb == "LHLO"; lmtp != n.s.o.LMTP {
		want := "EHLO"
		if n.s.o.LMTP {
			want = "LHLO" // RFC 2033, 4.1
		}
		n.badCommand(500, "5.5.1", "Use "+want+" here")
		return
	}
	name, _, _ := strings.Cut(arg, " ")
	if name == "" || len(name) > 255 || !visible(name) {
		n.badCommand(501, "5.5.4", verb+" needs the name of your host")
		return
	}
	n.helo = name
	n.reset() // RFC 5321, 4.1.4
	if verb == "HELO" {
		n.reply(250, "", n.s.o.Hostname)
		return
	}
	caps := []string{n.s.o.Hostname, "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"}
	caps = append(caps, fmt.Sprintf("SIZE %d", n.s.o.MaxBytes))
	if n.s.o.TLS != nil && !n.tls {
		caps = append(caps, "STARTTLS")
	}
	for i, c := range caps {
		sep := "-"
		if i == len(caps)-1 {
			sep = " "
		}
		fmt.Fprintf(n.out, "250%s%s\r\n", sep, c)
	}
}

func (n *session) mailFrom(arg string) {
	switch {
	case n.helo == "":
		n.reply(503, "5.5.1", "Say who you are first")
		return
	case n.s.o.RequireTLS && !n.tls:
		n.reply(530, "5.7.0", "Start TLS first") // RFC 3207, 4
		return
	case n.mail:
		n.reply(503, "5.5.1", "A message is under way; RSET to start again")
		return
	}
	rest, ok := cutFold(arg, "FROM:")
	if !ok {
		n.badCommand(501, "5.5.4", "Write MAIL FROM:<address>")
		return
	}
	from, params, ok := parsePath(rest)
	if !ok {
		n.badCommand(501, "5.1.7", "The sender address is malformed; write MAIL FROM:<address>")
		return
	}
	size, ok := n.mailParams(params)
	if !ok {
		return
	}
	n.mail, n.from, n.size = true, from, size
	n.reply(250, "2.1.0", "Sender noted")
}

// mailParams answers and returns false when a parameter cannot be honoured.
func (n *session) mailParams(params string) (size int64, ok bool) {
	for _, p := range strings.Fields(params) {
		key, value, _ := strings.Cut(p, "=")
		switch key = strings.ToUpper(key); key {
		case "SIZE": // RFC 1870
			v, err := strconv.ParseUint(value, 10, 63)
			if err != nil && !allDigits(value) {
				n.badCommand(501, "5.5.4", "SIZE needs a number")
				return 0, false
			}
			if err != nil || int64(v) > n.s.o.MaxBytes {
				n.s.o.Observe(EventTooLarge)
				n.reply(552, "5.3.4", n.tooLargeText())
				return 0, false
			}
			size = int64(v)
		case "BODY": // RFC 6152
			if v := strings.ToUpper(value); v != "7BIT" && v != "8BITMIME" {
				n.badCommand(501, "5.5.4", "BODY is 7BIT or 8BITMIME here")
				return 0, false
			}
		case "SMTPUTF8":
			n.reply(555, "5.6.7", "SMTPUTF8 is not offered; use an ASCII address")
			return 0, false
		default:
			n.badCommand(555, "5.5.4", "This MAIL parameter is not offered") // RFC 5321, 4.1.1.11
			return 0, false
		}
	}
	return size, true
}

func (n *session) tooLargeText() string {
	return fmt.Sprintf("The message is larger than the %d bytes taken here; send less or share a link", n.s.o.MaxBytes)
}

func (n *session) rcpt(arg string) {
	if !n.mail {
		n.strayed(503, "5.5.1", "MAIL comes first")
		return
	}
	rest, ok := cutFold(arg, "TO:")
	if !ok {
		n.badCommand(501, "5.5.4", "Write RCPT TO:<address>")
		return
	}
	to, params, ok := parsePath(rest)
	if !ok || to == "" {
		n.badCommand(501, "5.1.3", "The recipient address is malformed; write RCPT TO:<address>")
		return
	}
	if params != "" {
		n.badCommand(555, "5.5.4", "No RCPT parameters are offered")
		return
	}
	if len(n.rcpts) >= n.s.o.MaxRecipients {
		n.strayed(452, "4.5.3", "Too many recipients; send the others in another message")
		return
	}
	known, err := n.known(to)
	switch {
	case err != nil:
		n.s.log.Warn("cannot look up a recipient", "err", err)
		n.reply(451, "4.3.0", "Cannot look up recipients now, try again later")
	case !known:
		n.s.o.Observe(EventUnknown)
		n.reply(550, "5.1.1", "No such mailbox here")
		if n.unknown++; n.unknown >= maxUnknown {
			n.hangUp(421, "4.7.0", "Too many unknown recipients, closing the connection")
		}
	default:
		n.rcpts = append(n.rcpts, to)
		n.reply(250, "2.1.5", "Recipient taken")
	}
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
