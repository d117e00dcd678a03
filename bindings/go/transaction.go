package wfext

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

const transactionLimit = time.Second

// transaction runs work between BEGIN IMMEDIATE and COMMIT; all of it or, with its error, nothing. Nobody else writes meanwhile.
func (d *database) transaction(work func(*Tx) error) error {
	_, err := d.do(&call{alone: func(c *connection) (any, error) {
		if _, err := c.rows("BEGIN IMMEDIATE"); err != nil {
			return nil, err
		}
		tx := &Tx{c: c, until: time.Now().Add(transactionLimit)}
		defer func() { tx.c = nil }()
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
	c      *connection
	until  time.Time
	broken error // a failure of the machine's that one of its statements has met
}

var errRolledBack = errors.New("wfext: the transaction was rolled back by one of its statements")

// Query returns the rows of a statement.
func (tx *Tx) Query(sql string, args ...any) ([][]any, error) {
	if tx.c == nil {
		return nil, errors.New("wfext: this transaction has ended")
	}
	word := ""
	if found := firstWord.FindStringSubmatch(sql); found != nil {
		word = strings.ToUpper(found[1])
	}
	switch word {
	case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE":
		return nil, fmt.Errorf("wfext: %s in a transaction of a step: it is begun and ended around the function", word)
	}
	if err := tx.inTime(); err != nil {
		return nil, err
	}
	if tx.c.AutoCommit() {
		return nil, errRolledBack
	}
	ctx, stop := context.WithDeadline(context.Background(), tx.until)
	defer stop()
	rows, err := tx.c.rowsWithin(ctx, sql, args...)
	if err != nil {
		if late := tx.inTime(); late != nil {
			return nil, late
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

// inTime is an error once the transaction has taken too long.
func (tx *Tx) inTime() error {
	if time.Now().After(tx.until) {
		return fmt.Errorf("wfext: a transaction took longer than %v: nobody else can write meanwhile", transactionLimit)
	}
	return nil
}
