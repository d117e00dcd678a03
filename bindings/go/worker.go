package wfext

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	moreAtOnce  = 50 // workflows in one claim
	waitSeconds = 5.0
)

// A Worker claims workflows of an app and runs them, each in a goroutine.
type Worker struct {
	app         *App
	concurrency int
	lease       time.Duration
	grace       time.Duration
	given       string
	name        string
	queues      []string
	log         *slog.Logger

	hold     *nameHold
	wake     string
	mu       sync.Mutex
	attempts map[string]*attempt
	running  sync.WaitGroup
	threads  sync.WaitGroup
	stopping chan struct{}
	stopped  chan struct{}
	once     sync.Once
}

// WorkerOption is an option of Start and Run.
type WorkerOption func(*Worker)

// Concurrency is how many workflows run at once; default 8.
func Concurrency(n int) WorkerOption { return func(w *Worker) { w.concurrency = n } }

// Lease is the length of a claim; it is kept alive while the process lives. Default 30 s.
func Lease(d time.Duration) WorkerOption { return func(w *Worker) { w.lease = d } }

// Grace is how long code has to come to an end when the worker stops; default 10 s.
func Grace(d time.Duration) WorkerOption { return func(w *Worker) { w.grace = d } }

// WorkerName is the worker's name; default: the host's and the first number that no other process here has.
func WorkerName(name string) WorkerOption { return func(w *Worker) { w.given = name } }

// Queues are those that the worker serves; default: those of the app's workflows.
func Queues(names ...string) WorkerOption { return func(w *Worker) { w.queues = names } }

// Logger takes the worker's messages; default slog's.
func Logger(log *slog.Logger) WorkerOption { return func(w *Worker) { w.log = log } }

// Start starts a worker beside other code. Stop it.
func (app *App) Start(options ...WorkerOption) (*Worker, error) {
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	w := &Worker{app: app, concurrency: 8, lease: 30 * time.Second, grace: 10 * time.Second, log: slog.Default(), wake: "worker " + hex.EncodeToString(random),
		attempts: map[string]*attempt{}, stopping: make(chan struct{}), stopped: make(chan struct{})}
	for _, option := range options {
		option(w)
	}
	if w.concurrency < 1 || w.lease <= 0 {
		return nil, fmt.Errorf("wfext: concurrency is %d and lease %v: at least 1, and more than 0", w.concurrency, w.lease)
	}
	app.mu.Lock()
	declared := w.queues == nil
	for _, d := range app.workflows {
		if declared && !slices.Contains(w.queues, d.queue) {
			w.queues = append(w.queues, d.queue)
		}
	}
	queues := map[string]map[string]any{}
	for name, options := range app.queues {
		queues[name] = options
	}
	count := len(app.workflows)
	app.mu.Unlock()
	if count == 0 {
		return nil, errors.New("wfext: this app has no workflow: declare one with wfext.Workflow")
	}
	slices.Sort(w.queues)
	hold, err := holdName(app.database.settings.path, w.given)
	if err != nil {
		return nil, err
	}
	w.hold, w.name = hold, hold.name
	setUp := func() error {
		if hold.locked {
			recover, _ := marshal(map[string]any{"worker": w.name, "lost": true}, "options")
			if _, err := app.database.call("wf_recover", recover); err != nil {
				return err
			}
		}
		for name, options := range queues {
			text, err := marshal(options, "the options of the queue "+name)
			if err != nil {
				return err
			}
			if _, err := app.database.call("wf_queue", name, text); err != nil {
				return err
			}
		}
		return nil
	}
	if err := setUp(); err != nil {
		hold.release()
		return nil, err
	}
	w.threads.Add(2)
	go w.work()
	go w.heartbeats()
	return w, nil
}

// Run is the main of a service: works until the context ends, then stops.
func (app *App) Run(ctx context.Context, options ...WorkerOption) error {
	w, err := app.Start(options...)
	if err != nil {
		return err
	}
	<-ctx.Done()
	w.Stop()
	return nil
}

// Name is the worker's name.
func (w *Worker) Name() string { return w.name }

