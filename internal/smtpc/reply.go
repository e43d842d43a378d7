package smtpc

import (
	"bufio"
	"errors"
	"strings"
)

// reply is a server's answer.
type reply struct {
	code     int // 0: none
	enhanced string
	text     string
}

func (r reply) class() int { return r.code / 100 }

var errReply = errors.New("the answer is not SMTP")

const maxReplyLines = 128

// readReply reads one answer of one or more lines (RFC 5321, 4.2.1). lines,
// when given, gets the text of each.
func readReply(in *bufio.Reader, lines *[]string) (reply, error) {
	var r reply
	for range maxReplyLines {
		b, err := in.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, bufio.ErrBufferFull) {
				err = errReply
			}
			return reply{}, err
		}
		line := strings.TrimRight(string(b), "\r\n")
		code, ok := replyCode(line)
		if !ok || r.code != 0 && code != r.code {
			return reply{}, errReply
		}
		r.code = code
		text := ""
		if len(line) > 4 {
			text = line[4:]
		}
		if lines != nil {
			*lines = append(*lines, text)
		}
		if len(r.text) < 200 {
			r.text += " " + r.take(text)
		}
		if len(line) == 3 || line[3] == ' ' {
			r.text = printable(r.text)
			return r, nil
		}
	}
	return reply{}, errReply
}

func replyCode(line string) (int, bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, false
	}
	for i := range 3 {
		if line[i] < '0' || line[i] > '9' {
			return 0, false
		}
	}
	code := int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	return code, code >= 200 && code < 600
}

// take cuts an enhanced code (RFC 3463) off a line of text.
func (r *reply) take(text string) string {
	word, rest, _ := strings.Cut(text, " ")
	part := strings.Split(word, ".")
	if len(part) != 3 || len(part[0]) != 1 || int(part[0][0]-'0') != r.class() {
		return text
	}
	for _, p := range part[1:] {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return text
		}
	}
	r.enhanced = word
	return rest
}
