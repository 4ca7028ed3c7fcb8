import { describe, expect, test } from '@jest/globals';

import { chooseResponseTimeoutMs } from './response-timeout.ts';

const JAVA_MS = 850;
const OTHER_MS = 1800;

/** Headers as the clients send them to a container endpoint, and some that only look like them. */
const cases: [string, string | undefined, number][] = [
  ['the SDK for Java v2', 'aws-sdk-java/2.57.8 os/Linux#6.1 lang/java#17.0.15', JAVA_MS],
  ['the SDK for Java v1', 'aws-sdk-java/1.12.797 Linux/6.1 OpenJDK_64-Bit_Server_VM/17', JAVA_MS],
  ['a Scala client on it', 'aws-sdk-java/2.57.8 Scala/2.13.14 Akka-Http', JAVA_MS],
  ['an application before the SDK for Java', 'spark/4.0 aws-sdk-java/2.57.8', JAVA_MS],
  ['the SDK for Java in other case', 'AWS-SDK-Java/2.57.8', JAVA_MS],
  ['the SDK for Kotlin, which has its own HTTP client', 'aws-sdk-kotlin/1.5.0 ua/2.1', OTHER_MS],
  ['the SDK for JavaScript, whose name begins alike', 'aws-sdk-javascript/3.0', OTHER_MS],
  ['a product that only contains the name', 'not-aws-sdk-java/2.0', OTHER_MS],
  ['botocore', 'python-urllib3/2.8.0', OTHER_MS],
  ['the SDK for Go', 'Go-http-client/1.1', OTHER_MS],
  ['the SDK for C++', 'aws-sdk-cpp/1.11.900 ua/2.0 md/aws-crt#0.44.1', OTHER_MS],
  ['object_store', 'object_store/0.14.2', OTHER_MS],
  ['an unknown client', 'anything', OTHER_MS],
  ['an empty header', '', OTHER_MS],
  ['no header (OpenDAL, the SDK for JavaScript)', undefined, OTHER_MS],
];

describe('chooseResponseTimeoutMs', () => {
  test.each(cases)('waits as long as its client reads: %s', (_, userAgent, expected) => {
    expect(chooseResponseTimeoutMs(userAgent)).toBe(expected);
  });
});
