package wfext

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const sqlTime = "2006-01-02 15:04:05.000"

const year = 365 * 24 * time.Hour

// A Harness is for tests: it runs an app's workflows one after the other, on a clock of the file's own that stands still until it is moved. Nothing works by itself.
//
//	app, _ := wfext.Open(filepath.Join(t.TempDir(), "test.db"))
//	harness, err := wfext.NewHarness(app)        // on a new file: the clock is switched on while it has no workflow
//	handle, err := reminder.Start(ctx, "tea")
//	err = harness.Advance(7 * 24 * time.Hour)    // milliseconds
//	out, err := handle.Result(ctx)
type Harness struct {
	app    *App
	now    time.Time
	queues string
	claim  string
}

// NewHarness begins on 2026-01-01.
func NewHarness(app *App) (*Harness, error) {
	h := &Harness{app: app}
	if err := h.set(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		return nil, err
	}
	served, err := app.apply(slog.Default())
	if err != nil {
		return nil, err
	}
	names := []string{}
	for name := range app.workflows {
		names = append(names, name)
	}
	h.queues, _ = marshal(served, "queues")
	h.claim, _ = marshal(map[string]any{"names": names, "lease": year.Seconds()}, "options")
	return h, app.enter()
}

// Now is the time of the file.
func (h *Harness) Now() time.Time { return h.now }

func (h *Harness) set(now time.Time) error {
	h.now = now
	_, err := h.app.database.call("wf_config", "test_clock", now.Format(timeFormat))
	return err
}

// Run runs until nothing is due.
func (h *Harness) Run() error {
	for {
		text, err := h.app.database.text("wf_claim", h.queues, "test", h.claim)
		if err != nil || text == "" {
			return err
		}
		c, err := decode[claim](text)
		if err != nil {
			return err
		}
		records, err := h.app.readSteps(c.ID)
		if err != nil {
			return err
		}
		newAttempt(h.app, h.app.workflows[c.Name], c, records, surroundings{year, 0, slog.Default()}).finish() // the clock stands still meanwhile
	}
}

// Advance moves the clock, and stops on the way wherever something becomes due, to run it.
func (h *Harness) Advance(d time.Duration) error {
	end := h.now.Add(d)
	for moved := true; moved; {
		if err := h.Run(); err != nil {
			return err
		}
		var err error
		if moved, err = h.toNext(end); err != nil {
			return err
		}
	}
	if h.now.Before(end) {
		if err := h.set(end); err != nil {
			return err
		}
	}
	return h.Run()
}

// toNext moves the clock to what is due next, unless that is after the end.
func (h *Harness) toNext(end time.Time) (bool, error) {
	sql := "SELECT min(due_at) || '' FROM (SELECT due_at FROM wf_pending UNION ALL SELECT next_at FROM wf_schedules) WHERE due_at > ?" // what is due already, nobody here runs
	rows, err := h.app.database.rows(sql, h.now.Format(sqlTime))
	if err != nil || rows[0][0] == nil {
		return false, err
	}
	due, err := time.Parse(sqlTime, asText(rows[0][0]))
	if err != nil || due.After(end) {
		return false, err
	}
	if err := h.set(due); err != nil {
		return false, err
	}
	_, err = h.app.database.call("wf_tick")
	return true, err
}

// Until moves the clock until the workflow has ended, at most a year.
func Until[Out any](h *Harness, handle *Handle[Out]) (Out, error) {
	var none Out
	for end := h.now.Add(year); ; {
		if err := h.Run(); err != nil {
			return none, err
		}
		status, err := handle.Status()
		if err != nil {
			return none, err
		}
		if isEnded(status) {
			return handle.Result(context.Background())
		}
		moved, err := h.toNext(end)
		if err != nil {
			return none, err
		}
		if !moved {
			return none, fmt.Errorf("wfext: the workflow %s is %s, and nothing is due that would change it", handle.id, status)
		}
	}
}

// Close ends what the Lifespan has given, and closes the app.
func (h *Harness) Close() {
	h.app.left()
	h.app.Close()
}
