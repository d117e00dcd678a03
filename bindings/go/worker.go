package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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
	workflows   []string
	versions    []string
	log         *slog.Logger

	hold     *nameHold
	wake     string
	mu       sync.Mutex
	attempts map[string]*attempt
	idle     *sync.Cond // with the lock: an attempt has ended
	claims   sync.WaitGroup
	stopping chan struct{}
	ended    chan struct{}
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

// Workflows are the names of those to work on; default: all that the app declares.
func Workflows(names ...string) WorkerOption { return func(w *Worker) { w.workflows = names } }

// Versions lets it claim only workflows of these versions, and those without one.
func Versions(versions ...string) WorkerOption { return func(w *Worker) { w.versions = versions } }

// Logger takes the worker's messages; default slog's.
func Logger(log *slog.Logger) WorkerOption { return func(w *Worker) { w.log = log } }

// Start starts a worker beside other code. Stop it.
func (app *App) Start(options ...WorkerOption) (*Worker, error) {
	w := &Worker{app: app, concurrency: 8, lease: 30 * time.Second, grace: 10 * time.Second, log: slog.Default(), wake: randomName("worker"),
		attempts: map[string]*attempt{}, stopping: make(chan struct{}), ended: make(chan struct{})}
	w.idle = sync.NewCond(&w.mu)
	for _, option := range options {
		option(w)
	}
	if w.concurrency < 1 || w.lease <= 0 {
		return nil, fmt.Errorf("wfext: concurrency is %d and lease %v: at least 1, and more than 0", w.concurrency, w.lease)
	}
	if w.grace < 0 {
		return nil, fmt.Errorf("wfext: Grace is %v: 0 or more", w.grace)
	}
	if w.queues != nil && (len(w.queues) == 0 || slices.Contains(w.queues, "")) {
		return nil, fmt.Errorf("wfext: Queues are %q: one or more names", w.queues)
	}
	if w.log == nil {
		return nil, errors.New("wfext: Logger is nil")
	}
	if err := w.chooseWorkflows(); err != nil {
		return nil, err
	}
	hold, err := holdName(app.database.settings.path, w.given)
	if err != nil {
		return nil, err
	}
	w.hold, w.name = hold, hold.name
	if err := w.setUp(); err != nil {
		hold.release()
		return nil, err
	}
	w.claims.Add(1)
	go w.work()
	go w.heartbeats()
	return w, nil
}

func (w *Worker) chooseWorkflows() error {
	w.app.mu.Lock()
	defer w.app.mu.Unlock()
	if len(w.app.workflows) == 0 {
		return errors.New("wfext: this app has no workflow: declare one with wfext.Workflow")
	}
	for _, name := range w.workflows {
		if w.app.workflows[name] == nil {
			return fmt.Errorf("wfext: this app has no workflow %q", name)
		}
	}
	if w.workflows == nil {
		for name := range w.app.workflows {
			w.workflows = append(w.workflows, name)
		}
	}
	slices.Sort(w.workflows)
	return nil
}

