package ledger

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The README's table of reasons and ours are the same, row by row.
func TestRemediesAreTheReadmes(t *testing.T) {
	f, err := os.Open("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []Remedy
	in := false
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		switch {
		case strings.HasPrefix(line, "| Reason | Room |"):
			in = true
		case in && !strings.HasPrefix(line, "|"):
			in = false
		case in && !strings.HasPrefix(line, "|---"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			if len(cells) != 4 {
				t.Fatalf("row %q has %d cells, want 4", line, len(cells))
			}
			rows = append(rows, Remedy{strings.Trim(cells[0], "`"), cells[1], cells[2], cells[3]})
		}
	}
	if d := cmp.Diff(rows, Remedies); d != "" {
		t.Errorf("the README's table of reasons and ledger.Remedies differ: change both (-README +ledger):\n%s", d)
	}
}

// Every reason that is declared has a remedy.
func TestEveryReasonHasARemedy(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "ledger.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Type == nil || len(v.Values) != 1 {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Reason" {
			return true
		}
		text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		declared++
		if _, ok := RemedyFor(text); !ok {
			t.Errorf("reason %s has no remedy: add a row to Remedies and to the README", text)
		}
		return true
	})
	if declared < 12 {
		t.Errorf("found %d declared reasons: the test looks in the wrong place", declared)
	}
}
