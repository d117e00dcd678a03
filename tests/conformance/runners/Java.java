// org.xerial:sqlite-jdbc.
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.sql.*;
import java.util.*;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteException;

public class Java {
  static Connection connect(String path, String module) throws SQLException {
    // [load]
    SQLiteConfig config = new SQLiteConfig();
    config.enableLoadExtension(true);
    Connection db = DriverManager.getConnection("jdbc:sqlite:" + path, config.toProperties());
    try (PreparedStatement load = db.prepareStatement("SELECT load_extension(?)")) {
      load.setString(1, module);
      load.execute();
    }
    // [/load]
    return db;
  }

  static Object decode(String cell, Map<String, Object> kept) {
    String rest = cell.substring(1);
    switch (cell.charAt(0)) {
      case 'i': return Long.parseLong(rest);
      case 'r': return Double.parseDouble(rest);
      case 't': return new String(HexFormat.of().parseHex(rest), StandardCharsets.UTF_8);
      case 'b': return HexFormat.of().parseHex(rest);
      case 'k': return kept.get(rest);
      default: return null;
    }
  }

  static String encode(Object value) {
    if (value == null) return "n";
    if (value instanceof Integer || value instanceof Long) return "i" + value;
    if (value instanceof Number) return "r" + value;
    if (value instanceof String) return "t" + HexFormat.of().formatHex(((String) value).getBytes(StandardCharsets.UTF_8));
    return "b" + HexFormat.of().formatHex((byte[]) value);
  }

  static List<Object[]> run(Connection db, Map<String, PreparedStatement> statements, String sql, Object[] parameters, boolean reuse) throws SQLException {
    PreparedStatement statement = reuse ? statements.get(sql) : null;
    if (statement == null) statement = db.prepareStatement(sql);
    if (reuse) statements.put(sql, statement);
    try {
      for (int at = 0; at < parameters.length; at++) statement.setObject(at + 1, parameters[at]);
      List<Object[]> rows = new ArrayList<>();
      if (!statement.execute()) return rows;
      try (ResultSet found = statement.getResultSet()) {
        int columns = found.getMetaData().getColumnCount();
        while (found.next()) {
          Object[] row = new Object[columns];
          for (int at = 0; at < columns; at++) row[at] = found.getObject(at + 1);
          rows.add(row);
        }
      }
      return rows;
    } finally {
      if (!reuse) statement.close();
    }
  }

  public static void main(String[] given) throws Exception {
    if (given[0].equals("version")) {
      try (Connection db = DriverManager.getConnection("jdbc:sqlite::memory:"); ResultSet row = db.createStatement().executeQuery("SELECT sqlite_version()")) {
        System.out.println(row.getString(1));
      }
      return;
    }
    String path = null;
    Map<String, Connection> open = new HashMap<>();
    Map<String, Map<String, PreparedStatement>> statements = new HashMap<>();
    Map<String, Object> kept = new HashMap<>();
    Object last = null;
    StringBuilder out = new StringBuilder();
    for (String line : Files.readString(Path.of(given[1])).split("\n")) {
      String[] fields = line.split("\t", -1);
      switch (fields[0]) {
        case "case":
          for (Connection db : open.values()) db.close();
          path = given[2] + "/" + fields[1] + ".db";
          open.clear();
          kept.clear();
          break;
        case "open":
          open.put(fields[1], connect(path, given[0]));
          statements.put(fields[1], new HashMap<>());
          break;
        case "close":
          open.get(fields[1]).close();
          break;
        case "keep":
          kept.put(fields[1], last);
          break;
        default:
          Object[] parameters = new Object[fields.length - 3];
          for (int at = 0; at < parameters.length; at++) parameters[at] = decode(fields[at + 3], kept);
          try {
            List<Object[]> rows = run(open.get(fields[1]), statements.get(fields[1]), fields[2], parameters, fields[0].equals("reuse"));
            last = rows.isEmpty() ? null : rows.get(0)[0];
            out.append("=").append(rows.size());
            for (Object[] row : rows) for (Object value : row) out.append("\t").append(encode(value));
            out.append("\n");
          } catch (Exception error) {
            String code = error instanceof SQLiteException ? String.valueOf(((SQLiteException) error).getResultCode().code) : "?";
            String message = String.valueOf(error.getMessage());
            out.append("!").append(code).append("\t").append(HexFormat.of().formatHex(message.getBytes(StandardCharsets.UTF_8))).append("\n");
          }
      }
    }
    for (Connection db : open.values()) db.close();
    System.out.print(out);
  }
}
