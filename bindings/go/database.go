package wfext

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"
)

const (
	groupCalls = 100
	groupTime  = 5 * time.Millisecond
)

// connection is one of the driver's, with the extension loaded and the settings made, for one goroutine at a time.
type connection struct {
	*sqlite3.SQLiteConn
	statements map[string]driver.Stmt
}

func (s settings) open() (*connection, error) {
	opened, err := (&sqlite3.SQLiteDriver{}).Open(s.path)
	if err != nil {
		return nil, err
	}
	c := &connection{opened.(*sqlite3.SQLiteConn), map[string]driver.Stmt{}}
	setUp := func() error {
		if _, err := c.value("SELECT wf_version()"); err != nil { // else it is linked into this program
			library, err := LoadablePath()
			if err != nil {
				return err
			}
			if err := c.LoadExtension(library, "sqlite3_wfext_init"); err != nil {
				return err
			}
		}
		for _, sql := range []string{fmt.Sprintf("SELECT wf_busy_timeout(%g)", s.busyTimeout.Seconds()), "PRAGMA journal_mode = " + s.journal, "PRAGMA synchronous = " + s.synchronous} {
			if _, err := c.rows(sql); err != nil {
				return err
			}
		}
		return nil
	}
	if err := setUp(); err != nil {
		_ = c.Close()
		return nil, translate(err)
	}
	return c, nil
}

func (c *connection) rows(sql string, args ...any) ([][]any, error) {
	statement := c.statements[sql]
	if statement == nil {
		made, err := c.Prepare(sql)
		if err != nil {
			return nil, err
		}
		if len(c.statements) >= 200 {
			for _, old := range c.statements {
				_ = old.Close()
			}
			clear(c.statements)
		}
		statement = made
		c.statements[sql] = made
	}
	values := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, err
		}
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	found, err := statement.(driver.StmtQueryContext).QueryContext(context.Background(), values)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	out := [][]any{}
	row := make([]driver.Value, len(found.Columns()))
	for {
		if err := found.Next(row); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		copied := make([]any, len(row))
		for i, value := range row {
			if bytes, ok := value.([]byte); ok {
				value = append([]byte(nil), bytes...)
			}
			copied[i] = value
		}
		out = append(out, copied)
	}
}

func (c *connection) value(sql string, args ...any) (any, error) {
	rows, err := c.rows(sql, args...)
	if err != nil || len(rows) == 0 || len(rows[0]) == 0 {
		return nil, err
	}
	return rows[0][0], nil
}

// commit tries again where readers are in the way (without WAL): COMMIT leaves the transaction open then.
func (c *connection) commit(timeout time.Duration) error {
	for until := time.Now().Add(timeout); ; time.Sleep(time.Millisecond) {
		_, err := c.rows("COMMIT")
		if err == nil || c.AutoCommit() || !strings.Contains(err.Error(), "locked") || time.Now().After(until) {
			return err
		}
	}
}

func (c *connection) rollBack() {
	if !c.AutoCommit() {
		_, _ = c.rows("ROLLBACK")
	}
}

func (c *connection) close() {
	for _, statement := range c.statements {
		_ = statement.Close()
	}
	_ = c.Close()
}

type settings struct {
	path, journal, synchronous string
	busyTimeout                time.Duration
}

type answer struct {
	value any
	err   error
}

// call is something to be done on the connection: a call of the engine, which may be in a group with others and may be repeated, or code that runs alone.
type call struct {
	sql   string
	args  []any
	alone func(*connection) (any, error)
	done  chan answer
}

// database is the goroutine that owns a connection and commits in groups. What has queued up while a commit was under way runs in the next one: one BEGIN IMMEDIATE, each call in a savepoint of its own, one
// COMMIT, and only then the answers.
type database struct {
	settings settings
	calls    chan *call
	closing  chan struct{}
	closed   chan struct{}
	once     sync.Once
	ending   sync.Once
	working  atomic.Value // the goroutine, while it runs code that is not its own; else ""
}

func newDatabase(s settings) *database {
	return &database{settings: s, calls: make(chan *call, groupCalls), closing: make(chan struct{}), closed: make(chan struct{})}
}

var errClosed = errors.New("wfext: the app is closed")

func (d *database) do(c *call) (any, error) {
	if here, _ := d.working.Load().(string); here != "" && here == goroutine() {
		return nil, errors.New("wfext: a transaction cannot call the app: it would wait for itself")
	}
	d.once.Do(func() { go d.run() })
	c.done = make(chan answer, 1)
	select {
	case <-d.closing:
		return nil, errClosed
	default:
	}
	select {
	case d.calls <- c:
	case <-d.closing:
		return nil, errClosed
	}
	select {
	case a := <-c.done:
		return a.value, a.err
	case <-d.closed:
		select {
		case a := <-c.done:
			return a.value, a.err
		default:
			return nil, errClosed
		}
	}
}

// call is a function of the engine, by its name: its value, once it is committed.
func (d *database) call(name string, args ...any) (any, error) {
	return d.do(&call{sql: "SELECT " + name + "(" + strings.TrimSuffix(strings.Repeat("?,", len(args)), ",") + ")", args: args})
}

