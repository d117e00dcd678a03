//! rusqlite.
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, LoadExtensionGuard, Result};
use std::collections::HashMap;
use std::fmt::Write;

fn connect(path: &str, module: &str) -> Result<Connection> {
    // [load]
    let db = Connection::open(path)?;
    unsafe {
        let _allowed = LoadExtensionGuard::new(&db)?;
        db.load_extension(module, None::<&str>)?;
    }
    // [/load]
    Ok(db)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn decode(cell: &str, kept: &HashMap<String, Value>) -> Value {
    let rest = &cell[1..];
    match &cell[..1] {
        "i" => Value::Integer(rest.parse().unwrap()),
        "r" => Value::Real(rest.parse().unwrap()),
        "t" => Value::Text(String::from_utf8(bytes(rest)).unwrap()),
        "b" => Value::Blob(bytes(rest)),
        "k" => kept[rest].clone(),
        _ => Value::Null,
    }
}

fn encode(value: ValueRef) -> String {
    match value {
        ValueRef::Null => "n".into(),
        ValueRef::Integer(number) => format!("i{number}"),
        ValueRef::Real(number) => format!("r{number:?}"),
        ValueRef::Text(text) => format!("t{}", hex(text)),
        ValueRef::Blob(blob) => format!("b{}", hex(blob)),
    }
}

/// How many rows, their cells, and the first of them.
fn run(db: &Connection, sql: &str, parameters: Vec<Value>, reuse: bool) -> Result<(usize, Vec<String>, Value)> {
    let mut fresh;
    let mut cached;
    let statement = if reuse {
        cached = db.prepare_cached(sql)?;
        &mut *cached
    } else {
        fresh = db.prepare(sql)?;
        &mut fresh
    };
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    let (mut count, mut cells, mut first) = (0, vec![], Value::Null);
    while let Some(row) = rows.next()? {
        if count == 0 && columns > 0 {
            first = row.get(0)?;
        }
        count += 1;
        for at in 0..columns {
            cells.push(encode(row.get_ref(at)?));
        }
    }
    Ok((count, cells, first))
}

fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().collect();
    if given[1] == "version" {
        println!("{}", rusqlite::version());
        return Ok(());
    }
    let lines = std::fs::read_to_string(&given[2]).unwrap();
    let (mut path, mut last, mut out) = (String::new(), Value::Null, String::new());
    // (What is closed is gone: the compiler lets nobody use it.)
    let mut open: HashMap<String, Connection> = HashMap::new();
    let mut kept: HashMap<String, Value> = HashMap::new();
    for line in lines.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[0] {
            "case" => {
                open.clear();
                kept.clear();
                path = format!("{}/{}.db", given[3], fields[1]);
            }
            "open" => drop(open.insert(fields[1].into(), connect(&path, &given[1])?)),
            "close" => drop(open.remove(fields[1])),
            "keep" => drop(kept.insert(fields[1].into(), last.clone())),
            op => {
                let parameters = fields[3..].iter().map(|cell| decode(cell, &kept)).collect();
                let Some(db) = open.get(fields[1]) else {
                    writeln!(out, "!?\t{}", hex(b"closed")).unwrap();
                    continue;
                };
                match run(db, fields[2], parameters, op == "reuse") {
                    Ok((count, cells, first)) => {
                        last = first;
                        writeln!(out, "{}", [vec![format!("={count}")], cells].concat().join("\t")).unwrap();
                    }
                    Err(error) => {
                        let code = error.sqlite_error().map_or("?".into(), |known| known.extended_code.to_string());
                        writeln!(out, "!{code}\t{}", hex(error.to_string().as_bytes())).unwrap();
                    }
                }
            }
        }
    }
    print!("{out}");
    Ok(())
}
