/** The test's token server: what the test uses of it. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http';

  type TokenContext = {
    readonly oidc: { readonly params: Record<string, string>; readonly client: unknown };
    body: unknown;
  };

  export default class Provider {
    constructor(issuer: string, configuration: object);
    readonly ClientCredentials: new (token: { client: unknown; scope: string }) => {
      save: (lifetimeSeconds: number) => Promise<string>;
    };
    registerGrantType(
      name: string,
      handle: (context: TokenContext) => Promise<void>,
      params: readonly string[],
    ): void;
    on(event: string, listener: (token: { jti: string }) => void): void;
    callback(): RequestListener;
  }
}
