package wfext

import (
	"errors"
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
