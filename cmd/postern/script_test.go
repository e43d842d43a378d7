package main_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"postern/internal/app"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"postern": func() {
		os.Exit(app.Run(context.Background(), app.Env{Args: os.Args[1:], Vars: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}))
	}})
}

// TestScript runs the command line as its user would: testdata/script/*.txtar.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(e *testscript.Env) error {
		// Ports that nobody else uses, and a folder of the script's own.
		web, smtp, web2, smtp2 := freePort(t), freePort(t), freePort(t), freePort(t)
		e.Setenv("POSTERN_DATA_DIR", e.WorkDir+"/data")
		e.Setenv("POSTERN_WEB_URL", "https://localhost:"+web)
		e.Setenv("POSTERN_LINKS_FETCH", "false")
		e.Setenv("POSTERN_WEB_ADDR", "127.0.0.1:"+web)
		e.Setenv("POSTERN_SMTP_ADDR", "127.0.0.1:"+smtp)
		e.Setenv("WEB2", "127.0.0.1:"+web2)
		e.Setenv("SMTP2", "127.0.0.1:"+smtp2)
		return nil
	}, Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
		// await FILE waits until a running desk has made the file.
		"await": func(ts *testscript.TestScript, _ bool, args []string) {
			await(func() bool { _, err := os.Stat(ts.MkAbs(args[0])); return err == nil }, ts.Fatalf)
		},
		// keyid FILE sets KEYID to the id of the API key in the file.
		"keyid": func(ts *testscript.TestScript, _ bool, args []string) {
			_, key, _ := strings.Cut(ts.ReadFile(args[0]), "_")
			id, _, _ := strings.Cut(key, "_")
			ts.Setenv("KEYID", id)
		},
	}})
}
