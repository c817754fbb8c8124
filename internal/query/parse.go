package query

import (
	"fmt"
	"strings"
)

// Expr is a condition on the fields of a packet. The nil Expr is true for every
// packet.
type Expr struct{ root node }

// maxDepth bounds how deep parentheses and nots nest.
const maxDepth = 200

// Parse reads a condition. Its error is a *SyntaxError.
//
//	or    = and { "or" and }
//	and   = not { "and" not }
//	not   = "not" not | "(" or ")" | test
//	test  = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//	      | field [ "not" ] "in" ( list | value )
//	      | field [ "not" ] "between" value "and" value
//	      | field [ "not" ] "like" value
//	      | field "has" flags
//	      | field "is" [ "not" ] "null"
//	list  = "(" value { "," value } ")"
func Parse(text string, z Zone) (*Expr, error) {
	if strings.TrimSpace(text) == "" {
		return nil, &SyntaxError{text, len(text), 0, "an empty condition: want one such as dest_port = 443"}
	}
	all, err := tokens(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: all, zone: z}
	root, err := p.or(0, false)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, p.errorf(t, "expected and, or, or the end, found %q", t.text)
	}
	return &Expr{root}, nil
}

type parser struct {
	text   string
	tokens []token
	next   int
	zone   Zone
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != tokenEnd {
		p.next++
	}
	return t
}

func (p *parser) errorf(t token, format string, args ...any) error {
	return &SyntaxError{p.text, t.at, t.len, fmt.Sprintf(format, args...)}
}

// is reports whether t is one of these keywords or operators.
func (t token) is(words ...string) bool {
	for _, w := range words {
		if t.kind != tokenQuoted && strings.EqualFold(t.text, w) {
			return true
		}
	}
	return false
}

// accept takes the next token if it is one of these.
func (p *parser) accept(words ...string) bool {
	if p.peek().is(words...) {
		p.next++
		return true
	}
	return false
}

// or, and, not read their rule of the grammar. not tells that the whole is
// under a negation: it is pushed down to the tests (De Morgan).
func (p *parser) or(depth int, not bool) (node, error) {
	return p.chain(depth, not, p.and, "or", "||")
}

func (p *parser) and(depth int, not bool) (node, error) {
	return p.chain(depth, not, p.not, "and", "&&")
}

// chain reads rules joined by a word.
func (p *parser) chain(depth int, not bool, rule func(int, bool) (node, error), words ...string) (node, error) {
	first, err := rule(depth, not)
	if err != nil {
		return nil, err
	}
	parts := []node{first}
	for p.accept(words...) {
		next, err := rule(depth, not)
		if err != nil {
			return nil, err
		}
		parts = append(parts, next)
	}
	switch {
	case len(parts) == 1:
		return first, nil
	case (words[0] == "and") != not:
		return and(parts), nil
	}
	return or(parts), nil
}

func (p *parser) not(depth int, not bool) (node, error) {
	if depth > maxDepth {
		return nil, p.errorf(p.peek(), "more than %d parentheses and nots inside each other", maxDepth)
	}
	if p.accept("not", "!") {
		return p.not(depth+1, !not)
	}
	if open := p.peek(); p.accept("(") {
		n, err := p.or(depth+1, not)
		if err != nil {
			return nil, err
		}
		if t := p.peek(); !p.accept(")") {
			return nil, p.errorf(t, "expected ) for the ( in column %d, found %s", p.column(open), describe(t))
		}
		return n, nil
	}
	return p.test(not)
}

func (p *parser) column(t token) int { return len([]rune(p.text[:t.at])) + 1 }

func describe(t token) string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

