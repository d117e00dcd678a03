"""What the command line and the page look at, and what they do: functions over a connection of sqlite3, each giving dataclasses. Nothing here prints or draws for a screen.

    from wfext.view import files, lists, one
    with files.open_file("app.db") as file:
        page = lists.list_workflows(file.connection, lists.Filter(status=("failed",)))

files      find_files, open_file (File), place_of, limited, mark, has_tables, now, to_millis, to_sql_time
rows       fitted, is_time, moment: rows as dataclasses, each value of its type
values     parsed, signal_names, one_line, error_text, error_group: stored values for people and for JSON
lists      Filter, list_workflows (Page of Row), matching_ids, count_matching (Count)
one        workflow, steps, last_steps, step, failures, signals, awaited, values, streams, items, children, ancestors
timeline   timeline (Timeline of Bar, Scale with Fold): where to draw what
overview   overview, tally (Tally), oldest_due, counts, live, need_you, people, workers, ended_per_minute
errors     errors, recent_failures (Groups of Group)
tables     queues, schedules, definitions, in_doubt, doctor, check
why        reasons: why a workflow does not run, in sentences
fleet      fleet: a row for each of many files
drawing    graph, svg, mermaid, dot, layers: definitions
actions    act (ids), act_on_all and run_all (a filter), start, emit, fork, resolve, purge, pause_schedule, fire, pause_queue

Times are milliseconds since 1970 (UTC), in fields that end in `_at`, `since`, `at`, `begin` and `end`. Stored values are as the engine's tables give them: a text is JSON.
A file without tables is like an empty one everywhere. No query takes longer than 50 ms, unless its function says so; what cannot be counted in that time is None or says that it is not all.
"""