func (d *database) text(name string, args ...any) (string, error) {
	value, err := d.call(name, args...)
	return asText(value), err
}

func (d *database) rows(sql string, args ...any) ([][]any, error) {
	found, err := d.do(&call{alone: func(c *connection) (any, error) { return c.rows(sql, args...) }})
	if err != nil {
		return nil, err
	}
	return found.([][]any), nil
}

// transaction runs work between BEGIN IMMEDIATE and COMMIT; all of it or, with its error, nothing.
func (d *database) transaction(work func(*Tx) error) error {
	_, err := d.do(&call{alone: func(c *connection) (any, error) {
		if _, err := c.rows("BEGIN IMMEDIATE"); err != nil {
			return nil, err
		}
		tx := &Tx{c}
		defer func() { tx.c = nil }()
		if err := work(tx); err != nil {
			return nil, err
		}
		if c.AutoCommit() {
			return nil, errors.New("wfext: the transaction was rolled back by one of its statements")
		}
		return nil, c.commit(d.settings.busyTimeout)
	}})
	return err
}

func (d *database) close() {
	d.once.Do(func() { go d.run() })
	d.ending.Do(func() { close(d.closing) })
	<-d.closed
}

func (d *database) run() {
	defer close(d.closed)
	var c *connection
	var next *call
	for {
		first := next
		next = nil
		if first == nil {
			select {
			case first = <-d.calls:
			default:
				select {
				case first = <-d.calls:
				case <-d.closing:
					if c != nil {
						c.close()
					}
					return
				}
			}
		}
		if c == nil {
			var err error
			if c, err = d.settings.open(); err != nil {
				c = nil
				first.done <- answer{err: err}
				continue
			}
		}
		if first.alone != nil {
			d.working.Store(goroutine())
			a := alone(c, first)
			d.working.Store("")
			first.done <- a
			continue
		}
		next = d.group(c, first)
	}
}

func alone(c *connection, one *call) (a answer) {
	defer func() {
		if broken := recover(); broken != nil {
			a = answer{err: fmt.Errorf("wfext: panic: %v", broken)}
		}
		if a.err != nil {
			c.rollBack()
			a.err = translate(a.err)
		}
	}()
	if one.alone != nil {
		a.value, a.err = one.alone(c)
	} else {
		a.value, a.err = c.value(one.sql, one.args...)
	}
	return a
}

// group runs calls from first on in one transaction, as long as more are there. It returns what comes behind them and does not belong there.
func (d *database) group(c *connection, first *call) *call {
	take := func() *call {
		select {
		case one := <-d.calls:
			return one
		default:
			return nil
		}
	}
	following := take()
	if following == nil || following.alone != nil {
		first.done <- alone(c, first)
		return following
	}
	group := []*call{first, following}
	following = nil
	answers := []answer{}
	until := time.Now().Add(groupTime)
	err := func() error {
		if _, err := c.rows("BEGIN IMMEDIATE"); err != nil {
			return err
		}
		for at := 0; at < len(group); at++ {
			a, gone := inSavepoint(c, group[at])
			if gone {
				return errors.New("the transaction is gone")
			}
			answers = append(answers, a)
			if at == len(group)-1 && len(group) < groupCalls && time.Now().Before(until) {
				if following = take(); following != nil && following.alone == nil {
					group = append(group, following)
					following = nil
				}
			}
		}
		return c.commit(d.settings.busyTimeout)
	}()
	if err != nil {
		// Nothing of it stands. Each may be repeated, and by itself it answers for itself.
		c.rollBack()
		answers = answers[:0]
		for _, one := range group {
			answers = append(answers, alone(c, one))
		}
	}
	for i, one := range group {
		one.done <- answers[i]
	}
	return following
}

// gone: SQLite has ended the whole transaction (a full disk, an I/O error, a trigger's ROLLBACK).
func inSavepoint(c *connection, one *call) (a answer, gone bool) {
	if _, err := c.rows("SAVEPOINT wfext_call"); err != nil {
		return answer{}, true
	}
	a.value, a.err = c.value(one.sql, one.args...)
	if c.AutoCommit() {
		return answer{}, true
	}
	if a.err != nil {
		a.err = translate(a.err)
		if _, err := c.rows("ROLLBACK TO wfext_call"); err != nil {
			return answer{}, true
		}
	}
	if _, err := c.rows("RELEASE wfext_call"); err != nil {
		return answer{}, true
	}
	return a, false
}

// Tx is the transaction of a step: its statements and the step's record commit together. Only for the function that it is given to.
type Tx struct{ c *connection }

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
	if tx.c.AutoCommit() {
		return nil, errors.New("wfext: the transaction was rolled back by one of its statements")
	}
	return tx.c.rows(sql, args...)
}

var firstWord = regexp.MustCompile(`^(?s:\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)`)

// Exec runs a statement whose rows, if any, do not matter.
func (tx *Tx) Exec(sql string, args ...any) error {
	_, err := tx.Query(sql, args...)
	return err
}

func asText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}
