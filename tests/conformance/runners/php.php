<?php
// The class SQLite3. query() and execute() step a statement once and again when rows are fetched: a call would be made twice. querySingle() steps once,
// and takes no parameters: they are written into the text, as literals.
[, $module, $lines, $folder] = $argv + [null, null, null, null];

function connect(string $path, string $module): SQLite3 {
    // [load]
    // php.ini, or -d on the command line: sqlite3.extension_dir = <the folder of the module>
    $db = new SQLite3($path);
    $db->enableExceptions(true);
    $db->loadExtension(basename($module));
    // [/load]
    return $db;
}

function decode(string $cell, array $kept) {
    $rest = substr($cell, 1);
    switch ($cell[0]) {
        case "n": return "NULL";
        case "i": return $rest === "-9223372036854775808" ? "(-9223372036854775807 - 1)" : $rest;
        case "r": return $rest;
        case "t": return "CAST(x'$rest' AS TEXT)";
        case "b": return "x'$rest'";
        default: return is_int($kept[$rest]) ? (string) $kept[$rest] : "CAST(x'" . bin2hex($kept[$rest]) . "' AS TEXT)";
    }
}

function encode($value, ?int $type = null): string {
    if ($value === null) return "n";
    if (is_int($value)) return "i$value";
    if (is_float($value)) return "r" . json_encode($value);
    return ($type === null ? "u" : ($type === SQLITE3_BLOB ? "b" : "t")) . bin2hex($value);
}

function run(SQLite3 $db, string $sql, array $parameters): array {
    $text = preg_replace_callback('/\?(\d+)/', fn($found) => $parameters[$found[1] - 1], $sql);
    // [call]
    if (preg_match('/wf_\w+\((?!.* FROM json_each)/', $text)) {     // a call: once, and its only row
        $row = $db->querySingle($text, true);
        return $row === [] ? [] : [array_map("encode", array_values($row))];
    }
    // [/call]
    $rows = [];
    $result = $db->query($text);
    while ($result->numColumns() && ($row = $result->fetchArray(SQLITE3_NUM))) {
        $cells = [];
        foreach ($row as $at => $value) $cells[] = encode($value, $result->columnType($at));
        $rows[] = $cells;
    }
    return $rows;
}

function first(array $rows) {
    if (!$rows) return null;
    $cell = $rows[0][0];
    return $cell === "n" ? null : ($cell[0] === "i" ? (int) substr($cell, 1) : hex2bin(substr($cell, 1)));
}

if ($module === "version") {
    echo SQLite3::version()["versionString"], "\n";
    exit;
}
$path = null;
$open = $kept = [];
$last = null;
foreach (explode("\n", rtrim(file_get_contents($lines), "\n")) as $line) {
    $fields = explode("\t", $line);
    switch ($fields[0]) {
        case "case":
            foreach ($open as $db) @$db->close();
            [$path, $open, $kept] = ["$folder/$fields[1].db", [], []];
            break;
        case "open": $open[$fields[1]] = connect($path, $module); break;
        case "close": $open[$fields[1]]->close(); break;
        case "keep": $kept[$fields[1]] = $last; break;
        default:
            try {
                $parameters = array_map(fn($cell) => decode($cell, $kept), array_slice($fields, 3));
                $rows = run($open[$fields[1]], $fields[2], $parameters);
                $last = first($rows);
                echo implode("\t", ["=" . count($rows), ...array_merge(...$rows)]), "\n";
            } catch (Throwable $error) {
                $code = isset($open[$fields[1]]) ? @$open[$fields[1]]->lastExtendedErrorCode() : 0;
                echo "!" . ($code ?: "?") . "\t" . bin2hex($error->getMessage()), "\n";
            }
    }
}
