package wfext

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestWhatIsCalledInATransactionDoesNothing(t *testing.T) {
	app := openApp(t)
	var done atomic.Int32
	charge := func(ctx context.Context) (int32, error) { return done.Add(1), nil }
	all := map[string]func(ctx context.Context) error{
		"step":   func(ctx context.Context) error { _, err := Step(ctx, "charge", charge); return err },
		"effect": func(ctx context.Context) error { _, err := Effect(ctx, "charge", charge); return err },
		"branch": func(ctx context.Context) error { _, err := Go(ctx, "charge", charge).Join(); return err },
		"wait":   func(ctx context.Context) error { return Sleep(ctx, time.Millisecond) },
		"stream": func(ctx context.Context) error { return Append(ctx, "log", 1) },
		"compensate": func(ctx context.Context) error {
			return Compensate(ctx, "x", func(context.Context) error { return nil })
		},
	}
	for name, does := range all {
		Workflow(app, name, func(ctx context.Context, _ none) (int, error) {
			return Transaction(ctx, "t", func(*Tx) (int, error) { return 1, does(ctx) })
		}, Undo())
	}
	work(t, app)
	for name := range all {
		h := begun(t, Ref[none, int](app, name), none{})
		_, err := result(t, h)
		if err == nil || !strings.Contains(err.Error(), "in a transaction") {
			t.Fatal(name, err)
		}
		steps, err := h.Steps()
		must(t, err)
		equal(t, len(steps), 0)
	}
	equal(t, done.Load(), int32(0))
}

func TestAStatementIsInterruptedAtTheLimitOfItsTransaction(t *testing.T) {
	app := openApp(t)
	endless := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int, error) {
		return Transaction(ctx, "t", func(tx *Tx) (int, error) {
			if err := tx.Exec("CREATE TABLE x(y)"); err != nil {
				return 0, err
			}
			return 1, tx.Exec(endless)
		})
	})
	work(t, app)
	fails(t, w, none{}, "took longer than 1s")
	rows, err := app.Query("SELECT 1 FROM sqlite_master WHERE name = 'x'")
	must(t, err)
	equal(t, len(rows), 0)
}

func TestAFullDiskInATransactionIsNoFailureOfTheStep(t *testing.T) {
	app := openApp(t)
	_, err := app.Query("CREATE TABLE large(x)")
	must(t, err)
	_, err = app.Call("wf_init")
	must(t, err)
	var tries atomic.Int32
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int, error) {
		return Transaction(ctx, "t", func(tx *Tx) (int, error) {
			tries.Add(1)
			if err := tx.Exec("INSERT INTO large VALUES (zeroblob(1000000))"); err != nil {
				return 0, fmt.Errorf("it did not fit: %v", err)
			}
			return 1, nil
		})
	})
	equal(t, comesThroughAFullDisk(t, app, w, &tries), 1)
}

func TestACommitThatAConstraintRefusesIsRecorded(t *testing.T) {
	app := openApp(t)
	for _, sql := range []string{"PRAGMA foreign_keys = 1", "CREATE TABLE parent(id PRIMARY KEY)", "CREATE TABLE child(id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
		"CREATE TABLE strict(x)", "CREATE TRIGGER no BEFORE INSERT ON strict BEGIN SELECT raise(ROLLBACK, 'not this one'); END"} {
		_, err := app.Query(sql)
		must(t, err)
	}
	var tries atomic.Int32
	w := Workflow(app, "w", func(ctx context.Context, sql string) (string, error) {
		_, err := Transaction(ctx, "t", func(tx *Tx) (int, error) { tries.Add(1); _ = tx.Exec(sql); return 1, nil })
		var failed *StepFailed
		if !errors.As(err, &failed) {
			return "", err
		}
		return failed.Cause.Message, Sleep(ctx, time.Millisecond)
	})
	work(t, app)
	for sql, with := range map[string]string{"INSERT INTO child VALUES (99)": "FOREIGN KEY", "INSERT INTO strict VALUES (1)": "rolled back by one of its statements"} {
		tries.Store(0)
		if out := finish(t, w, sql); !strings.Contains(out, with) {
			t.Fatal(out)
		}
		equal(t, tries.Load(), int32(1))
	}
}

func TestAFunctionOfATransactionThatDoesNotEndHoldsNobodyUp(t *testing.T) {
	app := openApp(t)
	_, err := app.Query("CREATE TABLE x(y)")
	must(t, err)
	var late sync.WaitGroup
	late.Add(2)
	failed := make(chan none, 2)
	all := map[string]func(ctx context.Context) error{
		"asleep": func(context.Context) error { <-failed; return nil },
		"waits for the app in another goroutine": func(context.Context) (err error) {
			done := make(chan error)
			go func() { _, err := app.Query("SELECT 1"); done <- err }()
			return <-done
		},
	}
	for name, does := range all {
		Workflow(app, name, func(ctx context.Context, _ none) (int, error) {
			return Transaction(ctx, "t", func(tx *Tx) (int, error) {
				defer late.Done()
				if err := tx.Exec("INSERT INTO x VALUES (1)"); err != nil {
					return 0, err
				}
				err := does(ctx)
				if again := tx.Exec("INSERT INTO x VALUES (2)"); again == nil || !strings.Contains(again.Error(), "ended") {
					t.Error(again)
				}
				if _, again := Step(ctx, "s", returns(1)); again == nil {
					t.Error("a step was done")
				}
				return 1, err
			})
		})
	}
	work(t, app)
	for name := range all {
		fails(t, Ref[none, int](app, name), none{}, "took longer than 1s")
	}
	failed <- none{}
	late.Wait()
	rows, err := app.Query("SELECT * FROM x")
	must(t, err)
	equal(t, len(rows), 0)
}

func TestAPanicInATransactionIsItsFailure(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int, error) {
		return Transaction(ctx, "t", func(*Tx) (int, error) { panic("oh") })
	})
	work(t, app)
	fails(t, w, none{}, `step "t" failed: panic: oh`)
}
