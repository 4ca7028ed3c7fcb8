import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/**
 * Sends one request with the HttpClient of the JDK and its defaults: over plain HTTP it asks the server to change to
 * HTTP/2 (Upgrade: h2c). Arguments: method, URL, body, and names and values of headers in turn. Prints the version that
 * it asked for, that of the response, the status, and the body, one per line.
 */
public final class Upgrade {
  public static void main(String[] arguments) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(arguments[1]));
    // Without a body it is GET.
    if (!arguments[2].isEmpty()) {
      request.method(arguments[0], HttpRequest.BodyPublishers.ofString(arguments[2]));
    }
    for (int index = 3; index < arguments.length; index += 2) {
      request.header(arguments[index], arguments[index + 1]);
    }
    HttpResponse<String> response =
        client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    System.out.println(client.version());
    System.out.println(response.version());
    System.out.println(response.statusCode());
    System.out.print(response.body());
  }
}
