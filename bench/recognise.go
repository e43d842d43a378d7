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
	set, err := learn.Read("internal/recognise/testdata/held.jsonl")
	if err != nil {
		return err
	}
	fmt.Printf("\nSecurity reports recognised, %d messages held back from training by their writer:\n", len(set))
	f := learn.Measure(set)
	f.Print(os.Stdout)
	for _, x := range []struct{ file, words string }{
		{"everyday", "as they come each day; the rules and the threshold were chosen with an eye on them"},
		{"fresh", "half of the ordinary ones near misses; written last, when rules, words and threshold stood"},
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
	l.least("10", "security reports recognised (recall)", f.Recall(), 0.97, "")
	l.most("10", "false alarms on ordinary messages", f.Alarms(), 0.02, "")
	l.most("10", "recognising a message", float64(each)/float64(time.Millisecond), 1, "ms")
	return nil
}
