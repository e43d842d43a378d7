// Command postern is a self-hosted secure customer-service desk.
package main

import (
	"context"
	"os"

	"postern/internal/app"
)

func main() {
	os.Exit(app.Run(context.Background(), app.Env{Args: os.Args[1:], Vars: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}))
}
