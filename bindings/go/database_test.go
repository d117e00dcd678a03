package wfext

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestGroupsAnswerForEach(t *testing.T) {
	app := openApp(t)
	_, err := app.Call("wf_init")
	must(t, err)
	_, err = app.Query("CREATE TRIGGER stop BEFORE INSERT ON _wf_workflow WHEN NEW.id = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no bad ones'); END")
	must(t, err)
	held, release := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = app.database.do(&call{alone: func(*connection) (any, error) { close(held); <-release; return nil, nil }})
	}()
	<-held
	app.database.once.Do(func() { go app.database.run() })
	ids := []string{"1", "2", "bad", "3", ""}
	calls := make([]*call, len(ids))
	for i, id := range ids {
		calls[i] = &call{sql: "SELECT wf_start('w', NULL, ?)", args: []any{`{"id":"` + id + `"}`}, done: make(chan answer, 1)}
		app.database.calls <- calls[i]
	}
	close(release)
	for i, c := range calls {
		a := <-c.done
		switch ids[i] {
		case "bad":
			if a.err == nil || !strings.Contains(a.err.Error(), "no bad ones") {
				t.Fatal(a)
			}
		case "":
			if !errors.Is(a.err, ErrInvalid) {
				t.Fatal(a)
			}
		default:
			equal(t, a.value, any(ids[i]))
		}
	}
	rows, err := app.Query("SELECT count(*) FROM wf_workflows")
	must(t, err)
	equal(t, rows, [][]any{{int64(3)}})
}

func TestWhatWaitsIsInNoGroup(t *testing.T) {
	app := openApp(t)
	h := begun(t, Ref[none, none](app, "w"), none{}, ID("w"))
	came := make(chan any)
	go func() {
		value, err := app.Call("wf_wait", 60, `{"id":"w"}`)
		if err != nil {
			value = err
		}
		came <- value
	}()
	must(t, h.Cancel(nil)) // answered meanwhile
	equal(t, <-came, any(int64(1)))
}

func TestAStartSaysItsID(t *testing.T) {
	app := openApp(t)
	h := begun(t, Ref[none, none](app, "w"), none{})
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(h.ID()) || len(newID()) != 36 || newID() == newID() {
		t.Fatal(h.ID(), newID())
	}
}

func TestPragmasReachEveryConnection(t *testing.T) {
	app := openApp(t, Pragma("foreign_keys", 1), Pragma("cache_size", "-512"))
	for _, sql := range []string{"CREATE TABLE parent(id PRIMARY KEY)", "CREATE TABLE child(id REFERENCES parent)"} {
		_, err := app.Query(sql)
		must(t, err)
	}
	w := Workflow(app, "writes", func(ctx context.Context, _ none) (none, error) {
		return Transaction(ctx, "refers", func(tx *Tx) (none, error) { return none{}, tx.Exec("INSERT INTO child VALUES (99)") })
	})
	work(t, app)
	fails(t, w, none{}, "FOREIGN KEY")
	rows, err := app.Query("SELECT count(*) FROM child")
	must(t, err)
	equal(t, rows[0][0], int64(0))
	db := app.DB()
	defer db.Close()
	var keys, size int
	must(t, db.QueryRow("PRAGMA foreign_keys").Scan(&keys))
	must(t, db.QueryRow("PRAGMA cache_size").Scan(&size))
	equal(t, []int{keys, size}, []int{1, -512})
	for _, option := range []AppOption{Pragma("journal_mode", "off"), Pragma("foreign_keys", "1; DROP TABLE child"), Pragma("a b", 1)} {
		if _, err := Open("none.db", option); err == nil || !strings.Contains(err.Error(), "Pragma has") {
			t.Fatal(err)
		}
	}
}

func TestWhatIsAnsweredIsExpectedBesideWhatHasComeMeanwhile(t *testing.T) {
	d := newDatabase(settings{})
	for range 3 {
		d.calls <- &call{}
	}
	d.expect(4, nil)
	equal(t, d.together.Load(), int32(7))
	d.expect(4, &call{}) // it has been taken out already
	equal(t, d.together.Load(), int32(8))
	d.expect(99, nil)
	equal(t, d.together.Load(), int32(groupCalls))
}
