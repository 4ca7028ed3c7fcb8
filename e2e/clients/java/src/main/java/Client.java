import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
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
  /** Whether a body was sent in chunks (aws-chunked) since it was reset. */
  private final AtomicBoolean isChunked = new AtomicBoolean();
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
        String payload = context.httpRequest().firstMatchingHeader("x-amz-content-sha256").orElse("");
        if (payload.startsWith("STREAMING-")) isChunked.set(true);
      }
    };
  }

  private Map<String, Object> perform(String op, String path) {
    used.set(null);
    isChunked.set(false);
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("op", op);
    answer.put("key", path);
    long startedAt = System.nanoTime();
    answer.putAll(outcome(op, path));
    answer.put("ms", (System.nanoTime() - startedAt) / 1_000_000);
    answer.put("accessKeyId", used.get());
    answer.put("isChunked", isChunked.get());
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
        read(bucket, key);
        return 200;
      case "put":
        write(bucket, key, "written by a client\n".getBytes(StandardCharsets.UTF_8));
        return 200;
      case "roundtrip":
        String[] words = key.split(" ", 2);
        readBack(bucket, words[0], Integer.parseInt(words[1]));
        return 200;
      default:
        throw new IllegalArgumentException("op: expected get, put or roundtrip, got " + op);
    }
  }

  private byte[] read(String bucket, String key) throws IOException {
    try (var body = s3.getObject(request -> request.bucket(bucket).key(key))) {
      return body.readAllBytes();
    }
  }

  private void write(String bucket, String key, byte[] body) {
    s3.putObject(request -> request.bucket(bucket).key(key), RequestBody.fromBytes(body));
  }

  /** Writes an object of random bytes, and expects to read the same. */
  private void readBack(String bucket, String key, int length) throws IOException {
    byte[] body = new byte[length];
    new Random().nextBytes(body);
    write(bucket, key, body);
    byte[] got = read(bucket, key);
    if (!Arrays.equals(got, body)) {
      throw new IOException(
          "expected the " + length + " bytes that were written, got " + got.length + " others");
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
