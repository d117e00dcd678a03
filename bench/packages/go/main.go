// Command go is the Go package beside the same calls by hand. What is measured stands in run.py: go MEASURE FILE SETTINGS
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	wfext "github.com/wfext/wfext/bindings/go"
)

type settings struct{ Steps, Rounds, Workflows, Slots, Seconds int }

type answer map[string]any

var (
	quiet = wfext.Logger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	path  = os.Args[2]
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

func micros(d time.Duration, n int) float64 { return float64(d.Nanoseconds()) / float64(n) / 1000 }

// hand is a connection as one opens it without the package; its statements are kept.
type hand struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

func byHand(app *wfext.App) *hand {
	return &hand{must(app.DB().Conn(context.Background())), map[string]*sql.Stmt{}}
}

func (h *hand) call(query string, args ...any) string {
	statement := h.statements[query]
	if statement == nil {
		statement = must(h.conn.PrepareContext(context.Background(), query))
		h.statements[query] = statement
	}
	var out sql.NullString
	if err := statement.QueryRow(args...).Scan(&out); err != nil {
		log.Fatal(err)
	}
	return out.String
}

type payment struct {
	Ref string `json:"ref"`
}

// step: microseconds of a step in a workflow, and of the bare call that records one; turn by turn in one file.
func step(s settings) answer {
	app := must(wfext.Open(path, wfext.Synchronous("normal")))
	var took, bare []time.Duration
	job := wfext.Workflow(app, "job", func(ctx context.Context, count int) (int, error) {
		begin := time.Now()
		for range count {
			if _, err := wfext.Step(ctx, "charge", func(context.Context) (payment, error) { return payment{"r9"}, nil }); err != nil {
				return 0, err
			}
		}
		took = append(took, time.Since(begin))
		return count, nil
	})
	db := byHand(app)
	worker := must(app.Start(wfext.Lease(10*time.Minute), quiet))
	for range s.Rounds {
		must(must(job.Start(context.Background(), s.Steps)).Result(context.Background()))
		db.call(`SELECT wf_start('bare', NULL, '{"queue": "bare"}')`)
		var claim struct{ Token string }
		must(0, json.Unmarshal([]byte(db.call(`SELECT wf_claim('bare', 'me', '{"lease": 600}')`)), &claim))
		begin := time.Now()
		for n := range s.Steps {
			text := must(json.Marshal(payment{"r9"}))
			var out payment
			must(0, json.Unmarshal([]byte(db.call("SELECT wf_step(?, ?, ?)", claim.Token, "charge#"+strconv.Itoa(n), string(text))), &out))
		}
		bare = append(bare, time.Since(begin))
		db.call("SELECT wf_complete(?)", claim.Token)
	}
	worker.Stop()
	return answer{"us": micros(median(took), s.Steps), "raw_us": micros(median(bare), s.Steps)}
}

// slots: of workflows of two steps, the time of each with the package's worker, and with as many goroutines that claim and record by a connection each.
func slots(s settings) answer {
	app := must(wfext.Open(path, wfext.Synchronous("full")))
	job := wfext.Workflow(app, "job", func(ctx context.Context, n int) (sum int, err error) {
		for range 2 {
			m, err := wfext.Step(ctx, "charge", func(context.Context) (int, error) { return n, nil })
			if err != nil {
				return 0, err
			}
			sum += m
		}
		return sum, nil
	})
	pack := func() time.Duration {
		handles := []*wfext.Handle[int]{}
		for n := range s.Workflows {
			handles = append(handles, must(job.Start(context.Background(), n)))
		}
		begin := time.Now()
		worker := must(app.Start(wfext.Concurrency(s.Slots), quiet))
		for _, h := range handles {
			must(h.Result(context.Background()))
		}
		took := time.Since(begin)
		worker.Stop()
		return took
	}
	work := func(db *hand) {
		for {
			given := db.call(`SELECT wf_claim('hand', NULL, '{"steps": true}')`)
			if given == "" {
				return
			}
			var claim struct {
				Token string
				Input int
			}
			must(0, json.Unmarshal([]byte(given), &claim))
			for _, name := range []string{"charge", "charge#2"} {
				db.call("SELECT wf_step(?, ?, ?)", claim.Token, name, strconv.Itoa(claim.Input))
			}
			db.call("SELECT wf_complete(?, ?)", claim.Token, strconv.Itoa(2*claim.Input))
		}
	}
	byHands := func() time.Duration {
		filling := byHand(app)
		must(filling.conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"))
		for n := range s.Workflows {
			filling.call("SELECT wf_start('hand', ?, ?)", strconv.Itoa(n), `{"queue":"hand"}`)
		}
		must(filling.conn.ExecContext(context.Background(), "COMMIT"))
		hands := []*hand{}
		for range s.Slots {
			hands = append(hands, byHand(app))
		}
		begin := time.Now()
		var all sync.WaitGroup
		for _, db := range hands {
			all.Add(1)
			go func() { defer all.Done(); work(db) }()
		}
		all.Wait()
		return time.Since(begin)
	}
	var ours, theirs []time.Duration
	begun := time.Now()
	for round := range s.Rounds {
		if round > 0 && time.Since(begun) > time.Duration(s.Seconds)*time.Second {
			break
		}
		if round%2 == 0 {
			ours = append(ours, pack())
			theirs = append(theirs, byHands())
		} else {
			theirs = append(theirs, byHands())
			ours = append(ours, pack())
		}
	}
	us, raw := micros(median(ours), s.Workflows), micros(median(theirs), s.Workflows)
	return answer{"us": us, "raw_us": raw, "note": fmt.Sprintf("%.0f a second, by hand %.0f", 1e6/us, 1e6/raw)}
}

func resident() float64 {
	fields := strings.Fields(string(must(os.ReadFile("/proc/self/statm"))))
	return float64(must(strconv.Atoi(fields[1]))*os.Getpagesize()) / 1024
}

// memory: what the process holds more of, once they wait.
func memory(s settings) answer {
	app := must(wfext.Open(path, wfext.Synchronous("normal")))
	patient := wfext.Workflow(app, "patient", func(ctx context.Context, n int) (int, error) {
		if _, err := wfext.Step(ctx, "ask", func(context.Context) (int, error) { return n, nil }); err != nil {
			return 0, err
		}
		return wfext.WaitSignal[int](ctx, "go", wfext.Timeout(7*24*time.Hour))
	})
	suspend := func(count int) {
		for n := range count {
			must(patient.Start(context.Background(), n))
		}
		for len(must(app.Query("SELECT 1 FROM wf_workflows WHERE status IN ('pending', 'running') LIMIT 1"))) > 0 {
			time.Sleep(50 * time.Millisecond)
		}
	}
	worker := must(app.Start(quiet))
	suspend(20)
	before := resident()
	suspend(s.Workflows)
	after := resident()
	worker.Stop()
	return answer{"value": max(after-before, 0), "note": fmt.Sprintf("%.0f MiB before; a row each, no goroutine", before/1024)}
}

func main() {
	var s settings
	must(0, json.Unmarshal([]byte(os.Args[3]), &s))
	measures := map[string]func(settings) answer{"step": step, "slots": slots, "loop": slots, "memory": memory}
	measure := measures[os.Args[1]]
	if measure == nil {
		measure = func(settings) answer {
			return answer{"skip": map[string]string{"delay": "Go has no event loop", "agent": "measured in Python"}[os.Args[1]]}
		}
	}
	fmt.Println(string(must(json.Marshal(measure(s)))))
}
