package wfext

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/wfext/wfext/bindings/go/internal/goid"
)

const transactionLimit = time.Second

// transaction runs work between BEGIN IMMEDIATE and COMMIT; all of it or, with its error, nothing. Nobody else writes meanwhile.
func (d *database) transaction(work func(*Tx) error) error {
	_, err := d.do(&call{alone: func(c *connection) (any, error) {
		if _, err := c.rows("BEGIN IMMEDIATE"); err != nil {
			return nil, err
		}
		tx := &Tx{d: d, c: c, until: time.Now().Add(transactionLimit), statements: make(chan statement), over: make(chan struct{})}
		err := work(tx)
		switch {
		case tx.broken != nil && (err != nil || c.AutoCommit()):
			return nil, tx.broken
		case err != nil:
			return nil, err
		case c.AutoCommit():
			return nil, &ofTheFunction{errRolledBack}
		}
		err = c.commit(d.settings.busyTimeout)
		if failed := (sqlite3.Error{}); errors.As(err, &failed) && failed.Code == sqlite3.ErrConstraint {
			return nil, &ofTheFunction{err} // a deferred one, of the application's rows
		}
		return nil, err
	}})
	return err
}

// Tx is the transaction of a step: its statements and the step's record commit together. Only for the function that it is given to.
type Tx struct {
	d          *database
	c          *connection // for the goroutine of the database alone
	until      time.Time
	statements chan statement
	over       chan struct{}
	broken     error // a failure of the machine's that one of its statements has met
}

type statement struct {
	sql  string
	args []any
	done chan answer
}

// run runs the function in a goroutine of its own, and its statements here, until it ends or its time is over: then its rows are rolled back, and whatever it still does is refused.
func (tx *Tx) run(work func(*Tx) (any, error)) (any, error) {
	defer close(tx.over)
	ended := make(chan answer, 1)
	tx.d.insides.Add(1)
	go func() {
		here := goid.ID()
		tx.d.inside.Store(here, true)
		defer tx.d.insides.Add(-1)
		defer tx.d.inside.Delete(here)
		value, err := protect(func() (any, error) { return work(tx) })
		ended <- answer{value, err}
	}()
	late := time.NewTimer(time.Until(tx.until))
	defer late.Stop()
	for {
		select {
		case one := <-tx.statements:
			rows, err := tx.do(one)
			one.done <- answer{rows, err}
		case a := <-ended:
			return a.value, a.err
		case <-late.C:
			return nil, errLate
		}
	}
}

var errLate = fmt.Errorf("wfext: a transaction took longer than %v: nobody else can write meanwhile", transactionLimit)

var errRolledBack = errors.New("wfext: the transaction was rolled back by one of its statements")

// Query returns the rows of a statement.
func (tx *Tx) Query(sql string, args ...any) ([][]any, error) {
	word := ""
	if found := firstWord.FindStringSubmatch(sql); found != nil {
		word = strings.ToUpper(found[1])
	}
	switch word {
	case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE":
		return nil, fmt.Errorf("wfext: %s in a transaction of a step: it is begun and ended around the function", word)
	}
	one := statement{sql, args, make(chan answer, 1)}
	select {
	case <-tx.over:
		return nil, errors.New("wfext: this transaction has ended")
	case tx.statements <- one:
	}
	a := <-one.done
	rows, _ := a.value.([][]any)
	return rows, a.err
}

// do does a statement, until the time is over.
func (tx *Tx) do(one statement) ([][]any, error) {
	if tx.isLate() {
		return nil, errLate
	}
	if tx.c.AutoCommit() {
		return nil, errRolledBack
	}
	ctx, stop := context.WithDeadline(context.Background(), tx.until)
	defer stop()
	rows, err := tx.c.rowsWithin(ctx, one.sql, one.args...)
	if err != nil {
		if tx.isLate() {
			return nil, errLate
		}
		if isBroken(err) {
			tx.broken = err
		}
	}
	return rows, err
}

var firstWord = regexp.MustCompile(`^(?s:\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)`)

// Exec runs a statement whose rows, if any, do not matter.
func (tx *Tx) Exec(sql string, args ...any) error {
	_, err := tx.Query(sql, args...)
	return err
}

func (tx *Tx) isLate() bool { return time.Now().After(tx.until) }
