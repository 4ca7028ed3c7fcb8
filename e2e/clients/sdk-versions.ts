/** The `newest` version, or the `oldest` one that reads the token file and retries after 503. */
export type SdkVersion = 'newest' | 'oldest';

/** What differs between the versions, for each language; the named files list version numbers. */
export const sdkVersions = {
  newest: {
    requirements: 'requirements.txt',
    goModule: 'go.mod',
    /** From pom.xml. */
    javaSdk: undefined,
    /** From our own package.json. */
    javascriptSdk: undefined,
  },
  oldest: {
    requirements: 'requirements.oldest.txt',
    goModule: 'oldest.mod',
    javaSdk: '2.21.33',
    javascriptSdk: '3.503.1',
  },
} as const satisfies Record<SdkVersion, object>;