// Stop claims no more; the contexts of all attempts end, and what ends within the grace period is given back. What still runs then keeps its lease: given back, two would do it.
func (w *Worker) Stop() {
	w.once.Do(func() {
		close(w.stopping)
		w.mu.Lock()
		for _, a := range w.attempts {
			_ = a.ends(ErrNotOurs)
		}
		w.mu.Unlock()
		w.wakeUp()
		done := make(chan struct{})
		go func() { w.running.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(w.grace):
			w.log.Warn("wfext: workflows still run after the grace period and keep their leases")
		}
		close(w.stopped)
		w.threads.Wait()
		w.hold.release()
	})
}

func (w *Worker) isStopping() bool {
	select {
	case <-w.stopping:
		return true
	default:
		return false
	}
}

func (w *Worker) wakeUp() { _, _ = w.app.database.call("wf_wake", w.wake) }

func (w *Worker) names() []string {
	w.app.mu.Lock()
	defer w.app.mu.Unlock()
	out := make([]string, 0, len(w.app.workflows))
	for name := range w.app.workflows {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (w *Worker) work() {
	defer w.threads.Done()
	var c *connection
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	pause := 100 * time.Millisecond
	for !w.isStopping() {
		err := func() (err error) {
			if c == nil {
				if c, err = w.app.database.settings.open(); err != nil {
					c = nil
					return err
				}
			}
			if err = w.claim(); err != nil || w.isStopping() {
				return err
			}
			return w.wait(c)
		}()
		if err == nil {
			pause = 100 * time.Millisecond
			continue
		}
		if w.isStopping() {
			return
		}
		// A failure of the engine fails no workflow: the worker tries again.
		w.log.Error("wfext: the worker could not claim", "error", err)
		select {
		case <-time.After(pause):
		case <-w.stopping:
		}
		pause = min(5*time.Second, pause*2)
	}
}

func (w *Worker) free() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.concurrency - len(w.attempts)
}

func (w *Worker) claim() error {
	queues, _ := marshal(w.queues, "queues")
	for !w.isStopping() {
		free := min(w.free(), moreAtOnce)
		if free <= 0 {
			return nil
		}
		options, _ := marshal(map[string]any{"names": w.names(), "limit": free, "steps": true, "lease": w.lease.Seconds()}, "options")
		text, err := w.app.database.text("wf_claim", queues, w.name, options)
		if err != nil {
			return err
		}
		var claims []claim
		if text != "" {
			if err := unmarshal(text, &claims); err != nil {
				return err
			}
		}
		for _, c := range claims {
			w.begin(c)
		}
		if len(claims) < free {
			return nil
		}
	}
	return nil
}

func (w *Worker) wait(c *connection) error {
	wanted := []any{map[string]any{"wake": w.wake}}
	if w.free() > 0 {
		wanted = append(wanted, map[string]any{"queue": w.queues, "worker": w.name, "names": w.names()})
	}
	w.mu.Lock()
	tokens := make([]string, 0, len(w.attempts))
	for token := range w.attempts {
		tokens = append(tokens, token)
	}
	w.mu.Unlock()
	if len(tokens) > 0 {
		wanted = append(wanted, map[string]any{"tokens": tokens})
	}
	options, _ := marshal(map[string]any{"any": wanted}, "options")
	found, err := c.value("SELECT wf_wait(?, ?)", waitSeconds, options)
	if err != nil {
		return translate(err)
	}
	var came []struct{ Index int }
	if text := asText(found); strings.HasPrefix(text, "[") {
		if err := unmarshal(text, &came); err != nil {
			return err
		}
	}
	for _, one := range came {
		if len(tokens) > 0 && one.Index == len(wanted)-1 {
			return w.beat()
		}
	}
	return nil
}

func (w *Worker) begin(c claim) {
	w.app.mu.Lock()
	d := w.app.workflows[c.Name]
	w.app.mu.Unlock()
	a := newAttempt(w.app, d, c, c.Steps, w.lease)
	w.mu.Lock()
	stopping := w.isStopping() // Stop tells all that are in the map, and would not know of this one
	if !stopping {
		w.attempts[c.Token] = a
		w.running.Add(1)
	}
	w.mu.Unlock()
	if stopping {
		w.report(a, "wf_release")
		return
	}
	go func() {
		defer w.running.Done()
		w.run(a)
		w.mu.Lock()
		wasFull := len(w.attempts) >= w.concurrency
		delete(w.attempts, c.Token)
		w.mu.Unlock()
		if wasFull && !w.isStopping() {
			w.wakeUp()
		}
	}()
}

func (w *Worker) run(a *attempt) {
	if a.claim.Steps == nil || a.claim.StepsMore {
		rows, err := w.app.database.rows("SELECT name, kind, status, output, error FROM wf_steps WHERE workflow_id = ? ORDER BY seq", a.claim.ID)
		if err != nil {
			w.log.Error("wfext: the steps could not be read", "workflow", a.claim.ID, "error", err)
			return
		}
		for _, row := range rows {
			name := asText(row[0])
			a.records[name] = record{name, asText(row[1]), asText(row[2]), json.RawMessage(asText(row[3])), json.RawMessage(asText(row[4]))}
		}
	}
	output, err := a.run(context.Background())
	switch {
	case err == nil:
		w.report(a, "wf_complete", output)
	case errors.Is(err, ErrNotOurs):
		if w.isStopping() {
			w.report(a, "wf_release")
		}
	case errors.Is(err, ErrSuspended):
		if strings.Contains(err.Error(), "swallowed") {
			w.log.Error("wfext: "+err.Error(), "workflow", a.claim.ID)
		}
	default:
		w.log.Warn("wfext: an attempt has failed", "workflow", a.claim.ID, "name", a.claim.Name, "attempt", a.claim.Attempt, "error", err)
		options := "{}"
		if isFinal(err) {
			options = `{"retry":false}`
		}
		w.report(a, "wf_fail", errorValue(err), options)
	}
}

func (w *Worker) report(a *attempt, name string, args ...any) {
	for range 8 {
		_, err := w.app.database.call(name, append([]any{a.claim.Token}, args...)...)
		if err == nil || isNotOurs(err) {
			return
		}
		if codeIn(err) != "SQLITE_BUSY" {
			w.log.Error("wfext: the end of a workflow could not be recorded, it will be tried again", "workflow", a.claim.ID, "error", err)
			return
		}
	}
}

func (w *Worker) heartbeats() {
	defer w.threads.Done()
	ticker := time.NewTicker(w.lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-w.stopped:
			return
		case <-ticker.C:
			if err := w.beat(); err != nil {
				w.log.Error("wfext: the heartbeat failed", "error", err)
			}
		}
	}
}

