// Command worker_pool: worker processes on one SQLite file. What fails is tried again, and what a killed worker held is taken over.
//
//	worker_pool work               a worker, until SIGTERM; start as many as you like
//	worker_pool order-1 order-2    starts orders, and waits for them
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	wfext "github.com/wfext/wfext/bindings/go"
	_ "github.com/wfext/wfext/bindings/go/engine" // make go-engine
)

type paid struct {
	Cents int    `json:"paid"`
	Key   string `json:"-"`
}

// charge stands for a payment service that charges once for each key, and is busy now and then.
func charge(cents int, key string) (paid, error) {
	if rand.Float64() < 0.1 {
		return paid{}, errors.New("the payment service is busy")
	}
	return paid{cents, key}, nil
}

func order(ctx context.Context, cents int) (paid, error) {
	done, err := wfext.Effect(ctx, "charge", func(ctx context.Context) (paid, error) { return charge(cents, wfext.Key(ctx)) }, wfext.Attempts(10), wfext.Backoff(20*time.Millisecond))
	if err != nil {
		return paid{}, err
	}
	return wfext.Step(ctx, "ship", func(context.Context) (paid, error) { return done, nil })
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app, err := wfext.Open("pool.db")
	must(err)
	defer app.Close()
	orders := wfext.Workflow(app, "order", order)
	if os.Args[1] == "work" {
		must(app.Run(ctx))
		return
	}
	for n, id := range os.Args[1:] {
		_, err := orders.Start(ctx, 100+n, wfext.ID(id), wfext.Option("if_exists", "return"))
		must(err)
	}
	for _, id := range os.Args[1:] {
		out, err := orders.Handle(id).Result(ctx)
		must(err)
		fmt.Println(id, out.Cents)
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
