// Command approval: a person has to approve, within three days. The workflow waits as a row, without a process.
//
//	approval start expense-7 4200       starts it
//	approval answer expense-7 yes ann   answers, before or after it came to its wait
//	approval work                       a worker: goes on with what has an answer, or is too old
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	wfext "github.com/wfext/wfext/bindings/go"
	_ "github.com/wfext/wfext/bindings/go/engine" // make go-engine
)

type decision struct {
	OK bool   `json:"ok"`
	By string `json:"by"`
}

func expense(ctx context.Context, cents int) (bool, error) {
	answer, err := wfext.WaitSignal[decision](ctx, "decision", wfext.Timeout(3*24*time.Hour))
	if errors.Is(err, wfext.ErrTimeout) || err == nil && !answer.OK {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return wfext.Transaction(ctx, "pay", func(tx *wfext.Tx) (bool, error) { // the row and the record of the step are one commit
		if err := tx.Exec("CREATE TABLE IF NOT EXISTS paid(expense, cents, approved_by)"); err != nil {
			return false, err
		}
		return true, tx.Exec("INSERT INTO paid VALUES(?, ?, ?)", wfext.WorkflowID(ctx), cents, answer.By)
	})
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app, err := wfext.Open("expenses.db")
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close()
	expenses := wfext.Workflow(app, "expense", expense)
	switch os.Args[1] {
	case "start":
		cents, _ := strconv.Atoi(os.Args[3])
		_, err = expenses.Start(ctx, cents, wfext.ID(os.Args[2]))
	case "answer":
		err = expenses.Handle(os.Args[2]).Signal("decision", decision{os.Args[3] == "yes", os.Args[4]}, wfext.SignalKey(os.Args[4]))
	default:
		err = app.Run(ctx)
	}
	if err != nil {
		log.Print(err)
	}
}
