// Package wfext gives durable workflows in a SQLite file: a workflow is a function, what its steps return is recorded, and after a crash, in this process or in another, the function is run again and gets back
// what was recorded.
package wfext

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// An App is a file, and what is declared for it. Never open the file by another SQLite library in the same process: they lose each other's locks, and committed rows with them.
type App struct {
	database *database
	watch    *watch
	barrier  barrier
	tracer   Tracer
	lifespan func(context.Context, *App) (any, func(), error)
	patience time.Duration // with branches that do nothing, once the code that has begun them has ended

	mu        sync.Mutex
	workflows map[string]*definition
	queues    map[string]map[string]any
	schedules map[string]scheduled
	workers   int
	state     any
	leave     func()
}

type scheduled struct {
	timing, workflow, input string
	options                 map[string]any
}

// AppOption is an option of Open.
type AppOption func(*App)

// Journal is wal (default), delete, truncate or persist.
func Journal(mode string) AppOption { return func(a *App) { a.database.settings.journal = mode } }

// Synchronous is full (default), extra, normal or off.
func Synchronous(level string) AppOption {
	return func(a *App) { a.database.settings.synchronous = level }
}

// BusyTimeout is how long a call waits for the lock of the file; default 30 s. Waiting is fair.
func BusyTimeout(d time.Duration) AppOption {
	return func(a *App) { a.database.settings.busyTimeout = d }
}

// Pragma is set on every connection, those of DB and of transactions alike: Pragma("foreign_keys", 1). The value is a whole number or a word.
func Pragma[T int | string](name string, value T) AppOption {
	return func(a *App) {
		a.database.settings.pragmas = append(a.database.settings.pragmas, fmt.Sprintf("%s = %v", name, value))
	}
}

var pragma = regexp.MustCompile(`^(\w+) = -?\w+$`)

func checkPragmas(pragmas []string) error {
	ofTheApp := map[string]string{"journal_mode": "Journal", "synchronous": "Synchronous", "busy_timeout": "BusyTimeout"}
	for _, given := range pragmas {
		found := pragma.FindStringSubmatch(given)
		if found == nil {
			return fmt.Errorf("wfext: Pragma has %q: the name of a pragma, with a whole number or a word", given)
		}
		if option := ofTheApp[strings.ToLower(found[1])]; option != "" {
			return fmt.Errorf("wfext: Pragma has %q: say it by the option %s", given, option)
		}
	}
	return nil
}

// Lifespan is called when the first worker starts; what it gives is State(ctx) in workflows and their steps. leave is called when the last worker has stopped.
func Lifespan(enter func(ctx context.Context, app *App) (state any, leave func(), err error)) AppOption {
	return func(a *App) { a.lifespan = enter }
}

// Open opens the file, which is made with the first call.
func Open(path string, options ...AppOption) (*App, error) {
	d := newDatabase(settings{path: path, journal: "wal", synchronous: "full", busyTimeout: 30 * time.Second})
	app := &App{database: d, patience: time.Second, watch: newWatch(d), workflows: map[string]*definition{}, queues: map[string]map[string]any{}, schedules: map[string]scheduled{}}
	for _, option := range options {
		option(app)
	}
	switch s := d.settings; {
	case path == "":
		return nil, errors.New("wfext: the path of the file is \"\"")
	case s.busyTimeout < 0:
		return nil, fmt.Errorf("wfext: BusyTimeout is %v: 0 or more", s.busyTimeout)
	case !slices.Contains([]string{"wal", "delete", "truncate", "persist"}, s.journal):
		return nil, fmt.Errorf("wfext: journal is %q: wal, delete, truncate or persist", s.journal)
	case !slices.Contains([]string{"off", "normal", "full", "extra"}, s.synchronous):
		return nil, fmt.Errorf("wfext: synchronous is %q: off, normal, full or extra", s.synchronous)
	}
	if err := checkPragmas(d.settings.pragmas); err != nil {
		return nil, err
	}
	return app, nil
}

// Close does what was asked, and closes the connections.
func (app *App) Close() {
	app.watch.close()
	app.database.close()
}

// DeclareQueue declares a queue with its limits: options of wf_queue. Applied when a worker starts. It panics where the queue is declared already.
func (app *App) DeclareQueue(name string, options map[string]any) {
	if name == "" {
		panic(misuse("wfext: the name of a queue is \"\""))
	}
	app.mu.Lock()
	defer app.mu.Unlock()
	if _, taken := app.queues[name]; taken {
		panic(misuse("wfext: the queue %q is declared twice", name))
	}
	app.queues[name] = options
}

// Schedule declares a schedule: a cron text or an interval as of wf_schedule. Applied when a worker starts.
func Schedule[In, Out any](app *App, name, timing string, d *Definition[In, Out], in In, options ...StartOption) error {
	if name == "" || timing == "" {
		return misuse("wfext: the schedule %q has the timing %q: a schedule has a name and a timing", name, timing)
	}
	input, err := marshal(in, "the input of "+d.name)
	if err != nil {
		return err
	}
	all := given(options)
	if all["start"] == nil {
		all["start"] = d.start(nil)
	}
	app.mu.Lock()
	defer app.mu.Unlock()
	if _, taken := app.schedules[name]; taken {
		return misuse("wfext: the schedule %q is declared twice", name)
	}
	app.schedules[name] = scheduled{timing, d.name, input, all}
	return nil
}

