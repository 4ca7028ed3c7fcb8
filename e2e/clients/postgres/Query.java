import java.sql.DriverManager;

/** Prints the result of one query: URL, password, query. */
class Query {
    public static void main(String[] args) throws Exception {
        try (var connection = DriverManager.getConnection(args[0], "anyone", args[1]);
                var statement = connection.createStatement();
                var result = statement.executeQuery(args[2])) {
            result.next();
            System.out.println(result.getString(1));
        }
    }
}
