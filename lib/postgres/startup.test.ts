import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { renderFatalError, renderInt32, takeServerMessage } from './messages.ts';
import {
  readStartupPacket,
  renderCancelRequest,
  renderNegotiation,
  renderStartupPacket,
  SSL_REQUEST_PACKET,
} from './startup.ts';

const packet = (code: number, body: string | Buffer) => {
  const bytes = Buffer.from(body);
  return Buffer.concat([renderInt32(bytes.length + 8), renderInt32(code), bytes]);
};

const startup = (body: string, code = 0x30000) => readStartupPacket(packet(code, body));

const readParameters = (body: string) => {
  const result = startup(body);
  if (result.kind !== 'read' || result.packet.kind !== 'startup') throw new Error('refused');
  return Object.fromEntries(result.packet.parameters);
};

describe('readStartupPacket', () => {
  it('keeps user and database apart: the run decides them', () => {
    const body = 'user\0postgres\0database\0admin\0application_name\0psql\0\0';
    expect(readParameters(body)).toEqual({ application_name: 'psql' });
    expect(readParameters('user\0postgres\0options\0\0\0')).toEqual({ options: '' });
    expect(readParameters('\0')).toEqual({});
    expect(startup(body)).toMatchObject({ packet: { user: 'postgres', database: 'admin' } });
  });

  it.each(['true', 'database', 'off', ''])('refuses replication=%s', (value) => {
    expect(startup(`user\0a\0replication\0${value}\0\0`)).toMatchObject({
      kind: 'refused',
      refusal: { sqlState: '28000' },
    });
  });

  it('recognizes requests of encryption and of cancellation', () => {
    expect(readStartupPacket(SSL_REQUEST_PACKET)).toEqual({
      kind: 'read',
      packet: { kind: 'encryption' },
    });
    expect(readStartupPacket(packet(80877104, ''))).toMatchObject({
      packet: { kind: 'encryption' },
    });
    const key = { pid: 7, secret: -9 };
    expect(readStartupPacket(renderCancelRequest(key))).toEqual({
      kind: 'read',
      packet: { kind: 'cancel', key },
    });
  });

  it('states what it does not speak: a later protocol, and options of one', () => {
    const result = startup('user\0a\0_pq_.x\0y\0\0', 0x30002);
    expect(result).toMatchObject({ packet: { negotiation: { options: ['_pq_.x'] } } });
    expect(result.kind === 'read' && result.packet).not.toHaveProperty('parameters.size', 1);
    const bytes = renderNegotiation({ options: ['_pq_.x'] });
    expect(takeServerMessage(bytes)?.message.type).toBe('v');
  });

  it.each([
    ['protocol 2', packet(0x20000, 'user\0a\0\0')],
    ['a repeated parameter', packet(0x30000, 'user\0a\0user\0b\0\0')],
    ['a name without value', packet(0x30000, 'user\0a\0x\0\0')],
    ['no end', packet(0x30000, 'user\0a')],
    ['bytes that are no UTF-8', packet(0x30000, Buffer.from([0xff, 0, 0x61, 0, 0]))],
    ['bytes behind it', Buffer.concat([SSL_REQUEST_PACKET, Buffer.from('x')])],
    ['a cancel request that is too short', packet(80877102, '1234567')],
    ['a request of TLS with a body', packet(80877103, 'x')],
    ['a length below 8', Buffer.concat([renderInt32(7), renderInt32(0)])],
    ['a length above 10000', Buffer.concat([renderInt32(10_001), renderInt32(0)])],
  ])('refuses %s', (_, bytes) => {
    expect(readStartupPacket(bytes)).toMatchObject({
      kind: 'refused',
      refusal: { sqlState: '08P01' },
    });
  });

  it('waits for the rest of an incomplete packet', () => {
    const bytes = packet(0x30000, 'user\0a\0\0');
    for (let length = 0; length < bytes.length; length += 1) {
      expect(readStartupPacket(bytes.subarray(0, length))).toEqual({ kind: 'incomplete' });
    }
  });

  it('reads what it renders, with the parameters in between unchanged', () => {
    const text = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', ''));
    const names = text.filter(
      (name) => !['', 'user', 'database'].includes(name) && name.toLowerCase() !== 'replication',
    );
    fc.assert(
      fc.property(fc.dictionary(names, text, { maxKeys: 5 }), (parameters) => {
        const given = new Map(
          Object.entries(parameters).filter(([name]) => !name.startsWith('_pq_.')),
        );
        const bytes = renderStartupPacket(given, { user: 'vk_x', database: 'app' });
        expect(readStartupPacket(bytes)).toEqual({
          kind: 'read',
          packet: { kind: 'startup', parameters: given, user: 'vk_x', database: 'app' },
        });
      }),
    );
  });
});

describe('renderStartupPacket', () => {
  it('refuses a text that would end before its end', () => {
    expect(() => renderStartupPacket(new Map(), { user: 'a\0b', database: 'x' })).toThrow('NUL');
  });
});

describe('takeServerMessage', () => {
  it('takes one message and leaves the rest', () => {
    const error = renderFatalError({ sqlState: '28000', message: 'valetkey: no' });
    const taken = takeServerMessage(Buffer.concat([error, Buffer.from('rest')]));
    expect(taken?.message.payload.toString()).toContain('valetkey: no');
    expect(taken?.rest.toString()).toBe('rest');
    expect(takeServerMessage(error.subarray(0, -1))).toBeUndefined();
  });

  it.each([3, 65_537, 0xffffffff])('refuses the length %d', (length) => {
    const bytes = Buffer.alloc(5);
    bytes.writeUInt32BE(length, 1);
    expect(() => takeServerMessage(bytes)).toThrow('expected 4 to');
  });
});
