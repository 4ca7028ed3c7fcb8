import { describe, expect, it } from '@jest/globals';
import { createCancelRequests } from './cancel-requests.ts';
import { renderInt32, renderText, type ServerMessage } from './messages.ts';
import { buildScramVerifier, createScramClient } from './scram.ts';
import { createServerLogin } from './server-login.ts';

// The example of RFC 7677, section 3, where the user is not empty.
const NONCE = 'rOprNGfwEbeRWgbNEkqO';
const SERVER_FIRST =
  'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';

const newScram = () => createScramClient({ password: 'pencil', nonce: NONCE });

const authentication = (kind: number, text: string | Buffer = ''): ServerMessage => ({
  type: 'R',
  payload: Buffer.concat([renderInt32(kind), Buffer.from(text)]),
});

const OFFER = authentication(10, 'SCRAM-SHA-256\0\0');

describe('buildScramVerifier', () => {
  it('builds what PostgreSQL stores', () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    expect(buildScramVerifier('pencil', salt)).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$' +
        'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
  });
});

describe('createScramClient', () => {
  it.each([
    ['another nonce', SERVER_FIRST.replace('rOpr', 'xOpr')],
    ['no nonce of the server', `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['few iterations', SERVER_FIRST.replace('4096', '1')],
    ['iterations for hours', SERVER_FIRST.replace('4096', '999999999')],
    ['an extension', `m=x,${SERVER_FIRST}`],
    ['nothing', ''],
  ])('refuses %s', (_, message) => {
    expect(() => newScram().getClientFinal(message)).toThrow('SCRAM: expected');
  });

  it('binds to the channel if the server offers it', () => {
    const binding = Buffer.from('hash');
    const scram = createScramClient({ password: 'pencil', nonce: NONCE }, binding);
    expect(scram.mechanism).toBe('SCRAM-SHA-256-PLUS');
    const bound = Buffer.from('p=tls-server-end-point,,hash').toString('base64');
    expect(scram.getClientFinal(SERVER_FIRST)).toMatch(new RegExp(`^c=${bound},r=`));
  });

  it('accepts no proof before the exchange, nor another', () => {
    const scram = newScram();
    expect(scram.isServerFinal('v=')).toBe(false);
    scram.getClientFinal(SERVER_FIRST);
    expect(scram.isServerFinal(`v=${Buffer.alloc(32).toString('base64')}`)).toBe(false);
    expect(scram.isServerFinal('e=other-error')).toBe(false);
  });
});

describe('createServerLogin', () => {
  it.each([
    ['no authentication at all', [authentication(0)]],
    ['a clear password', [authentication(3)]],
    ['MD5', [authentication(5, 'salt')]],
    ['another mechanism', [authentication(10, 'OTHER\0\0')]],
    ['success without its proof', [OFFER, authentication(11, SERVER_FIRST), authentication(0)]],
    ['a wrong proof', [OFFER, authentication(11, SERVER_FIRST), authentication(12, 'v=AAAA')]],
    ['a session before its proof', [OFFER, { type: 'Z', payload: Buffer.from('I') }]],
    ['an empty message', [{ type: 'R', payload: Buffer.alloc(0) }]],
  ])('refuses a server with %s', (_, messages) => {
    const login = createServerLogin(newScram());
    for (const message of messages.slice(0, -1)) login(message);
    expect(() => messages.slice(-1).map(login)).toThrow('PostgreSQL login:');
  });

  it('passes the error with which a server ends the login', () => {
    const payload = Buffer.concat([renderText('SFATAL'), Buffer.from([0])]);
    expect(createServerLogin(newScram())({ type: 'E', payload })).toMatchObject({ end: 'failed' });
  });
});

describe('createCancelRequests', () => {
  it('lets a consumer cancel its own running sessions only', () => {
    const table = createCancelRequests<string>();
    const key = { pid: 1, secret: 2 };
    const forget = table.add('agent', key, 'first');
    expect(table.find('agent', key)).toBe('first');
    expect(table.find('helper', key)).toBeUndefined();
    expect(table.find('agent', { pid: 1, secret: 3 })).toBeUndefined();
    // The server can give a key again before the end of the first session is seen.
    const forgetNext = table.add('agent', key, 'next');
    forget();
    expect(table.find('agent', key)).toBe('next');
    forgetNext();
    expect(table.find('agent', key)).toBeUndefined();
  });
});
