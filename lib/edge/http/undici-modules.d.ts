// The parts of undici that the sidecar needs: its index loads fetch, WebSocket and more, which costs
// memory in every pod.
declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici';
  export default Pool;
}

declare module 'undici/lib/api/api-request.js' {
  import type { Dispatcher } from 'undici';
  export default function request(
    this: Dispatcher,
    options: Dispatcher.RequestOptions,
  ): Promise<Dispatcher.ResponseData>;
}

declare module 'undici/lib/core/connect.js' {
  import type { Socket } from 'node:net';
  import type { buildConnector } from 'undici';
  export default function createConnector(
    options?: buildConnector.BuildOptions,
  ): (...parameters: Parameters<buildConnector.connector>) => Socket;
}
