import type { RequestListener } from 'node:http';

import type { ReconcileLoop } from '../async/reconcile-loop.ts';
import type { ServingCertificate } from '../certificate/serving-certificate.ts';
import type { Address } from '../config/addresses.ts';
import type { Log, LogFields } from '../contract/log.ts';
import type { Usage } from '../contract/usage.ts';
import {
  createCertificateListener,
  listenPlaintext,
  type CertificateListener,
} from '../edge/http/certificate-listener.ts';
import { createHttpsServer, type HttpsServerOptions } from '../edge/http/https-server.ts';
import { createMetricsServer, type MetricsServerDeps } from '../edge/telemetry/metrics-server.ts';
import type { CertificateObserver } from './certificates.ts';
import { toErrorFields } from './error-fields.ts';
import type { Readiness } from './readiness.ts';

/** An address to listen on, and the name of its setting. */
type ListenTarget = { readonly setting: string; readonly address: Address };

export type LifecycleOptions = {
  /** Fields of the log lines about start and shutdown. */
  readonly logFields: LogFields;
  readonly listen: ListenTarget;
  readonly telemetry: ListenTarget;
  /** Milliseconds. Together they must be shorter than the pod's termination grace period. */
  readonly timings: {
    /** After a shutdown began: how long old connections are still served, so that clients move on. */
    readonly lingerMs: number;
    /** After that: how long requests in progress may take. */
    readonly graceMs: number;
  };
};

export type LifecycleDeps = {
  readonly readiness: Pick<Readiness, 'setCertificate' | 'drain' | 'unready'>;
  readonly metrics: Pick<MetricsServerDeps, 'render'> & {
    readonly certificate: (serving: ServingCertificate) => void;
    readonly reconcileFailed: (controller: 'certificate') => void;
    readonly measureCapacity: (resource: 'connections', read: () => Usage) => void;
    readonly trustBundlesMissingNextCa?: (count: number) => void;
  };
  readonly log: Log;
};

/** The program behind the HTTPS port. */
export type ServedProgram = {
  readonly handler: RequestListener;
  readonly limits?: Partial<HttpsServerOptions>;
  readonly startCertificates: (observer: CertificateObserver) => Pick<ReconcileLoop, 'stop'>;
  /** Ends what outlives a request, while the server drains. */
  readonly drain?: () => Promise<void>;
  /** Called when no request is in progress. */
  readonly stop: () => void | Promise<void>;
};

export type RunningServer = {
  /** Ports that it listens on; HTTPS only after the first certificate. */
  readonly ports: () => { readonly https: number | undefined; readonly telemetry: number };
  /** Becomes unready, drains, and stops. Later calls return the same promise. */
  readonly drain: () => Promise<void>;
};

export type Telemetry = {
  /** Serves the program over HTTPS from the first certificate on. */
  readonly serve: (program: ServedProgram) => RunningServer;
};

/**
 * Starts the life of a server: telemetry listens immediately; `serve` adds the program when its
 * components exist.
 *
 * @throws LoggableError if the telemetry address cannot be listened on
 */
export const startTelemetry = async (
  options: LifecycleOptions,
  deps: LifecycleDeps,
): Promise<Telemetry> => {
  const { render } = deps.metrics;
  const { unready } = deps.readiness;
  const plaintext = createMetricsServer({ render, unready });
  const port = await listenPlaintext(plaintext, options.telemetry);
  const stop = (): void => {
    plaintext.close();
    plaintext.closeAllConnections();
  };
  return { serve: (program) => startServing(program, { port, stop }, { options, deps }) };
};

const startServing = (
  program: ServedProgram,
  telemetry: { readonly port: number; readonly stop: () => void },
  { options, deps }: { readonly options: LifecycleOptions; readonly deps: LifecycleDeps },
): RunningServer => {
  const { readiness, metrics, log } = deps;
  const server = createHttpsServer(program.handler, program.limits);
  metrics.measureCapacity('connections', server.connections);
  const listener = createCertificateListener(server, {
    listen: options.listen,
    onUse: ({ notAfter }) =>
      log.info('certificate in use', { notAfter: new Date(notAfter).toISOString() }),
  });
  const certificates = program.startCertificates(createCertificateObserver(listener, deps));
  log.info('server started', options.logFields);
  const shutdown = async (): Promise<void> => {
    readiness.drain();
    log.info('shutdown started', options.logFields);
    await Promise.all([server.drain(options.timings), program.drain?.()]);
    certificates.stop();
    await program.stop();
    telemetry.stop();
  };
  let shutdownPromise: Promise<void> | undefined;
  return {
    ports: () => ({ https: listener.port(), telemetry: telemetry.port }),
    drain: () => (shutdownPromise ??= shutdown()),
  };
};

const createCertificateObserver = (
  listener: CertificateListener,
  { readiness, metrics, log }: LifecycleDeps,
): CertificateObserver => ({
  onStep: (step, faults) => log.info('certificate rotation step', { step, faults }),
  onServing: (serving) => {
    listener.use(serving);
    metrics.certificate(serving);
    readiness.setCertificate(serving);
  },
  onBundlesMissingNextCa: (count) => metrics.trustBundlesMissingNextCa?.(count),
  onFailure: (error) => {
    metrics.reconcileFailed('certificate');
    log.warn('certificate renewal failed', toErrorFields(error));
  },
});
