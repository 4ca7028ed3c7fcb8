import workers from 'node:worker_threads';
import zlib from 'node:zlib';

/**
 * The Kubernetes client library loads undici, which reads these two functions on import. Node 20 does
 * not have them. Our code does not use undici, so empty functions suffice. Import this module first.
 */
type Missing = Record<string, (() => void) | undefined>;
(zlib as unknown as Missing)['createZstdDecompress'] ??= () => undefined;
(workers as unknown as Missing)['markAsUncloneable'] ??= () => undefined;