func (w *Worker) setUp() error {
	recover, _ := marshal(map[string]any{"worker": w.name, "lost": true}, "options")
	if _, err := w.app.database.call("wf_recover", recover); err != nil {
		return err
	}
	served, err := w.app.apply(w.log)
	if err != nil {
		return err
	}
	if w.queues == nil {
		w.queues = served
	}
	return w.app.enter()
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

// Stop claims no more; the contexts of all attempts end, and what ends within the grace period is given back. What still runs then keeps its lease for as long as it does, and the worker its name:
// given back, two would do it.
func (w *Worker) Stop() {
	w.once.Do(func() {
		close(w.stopping)
		w.mu.Lock()
		for _, a := range w.attempts {
			_ = a.ends(ErrNotOurs)
		}
		w.mu.Unlock()
		w.wakeUp()
		w.claims.Wait()
		late := time.AfterFunc(w.grace, w.idle.Broadcast)
		defer late.Stop()
		until := time.Now().Add(w.grace)
		w.mu.Lock()
		for len(w.attempts) > 0 && time.Now().Before(until) {
			w.idle.Wait()
		}
		left := len(w.attempts)
		w.mu.Unlock()
		if left > 0 {
			w.log.Warn("wfext: workflows still run after the grace period and keep their leases", "workflows", left)
			return
		}
		<-w.ended
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

// filter is what the worker claims and waits for.
func (w *Worker) filter(more map[string]any) map[string]any {
	more["names"] = w.workflows
	if w.versions != nil {
		more["versions"] = w.versions
	}
	return more
}

func (w *Worker) work() {
	defer w.claims.Done()
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
		options, _ := marshal(w.filter(map[string]any{"limit": free, "steps": true, "lease": w.lease.Seconds()}), "options")
		text, err := w.app.database.text("wf_claim", queues, w.name, options)
		if err != nil {
			return err
		}
		claims, err := decode[[]claim](text)
		if err != nil {
			return err
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
		wanted = append(wanted, w.filter(map[string]any{"queue": w.queues, "worker": w.name}))
	}
	tokens := w.tokens()
	if len(tokens) > 0 {
		wanted = append(wanted, map[string]any{"tokens": tokens})
	}
	options, _ := marshal(map[string]any{"any": wanted}, "options")
	found, err := c.value("SELECT wf_wait(?, ?)", waitSeconds, options)
	if err != nil {
		return translate(err)
	}
	if text := asText(found); len(tokens) > 0 && w.runs(tokens) && strings.HasPrefix(text, "[") {
		came, err := decode[[]struct{ Index int }](text)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(came, func(one struct{ Index int }) bool { return one.Index == len(wanted)-1 }) {
			return w.beat()
		}
	}
	return nil
}

func (w *Worker) tokens() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	tokens := make([]string, 0, len(w.attempts))
	for token := range w.attempts {
		tokens = append(tokens, token)
	}
	return tokens
}

// runs says whether these are all under way. Where one has come to its end it is that of which the wait has told: if another was lost beside it, the next one tells.
func (w *Worker) runs(tokens []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, token := range tokens {
		if w.attempts[token] == nil {
			return false
		}
	}
	return true
}

func (w *Worker) begin(c claim) {
	w.app.mu.Lock()
	d := w.app.workflows[c.Name]
	w.app.mu.Unlock()
	a := newAttempt(w.app, d, c, c.Steps, surroundings{w.lease, 5 * time.Second, w.log})
	w.mu.Lock()
	stopping := w.isStopping() // Stop tells all that are in the map, and would not know of this one
	if !stopping {
		w.attempts[c.Token] = a
	}
	w.mu.Unlock()
	if stopping {
		a.report("wf_release")
		return
	}
	go func() {
		w.run(a)
		w.mu.Lock()
		wasFull := len(w.attempts) >= w.concurrency
		delete(w.attempts, c.Token)
		w.idle.Broadcast()
		w.mu.Unlock()
		if wasFull && !w.isStopping() {
			w.wakeUp()
		}
	}()
}

func (w *Worker) run(a *attempt) {
	if a.claim.Steps == nil || a.claim.StepsMore {
		records, err := w.app.readSteps(a.claim.ID)
		if err != nil {
			w.log.Error("wfext: the steps could not be read, it will be tried again", "workflow", a.claim.ID, "error", err)
			return
		}
		a.load(records)
	}
	a.finish()
}

// heartbeats end when the worker has stopped and nothing of it runs any more.
func (w *Worker) heartbeats() {
	defer close(w.ended)
	defer w.app.left()
	defer w.hold.release()
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-w.stopping
		w.claims.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		for len(w.attempts) > 0 {
			w.idle.Wait()
		}
	}()
	ticker := time.NewTicker(w.lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if err := w.beat(); errors.Is(err, errClosed) {
				return
			} else if err != nil {
				w.log.Error("wfext: the heartbeat failed", "error", err)
			}
		}
	}
}

func (w *Worker) beat() error {
	tokens := w.tokens()
	if len(tokens) == 0 {
		return nil
	}
	list, _ := marshal(tokens, "tokens")
	text, err := w.app.database.text("wf_heartbeat", list)
	if err != nil {
		return err
	}
	answers, err := decode[[]json.RawMessage](text)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, answer := range answers {
		var refused struct{ Code string }
		if json.Unmarshal(answer, &refused) != nil || refused.Code == "" || refused.Code == "SQLITE_ERROR" {
			continue
		}
		if a := w.attempts[tokens[i]]; a != nil {
			_ = a.ends(ErrNotOurs)
		}
	}
	return nil
}
