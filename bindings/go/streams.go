package wfext

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// appended is a stream that an attempt appends to.
type appended struct {
	mu       sync.Mutex
	first    *int64 // where the items of this period begin; nil: not known yet
	next     int64  // the number of the next item of the attempt's own code in this period
	recorded int64  // items that are records of their own
}

// Append appends to a stream of the workflow; a replay does not repeat it. Inside of a step, which no replay runs again, it is appended at the end.
func Append(ctx context.Context, stream string, value any) error {
	text, err := marshal(value, "an item of "+stream)
	if err != nil {
		return err
	}
	if run := stepOf(ctx); run != nil {
		_, err := run.attempt.call("wf_append", stream, text)
		return err
	}
	s, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	s.attempt.mu.Lock()
	beside := s.isBranch || s.unjoined > 0
	s.attempt.mu.Unlock()
	if beside {
		return s.appendBeside(stream, text)
	}
	return now(ctx, func(a *attempt) error {
		offset, err := a.offset(stream)
		if err == nil {
			_, err = a.call("wf_append", stream, text, fmt.Sprintf(`{"offset":%d}`, offset))
		}
		return err
	})
}

// offset is that of the next item of code that nothing runs beside: it is counted. The offsets of a stream go on over the periods of a workflow: where this one has begun is recorded.
func (a *attempt) offset(stream string) (int64, error) {
	s, err := a.stream(stream)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return *s.first + s.recorded + s.next - 1, nil
}

// stream is one whose beginning is known.
func (a *attempt) stream(name string) (*appended, error) {
	a.mu.Lock()
	s := a.streams[name]
	if s == nil {
		s = &appended{}
		a.streams[name] = s
	}
	a.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		first, err := a.firstOffset(name)
		if err != nil {
			return nil, err
		}
		s.first = &first
	}
	return s, nil
}

func (a *attempt) firstOffset(stream string) (int64, error) {
	step := "stream " + stream
	a.uses(step)
	rows, err := a.app.database.rows("SELECT period FROM wf_workflows WHERE id = ?", a.claim.ID)
	if err != nil || len(rows) == 0 || rows[0][0] == int64(1) {
		return 0, err // also in a fork, which has the records of another, and no items
	}
	r, done, err := a.recorded(step, "step")
	if err != nil {
		return 0, err
	}
	if done {
		return strconv.ParseInt(string(r.Output), 10, 64)
	}
	end, err := a.call("wf_append", stream, "[]", `{"each":true}`)
	if err != nil {
		return 0, err
	}
	stands, err := a.record("wf_step", nil, step, end)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(stands, 10, 64)
}

// appendBeside appends at the end, in one commit with a record of its own, "append <stream>": which of several branches comes first is not the same in each replay, and so it cannot be counted.
func (s *scope) appendBeside(stream, text string) error {
	a := s.attempt
	step, err := s.takeBeside("append "+stream, false)
	if err != nil {
		return err
	}
	r, done, err := a.recorded(step, "step")
	if err != nil || a.isReadBack() && done {
		return err
	}
	if err := a.begin(); err != nil {
		return err
	}
	items, err := a.stream(stream)
	if err != nil {
		return err
	}
	if done {
		err = a.appendAgain(stream, text, string(r.Output))
	} else {
		err = a.appendAndRecord(stream, text, step)
	}
	if err == nil {
		items.mu.Lock()
		items.recorded++
		items.mu.Unlock()
	}
	return err
}

func (a *attempt) appendAndRecord(stream, text, step string) error {
	_, err := a.again(func() (string, error) {
		return "", a.app.database.transaction(func(tx *Tx) error {
			offset, err := tx.c.value("SELECT wf_append(?, ?, ?)", a.claim.Token, stream, text)
			if err == nil {
				_, err = tx.c.value("SELECT wf_step(?, ?, ?, ?)", a.claim.Token, step, asText(offset), a.options("wf_step", nil))
			}
			return err
		})
	})
	if err == nil {
		a.stands()
	}
	return err
}

// appendAgain changes nothing, but in a fork, which has the records and not the items: there what stood before it comes back from the other branches.
func (a *attempt) appendAgain(stream, text, offset string) error {
	for until := time.Now().Add(a.lease); ; time.Sleep(time.Millisecond) {
		_, err := a.call("wf_append", stream, text, fmt.Sprintf(`{"offset":%s}`, offset))
		if codeIn(err) != "WF_INVALID" || a.isOver() != nil || time.Now().After(until) {
			return err
		}
	}
}
