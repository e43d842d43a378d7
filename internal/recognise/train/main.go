// Command train makes the recogniser's model from the messages beside it, written by hand for
// the purpose: go run ./internal/recognise/train. The same messages give the same model.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"postern/internal/recognise/learn"
)

func main() {
	dir := flag.String("dir", "internal/recognise", "folder of the package")
	cross := flag.Bool("cross", false, "only print how well a model does on messages that it was not shown")
	flag.Parse()
	if err := run(*dir, *cross); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

func run(dir string, cross bool) error {
	set, err := learn.Read(filepath.Join(dir, "train", "*.jsonl"))
	if err != nil {
		return err
	}
	if cross {
		learn.Cross(os.Stdout, set)
		return nil
	}
	b := learn.Train(set)
	return os.WriteFile(filepath.Join(dir, "model.bin.gz"), b, 0o644)
}
