# The Tcl interface of SQLite. Parameters are Tcl variables: ?1 is written $p1.
package require sqlite3

lassign $argv module lines folder
fconfigure stdout -translation lf

proc connect {name path} {
    global module
    # [load]
    sqlite3 $name $path
    $name enable_load_extension 1
    $name eval {SELECT load_extension($module)}
    $name enable_load_extension 0
    # [/load]
    $name nullvalue "\u0001NULL"
}

proc decode {cell} {
    global kept
    set rest [string range $cell 1 end]
    switch [string index $cell 0] {
        i { return [expr {$rest + 0}] }
        r { return [expr {double($rest)}] }
        t { return [encoding convertfrom utf-8 [binary decode hex $rest]] }
        b { return [binary decode hex $rest] }
        k { return $kept($rest) }
    }
}

proc encode {value} {
    if {$value eq "\u0001NULL"} { return n }
    switch -glob [::tcl::unsupported::representation $value] {
        "*is a bytearray*" { return b[binary encode hex $value] }
        "*is a int*" - "*is a wideInt*" { return i$value }
        "*is a double*" { return r$value }
    }
    return t[binary encode hex [encoding convertto utf-8 $value]]
}

proc run {name sql parameters} {
    set at 0
    foreach cell $parameters {
        incr at
        if {$cell ne "n"} { set p$at [decode $cell] }      ;# a variable that is not set is NULL
    }
    regsub -all {\?(\d+)} $sql {$p\1} sql
    set cells {}
    set count 0
    $name eval $sql row {
        incr count
        foreach column $row(*) { lappend cells $row($column) }
    }
    return [list $count $cells]
}

if {$module eq "version"} {
    sqlite3 db :memory:
    puts [db version]
    exit
}
array set open {}
set input [open $lines]
fconfigure $input -encoding utf-8 -translation lf
while {[gets $input line] >= 0} {
    set fields [lassign [split $line \t] op]
    lassign $fields name sql
    switch $op {
        case {
            foreach each [array names open] { $each close }
            set path $folder/$name.db
            array unset open
            array unset kept
        }
        open { connect $name $path; set open($name) 1 }
        close { $name close; unset open($name) }
        keep { set kept($name) $last }
        default {
            if {[catch { run $name $sql [lrange $fields 2 end] } result]} {
                set code ?
                catch { set code [$name errorcode] }
                puts "!$code\t[binary encode hex [encoding convertto utf-8 $result]]"
            } else {
                lassign $result count cells
                set last [lindex $cells 0]
                puts [join [list =$count {*}[lmap cell $cells { encode $cell }]] \t]
            }
        }
    }
}
foreach each [array names open] { $each close }