// apply brings what is declared into the file, and says what is there and not declared any more. It returns the queues that are served.
func (app *App) apply(log *slog.Logger) ([]string, error) {
	app.mu.Lock()
	queues, schedules, workflows, served := map[string]map[string]any{}, map[string]scheduled{}, map[string]bool{}, []string{}
	for name, options := range app.queues {
		queues[name] = options
		served = append(served, name)
	}
	for name, s := range app.schedules {
		schedules[name] = s
	}
	for name, d := range app.workflows {
		workflows[name] = true
		served = append(served, d.queue)
	}
	app.mu.Unlock()
	slices.Sort(served)
	served = slices.Compact(served)
	for name, options := range queues {
		text, err := marshal(options, "the options of the queue "+name)
		if err == nil {
			_, err = app.database.call("wf_queue", name, text)
		}
		if err != nil {
			return nil, err
		}
	}
	for name, s := range schedules {
		text, err := marshal(s.options, "the options of the schedule "+name)
		if err == nil {
			_, err = app.database.call("wf_schedule", name, s.timing, s.workflow, s.input, text)
		}
		if err != nil {
			return nil, err
		}
	}
	return served, app.reportUndeclared(served, queues, schedules, workflows, log)
}

var limits = []string{"concurrency", "worker_concurrency", "partition_concurrency", "rate"} // of a queue

func (app *App) reportUndeclared(served []string, queues map[string]map[string]any, schedules map[string]scheduled, workflows map[string]bool, log *slog.Logger) error {
	for _, name := range served {
		text, err := app.database.text("wf_queue", name)
		if err != nil {
			return err
		}
		found, err := decode[map[string]any](text)
		if err != nil {
			return err
		}
		limited := slices.ContainsFunc(limits, func(limit string) bool { return found[limit] != nil })
		if _, declared := queues[name]; !declared && limited {
			log.Warn("wfext: the queue has limits in the file that this code does not declare", "queue", name)
		}
	}
	rows, err := app.database.rows("SELECT name, workflow FROM wf_schedules")
	for _, row := range rows {
		name, workflow := asText(row[0]), asText(row[1])
		if _, declared := schedules[name]; !declared && workflows[workflow] {
			log.Warn("wfext: the schedule is in the file and not declared by this code: wf_unschedule ends it", "schedule", name, "workflow", workflow)
		}
	}
	return err
}

// enter: a worker of this process begins, and what it needs is there.
func (app *App) enter() error {
	app.mu.Lock()
	defer app.mu.Unlock()
	if app.workers == 0 && app.lifespan != nil {
		var err error
		if app.state, app.leave, err = app.lifespan(context.Background(), app); err != nil {
			return err
		}
	}
	app.workers++
	return nil
}

// left: it has stopped.
func (app *App) left() {
	app.mu.Lock()
	defer app.mu.Unlock()
	app.workers--
	if app.workers == 0 && app.leave != nil {
		app.leave()
		app.leave = nil
	}
}

// Call calls a function of the engine by its name: its value as SQLite gives it (nil, int64, float64, string, []byte).
func (app *App) Call(name string, args ...any) (any, error) {
	switch name {
	case "wf_run": // it runs statements of the application's, and so belongs into no group
		return app.database.do(&call{alone: func(c *connection) (any, error) { return c.value(callOf(name, args), args...) }})
	case "wf_wait", "wf_sync": // it may last
		c, err := app.database.settings.open()
		if err != nil {
			return nil, err
		}
		defer c.close()
		value, err := c.value(callOf(name, args), args...)
		return value, translate(err)
	}
	return app.database.call(name, args...)
}

// Query returns the rows of a query.
func (app *App) Query(sql string, args ...any) ([][]any, error) {
	return app.database.rows(sql, args...)
}

// List are workflows, newest first: columns of wf_workflows that are equal to something.
func (app *App) List(equal map[string]any, limit int) ([]map[string]any, error) {
	found, err := app.database.rows("PRAGMA table_info(wf_workflows)")
	if err != nil {
		return nil, err
	}
	columns := make([]string, 0, len(found))
	for _, row := range found {
		columns = append(columns, asText(row[1]))
	}
	conditions, args := []string{"1"}, []any{}
	for column, value := range equal {
		if !slices.Contains(columns, column) && column != "tag" {
			return nil, fmt.Errorf("wfext: wf_workflows has no column %q: %s", column, strings.Join(columns, ", "))
		}
		conditions, args = append(conditions, column+" = ?"), append(args, value)
	}
	rows, err := app.database.rows(fmt.Sprintf("SELECT %s FROM wf_workflows WHERE %s ORDER BY created_at DESC LIMIT ?", strings.Join(columns, ", "), strings.Join(conditions, " AND ")), append(args, limit)...)
	out := make([]map[string]any, 0, len(rows))
	for _, row := range rows {
		one := map[string]any{}
		for i, column := range columns {
			one[column] = row[i]
		}
		out = append(out, one)
	}
	return out, err
}

// Emit states a fact for everyone, once.
func (app *App) Emit(event string, payload any) error {
	text, err := marshal(payload, "the payload of "+event)
	if err != nil {
		return err
	}
	_, err = app.database.call("wf_emit", event, text)
	return err
}

// Rate sets that Acquire gives at most so many shares in a time.
func (app *App) Rate(name string, limit int, per time.Duration) error {
	_, err := app.database.call("wf_rate", name, fmt.Sprintf(`{"limit":%d,"per":%g}`, limit, per.Seconds()))
	return err
}
