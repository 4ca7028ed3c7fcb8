import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.awscore.client.builder.AwsSyncClientBuilder;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.sqs.SqsClient;

/**
 * Calls an endpoint that refuses, with clients of the AWS SDK for Java v2 for DynamoDB and SQS, and prints what each
 * raises: one JSON line each, as botocore_refusals.py does.
 *
 * <p>Arguments: the endpoint, and codes of refusals. The access key ID of a call says which code is expected.
 */
public final class Refusals {
  public static void main(String[] arguments) {
    URI endpoint = URI.create(arguments[0]);
    for (String code : List.of(arguments).subList(1, arguments.length)) {
      try (DynamoDbClient dynamoDb = configure(DynamoDbClient.builder(), endpoint, code).build();
          SqsClient sqs = configure(SqsClient.builder(), endpoint, code).build()) {
        print(code, "json 1.0", "dynamodb", () -> getItem(dynamoDb));
        print(code, "json with query errors", "sqs", () -> sendMessage(sqs));
      }
    }
  }

  private static <B extends AwsClientBuilder<B, C> & AwsSyncClientBuilder<B, C>, C> B configure(
      B builder, URI endpoint, String code) {
    return builder
        .region(Region.EU_CENTRAL_1)
        .endpointOverride(endpoint)
        .credentialsProvider(
            StaticCredentialsProvider.create(AwsBasicCredentials.create(code, "secret")))
        .httpClient(UrlConnectionHttpClient.create())
        .overrideConfiguration(
            override -> override.retryStrategy(DefaultRetryStrategy.doNotRetry()));
  }

  private static void getItem(DynamoDbClient client) {
    Map<String, AttributeValue> key = Map.of("id", AttributeValue.fromS("1"));
    client.getItem(request -> request.tableName("orders").key(key));
  }

  private static void sendMessage(SqsClient client) {
    client.sendMessage(request -> request.queueUrl("http://h/1/q").messageBody("m"));
  }

  private static void print(String code, String protocol, String service, Runnable call) {
    Map<String, String> names = Map.of("code", code, "protocol", protocol, "service", service);
    System.out.println("{" + members(names) + ",\"raised\":" + raise(call) + "}");
  }

  /** Null for what is no error of AWS. */
  private static String raise(Runnable call) {
    try {
      call.run();
      return "null";
    } catch (AwsServiceException error) {
      return describe(error);
    }
  }

  private static String describe(AwsServiceException error) {
    var details = error.awsErrorDetails();
    var response = details.sdkHttpResponse();
    Map<String, String> texts = new LinkedHashMap<>();
    texts.put("awsCode", details.errorCode());
    texts.put("message", details.errorMessage());
    texts.put("requestId", error.requestId());
    texts.put("valetkeyCode", response.firstMatchingHeader("x-valetkey-code").orElse(null));
    texts.put("refusal", response.firstMatchingHeader("x-valetkey-refusal").orElse(null));
    return "{" + members(texts) + ",\"status\":" + error.statusCode() + "}";
  }

  private static String members(Map<String, String> texts) {
    return texts.entrySet().stream()
        .map(each -> quote(each.getKey()) + ":" + quote(each.getValue()))
        .collect(Collectors.joining(","));
  }

  private static String quote(String text) {
    if (text == null) return "null";
    return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
  }
}
