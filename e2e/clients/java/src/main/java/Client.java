import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.exception.SdkServiceException;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;

/**
 * A consumer that uses the AWS SDK for Java v2, unmodified, controlled by lines on standard input. The protocol is
 * that of ../client-process.ts.
 */
public final class Client {
  private static final Duration CALL_TIMEOUT = Duration.ofSeconds(20);
  private static final Pattern CREDENTIAL = Pattern.compile("Credential=([^/]+)/");

  /** The access key that signed the last request. */
  private final AtomicReference<String> used = new AtomicReference<>();
  private final S3Client s3 = newClient();

  public static void main(String[] arguments) throws IOException {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Client client = new Client();
    Map<String, Object> start = new LinkedHashMap<>();
    start.put("op", "start");
    start.put("sdk", "java");
    start.put("version", VersionInfo.SDK_VERSION);
    start.put("runtime", "Java " + System.getProperty("java.version"));
    out.println(json(start));
    String line;
    while ((line = in.readLine()) != null && !line.equals("quit")) {
      String[] words = line.split(" ", 2);
      out.println(json(client.perform(words[0], words.length > 1 ? words[1] : "")));
    }
  }

  private S3Client newClient() {
    S3ClientBuilder builder =
        S3Client.builder()
            .httpClient(UrlConnectionHttpClient.create())
            .forcePathStyle(true)
            .overrideConfiguration(
                override -> {
                  // Otherwise the SDK's own limits are measured.
                  if (!"sdk".equals(System.getenv("CLIENT_LIMITS"))) override.apiCallTimeout(CALL_TIMEOUT);
                  override.addExecutionInterceptor(noteAccessKey());
                });
    // Versions before 2.28 do not read this variable themselves.
    String endpoint = System.getenv("AWS_ENDPOINT_URL_S3");
    return endpoint == null ? builder.build() : builder.endpointOverride(URI.create(endpoint)).build();
  }

  private ExecutionInterceptor noteAccessKey() {
    return new ExecutionInterceptor() {
      @Override
      public void beforeTransmission(
          Context.BeforeTransmission context, ExecutionAttributes attributes) {
        String header = context.httpRequest().firstMatchingHeader("Authorization").orElse("");
        Matcher matcher = CREDENTIAL.matcher(header);
        used.set(matcher.find() ? matcher.group(1) : null);
      }
    };
  }

  private Map<String, Object> perform(String op, String path) {
    used.set(null);
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("op", op);
    answer.put("key", path);
    long startedAt = System.nanoTime();
    answer.putAll(outcome(op, path));
    answer.put("ms", (System.nanoTime() - startedAt) / 1_000_000);
    answer.put("accessKeyId", used.get());
    return answer;
  }

  private Map<String, Object> outcome(String op, String path) {
    try {
      return outcome(call(op, path), null, null);
    } catch (AwsServiceException error) {
      String code = error.awsErrorDetails() == null ? null : error.awsErrorDetails().errorCode();
      return outcome(error.statusCode(), code == null ? "Unknown" : code, error.getMessage());
    } catch (SdkServiceException error) {
      return outcome(error.statusCode(), "CredentialsOrNetwork", error.getMessage());
    } catch (SdkException | IllegalArgumentException | IOException error) {
      return outcome(null, error.getClass().getSimpleName(), error.getMessage());
    }
  }

  private static Map<String, Object> outcome(Integer status, String code, String message) {
    Map<String, Object> outcome = new LinkedHashMap<>();
    outcome.put("status", status);
    outcome.put("code", code);
    outcome.put("message", message);
    return outcome;
  }

  private int call(String op, String path) throws IOException {
    String bucket = path.contains("/") ? path.substring(0, path.indexOf('/')) : path;
    String key = path.substring(Math.min(path.length(), bucket.length() + 1));
    switch (op) {
      case "get":
        try (var body = s3.getObject(request -> request.bucket(bucket).key(key))) {
          body.readAllBytes();
          return body.response().sdkHttpResponse().statusCode();
        }
      case "put":
        return s3.putObject(
                request -> request.bucket(bucket).key(key),
                RequestBody.fromString("written by a client\n"))
            .sdkHttpResponse()
            .statusCode();
      default:
        throw new IllegalArgumentException("op: expected get or put, got " + op);
    }
  }

  private static String json(Map<String, Object> members) {
    StringBuilder text = new StringBuilder("{");
    members.forEach(
        (name, value) -> {
          text.append(text.length() > 1 ? "," : "").append(quoted(name)).append(":");
          text.append(value instanceof String string ? quoted(string) : String.valueOf(value));
        });
    return text.append("}").toString();
  }

  private static String quoted(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    text.chars()
        .forEach(
            character -> {
              if (character == '"' || character == '\\') quoted.append('\\');
              if (character < ' ') quoted.append(String.format("\\u%04x", character));
              else quoted.append((char) character);
            });
    return quoted.append('"').toString();
  }
}
