package message

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// charsetOf is the list of charsets that are read. UTF-7, UTF-16, UTF-32, HZ and
// whatever else can hide one text in another is not on it.
func charsetOf(name string) encoding.Encoding {
	switch name {
	case "iso-8859-1", "latin1", "iso8859-1", "windows-1252", "cp1252", "cp-1252":
		return charmap.Windows1252 // a superset; mailers mix the two up
	case "iso-8859-2", "latin2":
		return charmap.ISO8859_2
	case "iso-8859-3":
		return charmap.ISO8859_3
	case "iso-8859-4":
		return charmap.ISO8859_4
	case "iso-8859-5":
		return charmap.ISO8859_5
	case "iso-8859-6":
		return charmap.ISO8859_6
	case "iso-8859-7":
		return charmap.ISO8859_7
	case "iso-8859-8", "iso-8859-8-i":
		return charmap.ISO8859_8
	case "iso-8859-9", "latin5":
		return charmap.ISO8859_9
	case "iso-8859-10":
		return charmap.ISO8859_10
	case "iso-8859-13":
		return charmap.ISO8859_13
	case "iso-8859-14":
		return charmap.ISO8859_14
	case "iso-8859-15", "latin9", "latin-9":
		return charmap.ISO8859_15
	case "iso-8859-16":
		return charmap.ISO8859_16
	}
	return furtherCharset(name)
}

func furtherCharset(name string) encoding.Encoding {
	switch name {
	case "windows-874", "tis-620":
		return charmap.Windows874
	case "windows-1250", "cp1250":
		return charmap.Windows1250
	case "windows-1251", "cp1251":
		return charmap.Windows1251
	case "windows-1253":
		return charmap.Windows1253
	case "windows-1254":
		return charmap.Windows1254
	case "windows-1255":
		return charmap.Windows1255
	case "windows-1256":
		return charmap.Windows1256
	case "windows-1257":
		return charmap.Windows1257
	case "windows-1258":
		return charmap.Windows1258
	case "koi8-r":
		return charmap.KOI8R
	case "koi8-u":
		return charmap.KOI8U
	case "gb2312", "gbk", "cp936", "gb18030":
		return simplifiedchinese.GB18030
	case "big5":
		return traditionalchinese.Big5
	case "shift_jis", "shift-jis", "sjis", "cp932", "windows-31j":
		return japanese.ShiftJIS
	case "euc-jp":
		return japanese.EUCJP
	case "euc-kr", "ks_c_5601-1987", "cp949":
		return korean.EUCKR
	case "iso-2022-jp":
		return japanese.ISO2022JP
	}
	return nil
}

func charsetName(s string) string { return strings.ToLower(strings.Trim(s, " \t\"'")) }

// decodeCharset turns bytes into text. ok is false for a charset that is not
// read, and for ISO-2022-JP that is not quite right: its escapes are a known
// way to hide text. Elsewhere a wrong byte becomes U+FFFD.
func decodeCharset(name string, data []byte) (text string, ok bool) {
	name = charsetName(name)
	switch name {
	case "", "us-ascii", "ascii", "ansi_x3.4-1968", "utf-8", "utf8":
		if utf8.Valid(data) {
			return string(data), true
		}
		if strings.HasPrefix(name, "utf") {
			return strings.ToValidUTF8(string(data), "\ufffd"), true
		}
		out, err := charmap.Windows1252.NewDecoder().Bytes(data)
		return string(out), err == nil
	}
	enc := charsetOf(name)
	if enc == nil {
		return "", false
	}
	out, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		return "", false
	}
	if name == "iso-2022-jp" && (bytes.ContainsRune(out, utf8.RuneError) || bytes.IndexByte(out, 0x1b) >= 0) {
		return "", false
	}
	return string(out), true
}

// Text is the decoded text of the part, with LF line ends, and what was wrong
// with it. BadCharset means that there is no text.
func (p *Part) Text() (string, []Problem) {
	data, problem := p.Data()
	text, problems := DecodeText(p.Params["charset"], data)
	if problem != "" {
		problems = append(problems, problem)
	}
	return text, problems
}

// DecodeText turns the bytes of a text into what may be shown of it.
func DecodeText(charset string, data []byte) (string, []Problem) {
	text, ok := decodeCharset(charset, data)
	if !ok {
		return "", []Problem{BadCharset}
	}
	var problems []Problem
	if !utf8.Valid(data) && charsetOf(charsetName(charset)) == nil {
		problems = append(problems, WrongCharset)
	}
	clean, bidi := cleanText(text)
	if bidi {
		problems = append(problems, Bidi)
	}
	return clean, problems
}

// cleanText gives LF line ends and takes out what must not be shown.
func cleanText(s string) (out string, bidi bool) {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r >= 127 }) {
		return s, false
	}
	out = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\f' || r == '\v' || r == 0x2028 || r == 0x2029:
			return '\n'
		case isBidi(r):
			bidi = true
			return -1
		case r < ' ' || r == 127 || r >= 0x80 && r < 0xa0:
			return utf8.RuneError
		}
		return r
	}, s)
	return out, bidi
}
