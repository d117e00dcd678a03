# The gem sqlite3.
require "sqlite3"

mod, lines, folder = ARGV

def connect(path, mod)
  # [load]
  db = SQLite3::Database.new(path)
  db.enable_load_extension(true)
  db.load_extension(mod)
  db.enable_load_extension(false)
  # [/load]
  { db: db, statements: {} }
end

def decode(cell, kept)
  rest = cell[1..]
  case cell[0]
  when "i" then rest.to_i
  when "r" then rest.to_f
  when "t" then [rest].pack("H*").force_encoding("UTF-8")
  when "b" then SQLite3::Blob.new([rest].pack("H*"))
  when "k" then kept[rest]
  end
end

def encode(value)
  case value
  when nil then "n"
  when Integer then "i#{value}"
  when Float then "r#{value}"
  else (value.encoding == Encoding::UTF_8 ? "t" : "b") + value.unpack1("H*")
  end
end

def run(connection, sql, parameters, reuse)
  statement = reuse ? (connection[:statements][sql] ||= connection[:db].prepare(sql)) : connection[:db].prepare(sql)
  statement.reset!
  statement.bind_params(*parameters)
  statement.map { |row| row.to_a }
ensure
  statement.close if statement && !reuse && !statement.closed?
end

def close(connection)
  connection[:statements].each_value { |statement| statement.close unless statement.closed? }
  connection[:db].close unless connection[:db].closed?
end

if mod == "version"
  puts SQLite3::SQLITE_LOADED_VERSION rescue puts SQLite3::SQLITE_VERSION
  exit
end
path, open, kept, last = nil, {}, {}, nil
File.foreach(lines, encoding: "UTF-8", chomp: true) do |line|
  op, *fields = line.split("\t", -1)
  case op
  when "case"
    open.each_value { |connection| close(connection) }
    path, open, kept = "#{folder}/#{fields[0]}.db", {}, {}
  when "open" then open[fields[0]] = connect(path, mod)
  when "close" then close(open[fields[0]])
  when "keep" then kept[fields[0]] = last
  else
    begin
      rows = run(open[fields[0]], fields[1], fields[2..].map { |cell| decode(cell, kept) }, op == "reuse")
      last = rows.empty? ? nil : rows[0][0]
      puts ["=#{rows.size}", *rows.flatten(1).map { |value| encode(value) }].join("\t")
    rescue StandardError => error
      puts "!#{error.respond_to?(:code) && error.code || '?'}\t#{error.message.unpack1('H*')}"
    end
  end
end
open.each_value { |connection| close(connection) }