func (w *Worker) beat() error {
	w.mu.Lock()
	tokens := make([]string, 0, len(w.attempts))
	for token := range w.attempts {
		tokens = append(tokens, token)
	}
	w.mu.Unlock()
	if len(tokens) == 0 {
		return nil
	}
	list, _ := marshal(tokens, "tokens")
	text, err := w.app.database.text("wf_heartbeat", list)
	if err != nil {
		return err
	}
	var answers []json.RawMessage
	if err := unmarshal(text, &answers); err != nil {
		return err
	}
	for i, answer := range answers {
		var refused struct{ Code string }
		if json.Unmarshal(answer, &refused) == nil && refused.Code != "" && refused.Code != "SQLITE_ERROR" {
			w.mu.Lock()
			a := w.attempts[tokens[i]]
			w.mu.Unlock()
			if a != nil {
				_ = a.ends(ErrNotOurs)
			}
		}
	}
	return nil
}

// nameHold is a name that no other living process has, held by a lock on a file beside the database.
type nameHold struct {
	name   string
	locked bool
	file   *os.File
}

func (h *nameHold) release() {
	if h.file != nil {
		_ = h.file.Close()
		h.file = nil
	}
}

func holdName(path, given string) (*nameHold, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	for n := 1; n < 1000; n++ {
		name := given
		if name == "" {
			name = fmt.Sprintf("%s:%d", host, n)
		}
		file, err := os.OpenFile(path+".worker-"+strings.NewReplacer("/", "_", ":", "-").Replace(name), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return nil, err
		}
		if lockFile(file) {
			return &nameHold{name, true, file}, nil
		}
		_ = file.Close()
		if given != "" {
			return nil, fmt.Errorf("wfext: a worker of the name %q is running on this file already", given)
		}
	}
	return nil, errors.New("wfext: a thousand workers of this host are running on this file")
}
