/** `newest` of each registry, or the `oldest` that knows the token file and asks again on 503. */
export type SdkVersion = 'newest' | 'oldest';

/** What tells the editions apart, per language; versions stand in the files named. */
export const sdkVersions = {
  newest: {
    requirements: 'requirements.txt',
    goModule: 'go.mod',
    /** As the project file says. */
    javaSdk: undefined,
    /** As our own package.json says. */
    javascriptSdk: undefined,
  },
  oldest: {
    requirements: 'requirements.oldest.txt',
    goModule: 'oldest.mod',
    javaSdk: '2.21.33',
    javascriptSdk: '3.503.1',
  },
} as const satisfies Record<SdkVersion, object>;
