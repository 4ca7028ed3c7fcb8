import { describe, expect, it } from '@jest/globals';

import { createServer } from 'node:net';

import { findFreePorts } from './free-ports.ts';

describe('findFreePorts', () => {
  it('finds different ports that no listener on port 0 and no outgoing connection gets', async () => {
    const ports = await findFreePorts(20);
    expect(new Set(ports).size).toBe(20);
    expect(Math.max(...ports)).toBeLessThan(30_000);
  });

  it('finds ports that can be listened on', async () => {
    const [port = 0] = await findFreePorts(1);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    await new Promise((resolve) => server.close(resolve));
  });
});
