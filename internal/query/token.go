package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// SyntaxError is an expression that cannot be understood, and where.
type SyntaxError struct {
	Text   string // the whole expression
	At     int    // byte where the trouble begins
	Length int    // bytes it spans
	Reason string
}

// Error shows the expression with a caret under what it is about.
func (e *SyntaxError) Error() string {
	shown := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, e.Text)
	column := utf8.RuneCountInString(e.Text[:e.At])
	carets := max(1, utf8.RuneCountInString(e.Text[e.At:e.At+e.Length]))
	return fmt.Sprintf("column %d: %s\n  %s\n  %s%s", column+1, e.Reason, shown, strings.Repeat(" ", column), strings.Repeat("^", carets))
}

// token is a word, a quoted text or an operator.
type token struct {
	kind tokenKind
	text string // of a quoted text: without the quotes
	at   int    // byte in the expression
	len  int    // bytes there
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenQuoted
	tokenOperator
)

// operators, the longer before those they begin with.
var operators = []string{"<=", ">=", "!=", "<>", "==", "&&", "||", "=", "<", ">", "!", "(", ")", ","}

// wordRunes are what a word is made of beside letters and digits: field names
// with '@' and '_', addresses, MACs, times, flags joined by '+' or '|'.
const wordRunes = "@_.:/+-*|%"

// tokens takes the expression apart.
func tokens(text string) ([]token, error) {
	var out []token
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		switch {
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			at += size
			continue
		case r == '\'' || r == '"':
			t, err := quoted(text, at, byte(r))
			if err != nil {
				return nil, err
			}
			out = append(out, t)
			at += t.len
			continue
		}
		t := token{at: at}
		for _, op := range operators {
			if strings.HasPrefix(text[at:], op) {
				t.kind, t.text, t.len = tokenOperator, op, len(op)
				break
			}
		}
		if t.kind == tokenEnd {
			t.kind, t.len = tokenWord, wordLen(text[at:])
			t.text = text[at : at+t.len]
			if t.len == 0 {
				return nil, &SyntaxError{text, at, size, fmt.Sprintf("unexpected %q", r)}
			}
		}
		out = append(out, t)
		at += t.len
	}
	return append(out, token{kind: tokenEnd, at: len(text)}), nil
}

func wordLen(s string) int {
	for i, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(wordRunes, r)) ||
			strings.HasPrefix(s[i:], "||") {
			return i
		}
	}
	return len(s)
}

// quoted reads a text in quotes; the quote doubled stands for itself.
func quoted(text string, at int, quote byte) (token, error) {
	var b strings.Builder
	for i := at + 1; i < len(text); i++ {
		if text[i] != quote {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == quote {
			b.WriteByte(quote)
			i++
			continue
		}
		return token{tokenQuoted, b.String(), at, i + 1 - at}, nil
	}
	return token{}, &SyntaxError{text, at, len(text) - at, "this quote is not closed"}
}
