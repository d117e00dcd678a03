// Command agent_loop: an AI agent whose conversation survives. Kill it at any moment, run it again, and it goes on where it was.
//
//	agent_loop [task-id [order]]        works until the task has its answer
//
// Answers of the model and results of tools are steps; the words as they come are a stream. The model is a stub.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	wfext "github.com/wfext/wfext/bindings/go"
	_ "github.com/wfext/wfext/bindings/go/engine" // make go-engine
)

type call struct {
	Tool  string `json:"tool"`
	Order string `json:"order"`
	Cents int    `json:"cents"`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
	Cents   int    `json:"cents"`
	Calls   []call `json:"calls"`
}

// model stands for one that streams: it says words, and last gives the message. Never the same words twice, as real ones do.
func model(messages []message, say func(word string) error) (message, error) {
	order, results, cents := messages[0].Content, 0, 0
	for _, m := range messages {
		if m.Role == "tool" {
			results, cents = results+1, max(cents, m.Cents)
		}
	}
	out := message{Role: "assistant", Content: []string{"Done: ", "All is settled: "}[rand.N(2)] + order + " is refunded."}
	switch results {
	case 0:
		out.Content, out.Calls = "Let me look at it.", []call{{"look_up", order, 0}}
	case 1:
		out.Content, out.Calls = "A refund is due.", []call{{"refund", order, cents}, {"mail", order, cents}}
	}
	for _, word := range strings.Fields(out.Content) {
		time.Sleep(5 * time.Millisecond)
		if err := say(word); err != nil {
			return out, err
		}
	}
	return out, nil
}

// service stands for one that acts once for each idempotency key.
func service(what, key string, args ...any) error {
	file, err := os.OpenFile(what+"-"+key, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, os.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintln(file, args...)
	return err
}

func ask(ctx context.Context, turn int, messages []message) (message, error) {
	return wfext.Step(ctx, "ask", func(ctx context.Context) (message, error) {
		show := func(item map[string]any) error { item["turn"] = turn; return wfext.Append(ctx, "words", item) }
		if err := show(map[string]any{"begin": 1}); err != nil { // for a reader: takes back the words of a try that was cut off
			return message{}, err
		}
		return model(messages, func(word string) error { return show(map[string]any{"word": word}) })
	}, wfext.Attempts(5), wfext.Backoff(100*time.Millisecond))
}

// use calls a tool. A service that knows no keys would be wfext.InDoubt("hold"): a person decides.
func use(ctx context.Context, c call) (message, error) {
	return wfext.Effect(ctx, c.Tool, func(ctx context.Context) (message, error) {
		if c.Tool == "look_up" {
			return message{Role: "tool", Content: "arrived broken", Cents: 1200}, nil
		}
		return message{Role: "tool", Content: "done"}, service(c.Tool, wfext.Key(ctx), c.Order, c.Cents)
	})
}

func agent(ctx context.Context, order string) (string, error) {
	messages := []message{{Role: "user", Content: order}}
	for turn := range 10 {
		if err := wfext.Acquire(ctx, "model"); err != nil {
			return "", err
		}
		answer, err := ask(ctx, turn, messages)
		if err != nil || len(answer.Calls) == 0 {
			return answer.Content, err
		}
		messages = append(messages, answer)
		for _, c := range answer.Calls {
			result, err := use(ctx, c)
			if err != nil {
				return "", err
			}
			messages = append(messages, result)
		}
	}
	return "", errors.New("no answer after 10 turns")
}

func main() {
	app, err := wfext.Open("agents.db")
	must(err)
	defer app.Close()
	must(app.Rate("model", 600, time.Minute)) // calls a minute, of all agents together
	agents := wfext.Workflow(app, "agent", agent)
	worker, err := app.Start()
	must(err)
	defer worker.Stop()
	given := append(os.Args[1:], []string{"task-1", "order-17"}[min(len(os.Args)-1, 2):]...)
	h, err := agents.Start(context.Background(), given[1], wfext.ID(given[0]), wfext.Option("if_exists", "return"))
	must(err)
	answer, err := h.Result(context.Background())
	must(err)
	fmt.Println(answer)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
