package wfext

import (
	"context"
	"strconv"
	"time"
)

// Append appends to a stream of the workflow; a replay does not repeat it: that it was done is a record, "append <stream>", in one commit with the item. Inside of a step, which no replay runs again, it is
// appended at the end.
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
	if done {
		if there, err := a.hasItem(stream, string(r.Output)); err != nil || there {
			return err
		}
	}
	_, err = a.record("wf_append", map[string]any{"step": step}, stream, text)
	return err
}

// hasItem says whether the stream goes so far. A fork has the records of another workflow, and no items: there what stood before comes from the other branches, which are waited for.
func (a *attempt) hasItem(stream, recorded string) (bool, error) {
	offset, err := strconv.ParseInt(recorded, 10, 64)
	if err != nil {
		return false, err
	}
	for until, last := time.Now().Add(a.app.patience), int64(-1); ; time.Sleep(time.Millisecond) {
		a.mu.Lock()
		end, known := a.streams[stream]
		over := a.over
		a.mu.Unlock()
		if known && offset < end || over != nil {
			return true, over
		}
		rows, err := a.rows(`SELECT "offset" FROM wf_streams WHERE workflow_id = ? AND stream = ? ORDER BY "offset" DESC LIMIT 1`, a.claim.ID, stream)
		if err != nil {
			return false, err
		}
		end = 0
		if len(rows) > 0 {
			end = rows[0][0].(int64) + 1
		}
		a.mu.Lock()
		a.streams[stream] = end
		a.mu.Unlock()
		switch {
		case offset < end:
			return true, nil
		case offset == end || time.Now().After(until):
			return false, nil
		case end > last:
			until, last = time.Now().Add(a.app.patience), end
		}
	}
}
