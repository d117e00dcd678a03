// database/sql with github.com/mattn/go-sqlite3.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// [load]
func register(module string) {
	sql.Register("sqlite3_wfext", &sqlite3.SQLiteDriver{
		ConnectHook: func(c *sqlite3.SQLiteConn) error { return c.LoadExtension(module, "sqlite3_wfext_init") },
	})
}

// [/load]

type connection struct {
	db         *sql.DB
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

var ctx = context.Background()

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func decode(cell string, kept map[string]any) any {
	rest := cell[1:]
	switch cell[0] {
	case 'i':
		n, err := strconv.ParseInt(rest, 10, 64)
		check(err)
		return n
	case 'r':
		x, err := strconv.ParseFloat(rest, 64)
		check(err)
		return x
	case 't', 'b':
		data, err := hex.DecodeString(rest)
		check(err)
		if cell[0] == 't' {
			return string(data)
		}
		return data
	case 'k':
		return kept[rest]
	}
	return nil
}

func encode(value any) string {
	switch v := value.(type) {
	case nil:
		return "n"
	case int64:
		return "i" + strconv.FormatInt(v, 10)
	case float64:
		return "r" + strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return "t" + hex.EncodeToString([]byte(v))
	case []byte:
		return "b" + hex.EncodeToString(v)
	}
	return fmt.Sprintf("?%T", value)
}

func (c *connection) run(query string, parameters []any, reuse bool) (rows [][]any, err error) {
	var found *sql.Rows
	if reuse {
		if c.statements[query] == nil {
			if c.statements[query], err = c.conn.PrepareContext(ctx, query); err != nil {
				delete(c.statements, query)
				return nil, err
			}
		}
		found, err = c.statements[query].QueryContext(ctx, parameters...)
	} else {
		found, err = c.conn.QueryContext(ctx, query, parameters...)
	}
	if err != nil {
		return nil, err
	}
	defer found.Close()
	columns, err := found.Columns()
	check(err)
	for found.Next() {
		row, places := make([]any, len(columns)), make([]any, len(columns))
		for at := range row {
			places[at] = &row[at]
		}
		if err := found.Scan(places...); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, found.Err()
}

func main() {
	if os.Args[1] == "version" {
		version, _, _ := sqlite3.Version()
		fmt.Println(version)
		return
	}
	register(os.Args[1])
	file, err := os.Open(os.Args[2])
	check(err)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var path string
	open, kept := map[string]*connection{}, map[string]any{}
	var last any
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		switch fields[0] {
		case "case":
			for _, c := range open {
				c.db.Close()
			}
			path, open, kept = os.Args[3]+"/"+fields[1]+".db", map[string]*connection{}, map[string]any{}
		case "open":
			db, err := sql.Open("sqlite3_wfext", path)
			check(err)
			conn, err := db.Conn(ctx)
			check(err)
			open[fields[1]] = &connection{db, conn, map[string]*sql.Stmt{}}
		case "close":
			c := open[fields[1]]
			c.conn.Close()
			c.db.Close()
		case "keep":
			kept[fields[1]] = last
		default:
			var parameters []any
			for _, cell := range fields[3:] {
				parameters = append(parameters, decode(cell, kept))
			}
			rows, err := open[fields[1]].run(fields[2], parameters, fields[0] == "reuse")
			if err != nil {
				code, known := "?", sqlite3.Error{}
				if errors.As(err, &known) {
					code = strconv.Itoa(int(known.ExtendedCode))
				}
				fmt.Fprintf(out, "!%s\t%s\n", code, hex.EncodeToString([]byte(err.Error())))
				continue
			}
			last = nil
			fmt.Fprintf(out, "=%d", len(rows))
			for at, row := range rows {
				if at == 0 {
					last = row[0]
				}
				for _, value := range row {
					fmt.Fprint(out, "\t", encode(value))
				}
			}
			fmt.Fprintln(out)
		}
	}
	check(lines.Err())
	for _, c := range open {
		c.db.Close()
	}
}
