package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/wfext/wfext/bindings/go/internal/goid"
)

type claim struct {
	Token     string          `json:"token"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	Attempt   int             `json:"attempt"`
	Ending    *string         `json:"ending"`
	Headers   json.RawMessage `json:"headers"`
	Steps     []record        `json:"steps"`
	StepsMore bool            `json:"steps_more"`
}

type record struct {
	Name   string          `json:"name"`
	Kind   string          `json:"kind"`
	Status string          `json:"status"`
	Output json.RawMessage `json:"output"`
	Error  json.RawMessage `json:"error"`
}

// attempt is one attempt at a workflow: from a claim to its end, its suspension, or its loss.
type attempt struct {
	app *App
	surroundings
	workflow *definition
	claim    claim
	records  map[string]record
	cancel   context.CancelCauseFunc
	order    map[string]int // which of the records it is
	root     *scope

	mu          sync.Mutex
	changed     *sync.Cond        // with the lock: a step or a branch has ended, or the attempt is over
	over        error             // why the attempt is over, from the first moment that anybody knows
	closing     bool              // the code has failed: nothing more is begun, and what is in flight is recorded
	scopes      map[uint64]*scope // of the goroutines of branches
	used        map[string]bool
	streams     map[string]int64 // where they went on when this attempt looked
	undo        []compensation
	inFlight    int // steps
	lastCall    time.Time
	pauses      []time.Duration // of steps that want to give the workflow back
	kept        bool            // a branch has suspended, and the claim goes on
	replaysOnly bool            // in the second phase the code is only read back, to find what is to be undone
	failures    []string        // what the steps that have failed for good say
	twoPhases   bool            // the engine knows that there may be something to undo
}

// surroundings are what a worker gives to its attempts.
type surroundings struct {
	lease     time.Duration
	longPause time.Duration // between two tries of a step: from here on the workflow is given back meanwhile
	log       *slog.Logger
}

// scope is the attempt's own code, or one branch of it. What changes is under the attempt's lock.
type scope struct {
	attempt   *attempt
	names     *names
	isBranch  bool
	suspended bool           // it waits, or has joined a branch that does: whatever it does from here on would be built on an answer that is not there
	running   int            // branches of it
	unjoined  int            // futures of it
	position  []int          // of the branch in the code
	events    int            // branches and compensations of it so far
	base      int            // the last of the records that were read back before it began
	latest    map[uint64]int // the same by goroutine
}

type attemptKey struct{}

func newAttempt(app *App, workflow *definition, c claim, records []record, s surroundings) *attempt {
	a := &attempt{app: app, surroundings: s, workflow: workflow, claim: c, used: map[string]bool{}, streams: map[string]int64{}, scopes: map[uint64]*scope{}, replaysOnly: c.Ending != nil}
	a.changed = sync.NewCond(&a.mu)
	a.load(records)
	a.root = &scope{attempt: a, names: newNames(""), base: -1, latest: map[uint64]int{}}
	return a
}

// load takes the records, in their order.
func (a *attempt) load(records []record) {
	a.records, a.order = map[string]record{}, map[string]int{}
	for i, r := range records {
		a.records[r.Name], a.order[r.Name] = r, i
	}
}

// scopeOf is the workflow that the context belongs to; ErrSuspended where that waits.
func scopeOf(ctx context.Context) (*scope, error) {
	s, err := scopeIn(ctx)
	if err != nil {
		return nil, err
	}
	if s.attempt.app.database.isInside() {
		return nil, misuse("wfext: a call of the workflow in a transaction, which is recorded as a whole: call it before or behind")
	}
	s.attempt.mu.Lock()
	defer s.attempt.mu.Unlock()
	if s.suspended {
		return nil, ErrSuspended
	}
	return s, nil
}

func scopeIn(ctx context.Context) (*scope, error) {
	if run := stepOf(ctx); run != nil {
		return nil, fmt.Errorf("%w: it is that of the step %s, which is recorded as a whole", ErrOutside, run.step)
	}
	s, ok := ctx.Value(attemptKey{}).(*scope)
	if !ok {
		return nil, ErrOutside
	}
	return s, nil
}

// refuseInside is for what would be done again by every replay. Inside of a step it is recorded with that.
func refuseInside(ctx context.Context, what, instead string) error {
	if _, err := scopeIn(ctx); err == nil {
		return misuse("wfext: %s inside of a workflow would not be recorded: %s", what, instead)
	}
	return nil
}

// ends notes why the attempt is over, and returns that.
func (a *attempt) ends(why error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.endsLocked(why)
}

func (a *attempt) endsLocked(why error) error {
	if a.over == nil {
		a.over = why
		if a.cancel != nil {
			a.cancel(why)
		}
		a.changed.Broadcast()
	}
	return a.over
}

func (a *attempt) isOver() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.over
}

var (
	errReadBack     = errors.New("wfext: what follows was not done: return this error")
	errClosing      = errors.New("wfext: the workflow has returned an error, and nothing more of this attempt is begun: return this error")
	errEngineFailed = errors.New("wfext: the engine has failed, and the attempt is over: return this error")
)

// begin comes before anything is done that is not recorded.
func (a *attempt) begin() error { return a.beginSteps(0) }

func (a *attempt) beginSteps(n int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.over != nil:
		return a.over
	case a.closing:
		return errClosing
	case a.replaysOnly:
		return a.endsLocked(errReadBack)
	}
	a.inFlight += n
	return nil
}

// settled: a step is no longer in flight.
func (a *attempt) settled() {
	a.mu.Lock()
	a.inFlight--
	a.lastCall = time.Now()
	a.changed.Broadcast()
	a.mu.Unlock()
}

// allSettle waits until no step is in flight.
func (a *attempt) allSettle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.inFlight > 0 {
		a.changed.Wait()
	}
}

// announces says whether the step is recorded before it is tried: an effect, and whatever may have to be undone. A cancel in its middle then waits for its record.
func (a *attempt) announces(kind string) bool {
	return kind == "effect" || kind == "step" && a.workflow.undoes && a.claim.Ending == nil
}

func (a *attempt) isReadBack() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.replaysOnly
}

// take is the name of a step or a wait. Two futures that are not joined may both say what comes next, over a channel, in any order.
func (s *scope) take(name string) (string, error) {
	s.attempt.mu.Lock()
	beside := s.unjoined > 1
	s.attempt.mu.Unlock()
	return s.takeBeside(name, beside)
}

func (s *scope) takeBeside(name string, beside bool) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	here := goid.ID()
	taken, err := s.names.take(name, here, beside)
	if err == nil {
		s.attempt.uses(taken)
		s.reads(here, taken)
	}
	return taken, err
}

func (a *attempt) uses(step string) {
	a.mu.Lock()
	a.used[step] = true
	a.lastCall = time.Now()
	a.mu.Unlock()
}

// recorded is the record of the step, if it is finished. One of another kind is a mistake in the code.
func (a *attempt) recorded(step string, kinds ...string) (record, bool, error) {
	r, ok := a.records[step]
	if !ok {
		return r, false, nil
	}
	for _, kind := range kinds {
		if r.Kind == kind {
			return r, r.Status == "done" || r.Status == "error", nil
		}
	}
	return r, false, &EngineError{Code: "WF_NONDETERMINISM", Message: fmt.Sprintf("WF_NONDETERMINISM: the step %q of %q is recorded as %s, and called as %s", step, a.claim.ID, r.Kind, kinds[0])}
}

// call is one of the engine with the claim's token; again while the file is locked and the lease lasts, since what it records has happened.
func (a *attempt) call(name string, args ...any) (string, error) {
	return a.again(func() (string, error) { return a.app.database.text(name, append([]any{a.claim.Token}, args...)...) })
}

func (a *attempt) rows(sql string, args ...any) (rows [][]any, err error) {
	_, err = a.again(func() (string, error) {
		rows, err = a.app.database.rows(sql, args...)
		return "", err
	})
	return rows, err
}

func (a *attempt) again(work func() (string, error)) (string, error) {
	for until := time.Now().Add(a.lease); ; {
		text, err := work()
		switch {
		case err == nil:
			return text, nil
		case codeIn(err) == "WF_SUSPENDED":
			return "", a.ends(ErrSuspended)
		case isNotOurs(err):
			return "", a.ends(ErrNotOurs)
		case isBusy(err) && time.Now().Before(until):
		case isOfTheMachine(err):
			return "", a.engineFailed(err)
		default:
			return "", err
		}
	}
}

// engineFailed ends the attempt for a reason of the machine's, which is none of the workflow's: another will be made.
func (a *attempt) engineFailed(err error) error {
	a.log.Error("wfext: a call failed, and its attempt ends", "workflow", a.claim.ID, "error", err)
	return a.ends(errEngineFailed)
}

// options are those of a call that records something, as JSON; nil where there are none. The first record of code that can undo says so: from then on the workflow ends in two phases.
func (a *attempt) options(function string, given map[string]any) any {
	a.mu.Lock()
	says := a.workflow.undoes && !a.twoPhases && a.claim.Ending == nil
	a.mu.Unlock()
	if says {
		all := map[string]any{"cleanup": true}
		if function == "wf_spawn" {
			all = map[string]any{"parent_cleanup": true} // cleanup itself is the child's
		}
		for key, value := range given {
			all[key] = value
		}
		given = all
	}
	if len(given) == 0 {
		return nil
	}
	text, _ := marshal(given, "options")
	return text
}

// stands notes that what options() were given for is in the file.
func (a *attempt) stands() {
	a.mu.Lock()
	a.twoPhases = true
	a.mu.Unlock()
}

// record is a call that records something.
func (a *attempt) record(function string, options map[string]any, args ...any) (string, error) {
	text, err := a.call(function, append(args, a.options(function, options))...)
	if err == nil {
		a.stands()
	}
	return text, err
}

func protect(work func() (any, error)) (value any, err error) {
	defer func() {
		switch broken := recover().(type) {
		case nil:
		case *keyFailed:
			err = broken
		default:
			err = &panicked{broken}
		}
	}()
	return work()
}
