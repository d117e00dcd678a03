package wfext

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wfext/wfext/bindings/go/internal/goid"
)

// A group has at most groupCalls calls and takes no new one after groupTime, so that those who wait are answered soon. Where several came together the last time, as many are waited for, for at most
// gatherTime, and as many more as came meanwhile: they were answered together, and so they are about to call again.
const (
	groupCalls = 100
	groupTime  = 5 * time.Millisecond
	gatherTime = 500 * time.Microsecond
)

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

// database is a connection, and the goroutine that commits in groups on it. A call that finds nothing under way and nothing queued is made by the goroutine that wants it: it costs no change of goroutines. What has queued up while a commit was under way runs in the next one: one BEGIN IMMEDIATE, each call in a savepoint of its own, one
// COMMIT, and only then the answers.
type database struct {
	settings settings
	calls    chan *call
	closing  chan struct{}
	closed   chan struct{}
	once     sync.Once
	ending   sync.Once
	owner    sync.Mutex   // who has it uses the connection
	c        *connection  // nil until it is wanted
	together atomic.Int32 // calls that may be expected to come together
	queued   atomic.Int32 // calls that the goroutine has not answered
	inside   sync.Map     // the goroutines of functions of transactions
	insides  atomic.Int32 // how many
}

func newDatabase(s settings) *database {
	return &database{settings: s, calls: make(chan *call, groupCalls), closing: make(chan struct{}), closed: make(chan struct{})}
}

var errClosed = errors.New("wfext: the app is closed")

// isInside says whether the caller is the function of a transaction.
func (d *database) isInside() bool {
	if d.insides.Load() == 0 {
		return false
	}
	_, inside := d.inside.Load(goid.ID())
	return inside
}

func (d *database) do(c *call) (any, error) {
	if d.isInside() {
		return nil, misuse("wfext: a transaction cannot call the app: it would wait for itself")
	}
	if d.leads() {
		defer d.owner.Unlock()
		if err := d.connect(); err != nil {
			return nil, err
		}
		a := alone(d.c, c)
		return a.value, a.err
	}
	d.once.Do(func() { go d.run() })
	c.done = make(chan answer, 1)
	d.queued.Add(1)
	defer d.queued.Add(-1)
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
	return d.do(&call{sql: callOf(name, args), args: args})
}

func callOf(name string, args []any) string {
	return "SELECT " + name + "(" + strings.TrimSuffix(strings.Repeat("?,", len(args)), ",") + ")"
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

func (d *database) close() {
	d.once.Do(func() { go d.run() })
	d.ending.Do(func() { close(d.closing) })
	<-d.closed
}

// leads says whether nothing is under way and nothing queued: then the connection is the caller's, until it unlocks the owner.
func (d *database) leads() bool {
	if d.queued.Load() > 0 || d.together.Load() > 1 || !d.owner.TryLock() {
		return false
	}
	select {
	case <-d.closing:
		d.owner.Unlock()
		return false
	default:
		return true
	}
}

// connect is called by the owner.
func (d *database) connect() (err error) {
	if d.c == nil {
		d.c, err = d.settings.open()
	}
	return err
}

func (d *database) run() {
	defer close(d.closed)
	for {
		select {
		case first := <-d.calls:
			d.serve(first)
			continue
		default:
		}
		select {
		case first := <-d.calls:
			d.serve(first)
		case <-d.closing:
			d.owner.Lock()
			defer d.owner.Unlock()
			if d.c != nil {
				d.c.close()
				d.c = nil
			}
			return
		}
	}
}

// serve answers a call, and what comes behind it meanwhile.
func (d *database) serve(next *call) {
	d.owner.Lock()
	defer d.owner.Unlock()
	for next != nil {
		first := next
		next = nil
		if err := d.connect(); err != nil {
			first.done <- answer{err: err}
		} else if first.alone != nil {
			first.done <- alone(d.c, first)
		} else {
			next = d.group(d.c, first)
		}
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

// take is the next call, if one comes within so long.
func (d *database) take(wait time.Duration) *call {
	select {
	case one := <-d.calls:
		return one
	default:
	}
	if wait <= 0 {
		return nil
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case one := <-d.calls:
		return one
	case <-late.C:
		return nil
	}
}

// gather are calls that are one group, and what comes behind them and does not belong there.
func (d *database) gather(first *call) (group []*call, following *call) {
	group = []*call{first}
	until := time.Now().Add(gatherTime)
	for len(group) < groupCalls {
		wait := time.Duration(0)
		if len(group) < int(d.together.Load()) {
			wait = time.Until(until)
		}
		following = d.take(wait)
		if following == nil || following.alone != nil {
			return group, following
		}
		group = append(group, following)
	}
	return group, nil
}

// group runs calls from first on in one transaction, as long as more are there. It returns what comes behind them and does not belong there.
func (d *database) group(c *connection, first *call) *call {
	group, following := d.gather(first)
	if len(group) == 1 {
		a := alone(c, first)
		d.expect(1, following)
		first.done <- a
		return following
	}
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
			if at == len(group)-1 && following == nil && len(group) < groupCalls && time.Now().Before(until) {
				if following = d.take(0); following != nil && following.alone == nil {
					group, following = append(group, following), nil
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
	d.expect(len(group), following)
	for i, one := range group {
		one.done <- answers[i]
	}
	return following
}

// expect is said before so many are answered: they are about to call again, beside those that have come meanwhile. Else the two would go on in turns, each in a group of half the size.
func (d *database) expect(answered int, following *call) {
	waiting := len(d.calls)
	if following != nil {
		waiting++
	}
	d.together.Store(int32(min(answered+waiting, groupCalls)))
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
