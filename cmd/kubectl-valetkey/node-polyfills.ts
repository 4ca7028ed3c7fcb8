import workers from 'node:worker_threads';
import zlib from 'node:zlib';

/**
 * The Kubernetes client library loads undici, which takes these two at once and which Node 20 lacks.
 * Nothing of ours speaks through undici: what is missing is only to be there. Imported first.
 */
type Missing = Record<string, (() => void) | undefined>;
(zlib as unknown as Missing)['createZstdDecompress'] ??= () => undefined;
(workers as unknown as Missing)['markAsUncloneable'] ??= () => undefined;