// test reads one comparison.
func (p *parser) test(not bool) (node, error) {
	name := p.take()
	if name.kind != tokenWord || name.is("and", "or", "in", "is", "between", "like", "has") {
		return nil, p.errorf(name, "expected a field, as in dest_port = 443, found %s", describe(name))
	}
	f, err := FieldByName(name.text)
	if err != nil {
		return nil, p.errorf(name, "%v", err)
	}
	op := p.take()
	if op.is("not") {
		not = !not
		if op = p.take(); !op.is("in", "between", "like") {
			return nil, p.errorf(op, "expected in, between or like behind not, found %s", describe(op))
		}
	}
	switch {
	case op.is("is"):
		not = not != p.accept("not")
		if t := p.take(); !t.is("null") {
			return nil, p.errorf(t, "expected null or not null behind is, found %s", describe(t))
		}
		return &nullTest{f, !not}, nil
	case op.is("=", "==", "!=", "<>", "<", "<=", ">", ">="):
		if op.is("!=", "<>") {
			not, op.text = !not, "="
		}
		return p.compare(f, op, not)
	case op.is("in"):
		return p.in(f, not)
	case op.is("between"):
		return p.between(f, op, not)
	case op.is("like"):
		return p.like(f, op, not)
	case op.is("has"):
		return p.has(f, op, not)
	}
	return nil, p.errorf(op, "expected = != < <= > >= in, between, like, has or is behind %s, found %s", f.Name, describe(op))
}

// value takes a literal.
func (p *parser) value() (token, error) {
	t := p.take()
	if t.kind == tokenWord || t.kind == tokenQuoted {
		return t, nil
	}
	return t, p.errorf(t, "expected a value, found %s", describe(t))
}

// compare reads the value behind one of = < <= > >=.
func (p *parser) compare(f *Field, op token, not bool) (node, error) {
	t, err := p.value()
	if err != nil {
		return nil, err
	}
	if t.is("null") {
		return nil, p.errorf(t, "nothing equals null: want %s is null, or is not null", f.Name)
	}
	s := newSet(f)
	if err := s.add(t.text, p.zone, op.text); err != nil {
		return nil, p.errorf(t, "%v", err)
	}
	return s.test(not), nil
}

// in reads a list, or a single value.
func (p *parser) in(f *Field, not bool) (node, error) {
	s := newSet(f)
	list := p.accept("(")
	for {
		t, err := p.value()
		if err != nil {
			return nil, err
		}
		if err := s.add(t.text, p.zone, "="); err != nil {
			return nil, p.errorf(t, "%v", err)
		}
		if !list || p.accept(")") {
			return s.test(not), nil
		}
		if t := p.peek(); !p.accept(",") {
			return nil, p.errorf(t, "expected , or ) in the list, found %s", describe(t))
		}
	}
}

// between reads two values, both included.
func (p *parser) between(f *Field, op token, not bool) (node, error) {
	if f.textual() {
		return nil, p.errorf(op, "%s is text: want = or in or like", f.Name)
	}
	low, err := p.value()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); !p.accept("and") {
		return nil, p.errorf(t, "expected and between the two values, found %s", describe(t))
	}
	high, err := p.value()
	if err != nil {
		return nil, err
	}
	s := newSet(f)
	if err := s.add(low.text, p.zone, ">="); err != nil {
		return nil, p.errorf(low, "%v", err)
	}
	upper := newSet(f)
	if err := upper.add(high.text, p.zone, "<="); err != nil {
		return nil, p.errorf(high, "%v", err)
	}
	s.intersect(upper)
	return s.test(not), nil
}

// like reads a pattern: % any text, _ any one character.
func (p *parser) like(f *Field, op token, not bool) (node, error) {
	t, err := p.value()
	if err != nil {
		return nil, err
	}
	if f.kind != kindText && f.kind != kindMAC && f.kind != kindAddress {
		return nil, p.errorf(op, "%s is no text: like is for text", f.Name)
	}
	pattern := []rune(t.text)
	return &textTest{field: f, matches: func(s string) bool { return like(pattern, []rune(s)) }, not: not}, nil
}

// has reads flags, all of which are asked for.
func (p *parser) has(f *Field, op token, not bool) (node, error) {
	t, err := p.value()
	if err != nil {
		return nil, err
	}
	if f.kind != kindNumber || f.signed {
		return nil, p.errorf(op, "%s has no bits: has is for numbers such as tcp_flags", f.Name)
	}
	bits, err := f.number(t.text)
	if err != nil {
		return nil, p.errorf(t, "%v", err)
	}
	return &bitTest{f, bits, !not}, nil
}

// like matches a pattern of SQL, in time of the product of the lengths at most.
func like(pattern, s []rune) bool {
	star, mark := -1, 0 // the last %, and what it stands for so far
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '%':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == '_' || pattern[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '%' {
		i++
	}
	return i == len(pattern)
}
