# DBD::SQLite. A value has no type in Perl: text of a result is u, whatever it was in SQLite.
use strict;
use warnings;
use B;
use DBI qw(:sql_types);
use DBD::SQLite;
use DBD::SQLite::Constants qw(:dbd_sqlite_string_mode);

my ($module, $lines, $folder) = @ARGV;
if ($module eq "version") { print "$DBD::SQLite::sqlite_version\n"; exit }

sub connect_to {
    my ($path) = @_;
    # [load]
    my $db = DBI->connect("dbi:SQLite:dbname=$path", "", "",
        { RaiseError => 1, PrintError => 0, sqlite_string_mode => DBD_SQLITE_STRING_MODE_UNICODE_STRICT });
    $db->sqlite_enable_load_extension(1);
    $db->sqlite_load_extension($module);
    $db->sqlite_enable_load_extension(0);
    # [/load]
    return { db => $db, statements => {} };
}

sub decode {
    my ($cell, $kept) = @_;
    my ($kind, $rest) = (substr($cell, 0, 1), substr($cell, 1));
    return (undef, SQL_VARCHAR) if $kind eq "n";
    return (int($rest), SQL_INTEGER) if $kind eq "i";
    return ($rest + 0, SQL_DOUBLE) if $kind eq "r";
    return (pack("H*", $rest), SQL_BLOB) if $kind eq "b";
    return ($kept->{$rest}, $kept->{$rest} =~ /^\d+$/ ? SQL_INTEGER : SQL_VARCHAR) if $kind eq "k";
    my $text = pack("H*", $rest);
    utf8::decode($text);
    return ($text, SQL_VARCHAR);
}

sub encode {
    my ($value) = @_;
    return "n" unless defined $value;
    my $flags = B::svref_2object(\$value)->FLAGS;
    return "i$value" if $flags & B::SVf_IOK;
    return sprintf("r%.17g", $value) if $flags & B::SVf_NOK;
    utf8::encode($value) if utf8::is_utf8($value);
    return "u" . unpack("H*", $value);
}

sub run {
    my ($connection, $sql, $parameters, $reuse) = @_;
    my $statement = $reuse ? ($connection->{statements}{$sql} ||= $connection->{db}->prepare($sql)) : $connection->{db}->prepare($sql);
    my $at = 0;
    $statement->bind_param(++$at, $_->[0], $_->[1]) for @$parameters;
    $statement->execute;
    return $statement->{NUM_OF_FIELDS} ? $statement->fetchall_arrayref : [];
}

my ($path, %open, %kept, $last);
open(my $input, "<", $lines) or die $!;
while (my $line = <$input>) {
    chomp $line;
    my ($op, @fields) = split /\t/, $line, -1;
    if ($op eq "case") {
        for (values %open) { $_->{statements} = {}; $_->{db}->disconnect }
        ($path, %kept) = ("$folder/$fields[0].db");
        %open = ();
    } elsif ($op eq "open") {
        $open{$fields[0]} = connect_to($path);
    } elsif ($op eq "close") {
        $open{$fields[0]}{statements} = {};
        $open{$fields[0]}{db}->disconnect;
    } elsif ($op eq "keep") {
        $kept{$fields[0]} = $last;
    } else {
        my $connection = $open{$fields[0]};
        my $sql = $fields[1];
        utf8::decode($sql);
        my $rows = eval { run($connection, $sql, [map { [decode($_, \%kept)] } @fields[2 .. $#fields]], $op eq "reuse") };
        if (!$rows) {
            my $message = $connection->{db}->errstr || $@;
            utf8::encode($message) if utf8::is_utf8($message);
            print "!", ($connection->{db}->err || "?"), "\t", unpack("H*", $message), "\n";
            next;
        }
        $last = @$rows ? $rows->[0][0] : undef;
        print join("\t", "=" . @$rows, map { map { encode($_) } @$_ } @$rows), "\n";
    }
}
