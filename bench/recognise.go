package main

import (
	"fmt"
	"os"
	"time"

	"postern/internal/recognise"
	"postern/internal/recognise/learn"
)

// recognise measures the recogniser on the messages that were held back from its
// training, and lists every confusion.
func (l *lab) recognise() error {
	set, err := learn.Read("internal/recognise/testdata/exam.jsonl")
	if err != nil {
		return err
	}
	fmt.Printf("\nSecurity reports recognised, %d messages held back from training by their three writers:\n", len(set))
	f := learn.Measure(set)
	f.Print(os.Stdout)
	for _, x := range []struct{ file, words string }{
		{"everyday", "as they come each day; rules were mended with an eye on them"},
		{"fresh", "half of the ordinary ones near misses"},
		{"held", "of a hostile examiner's"},
	} {
		set, err := learn.Read("internal/recognise/testdata/" + x.file + ".jsonl")
		if err != nil {
			return err
		}
		fmt.Printf("\n%d messages %s:\n", len(set), x.words)
		learn.Measure(set).Print(os.Stdout)
	}
	start := time.Now()
	for i := range set {
		recognise.Look(set[i].Input())
	}
	each := time.Since(start) / time.Duration(len(set))
	fmt.Printf("  %s a message\n", each.Round(time.Microsecond))
	l.least("P10", "security reports recognised (recall)", f.Recall(), 0.97, "")
	l.most("P10", "false alarms on ordinary messages", f.Alarms(), 0.02, "")
	l.most("P10", "recognising a message", float64(each)/float64(time.Millisecond), 1, "ms")
	return nil
}
