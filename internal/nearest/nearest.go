// Package nearest finds what somebody meant who mistyped a name: a command, a
// setting, a field. In: the word and the names there are. Out: one of them, or
// none.
package nearest

import "slices"

// Word is the candidate with the fewest single-letter edits from word, if they
// are at most a third of its letters (two for short words); else "". Of equals
// it is the first in alphabetical order.
func Word(word string, candidates []string) string {
	best, limit := "", max(2, len(word)/3)
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := distance(word, c); d <= limit && d < len(word) {
			best, limit = c, d-1
		}
	}
	return best
}

// distance is Levenshtein's: insertions, deletions and changes of one byte.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
