// Command chaosworker is a worker that tests start and kill. Arguments: database, folder of effects.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	wfext "github.com/wfext/wfext/bindings/go"
)

type input struct {
	N int `json:"n"`
}

func main() {
	path, folder := os.Args[1], os.Args[2]
	// Leaves a trace outside of the file.
	effect := func(text string) error {
		file, err := os.OpenFile(filepath.Join(folder, "effects"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = file.WriteString(text + "\n")
		return err
	}
	app, err := wfext.Open(path, wfext.Synchronous("normal"))
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close()
	plain := func(ctx context.Context, n int) (int, error) {
		return wfext.Step(ctx, "plain", func(context.Context) (int, error) { return n, effect(fmt.Sprintf("plain %d", n)) })
	}
	child := wfext.Workflow(app, "child", func(ctx context.Context, in input) (int, error) { return plain(ctx, in.N) })
	wfext.Workflow(app, "job", func(ctx context.Context, in input) (int, error) {
		a, err := wfext.Effect(ctx, "looping", func(ctx context.Context) (int, error) {
			if err := effect(fmt.Sprintf("looping %d %s", in.N, wfext.Key(ctx))); err != nil {
				return 0, err
			}
			time.Sleep(2 * time.Millisecond)
			return in.N, nil
		})
		if err != nil {
			return 0, err
		}
		b, err := plain(ctx, in.N)
		if err != nil {
			return 0, err
		}
		if _, err := wfext.Transaction(ctx, "row", func(tx *wfext.Tx) (any, error) { return nil, tx.Exec("INSERT INTO result VALUES (?)", in.N) }); err != nil {
			return 0, err
		}
		if err := wfext.Sleep(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
		c, err := wfext.Call(ctx, child, in)
		return a + b + c, err
	})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := app.Run(ctx, wfext.Concurrency(20), wfext.Lease(2*time.Second), wfext.Grace(5*time.Second), wfext.Logger(slog.New(slog.NewTextHandler(io.Discard, nil)))); err != nil {
		log.Fatal(err)
	}
}
