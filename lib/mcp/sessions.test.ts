import { describe, expect, it } from '@jest/globals';
import { createMcpSessions } from './sessions.ts';

const agent = { consumer: 'agent', task: 'docs' };

describe('createMcpSessions', () => {
  it('lets only the consumer and task use a session to which it was assigned', () => {
    const sessions = createMcpSessions();
    expect(sessions.bind(agent, 'one')).toBe(true);
    expect(sessions.isBound(agent, 'one')).toBe(true);
    expect(sessions.isBound({ ...agent, consumer: 'helper' }, 'one')).toBe(false);
    expect(sessions.isBound({ ...agent, task: 'other' }, 'one')).toBe(false);
    expect(sessions.isBound({ ...agent, run: 'run-1' }, 'one')).toBe(false);
    expect(sessions.isBound({ consumer: 'agent","docs', task: '' }, 'one')).toBe(false);
  });

  it('forgets an ended session', () => {
    const sessions = createMcpSessions();
    sessions.bind(agent, 'one');
    sessions.end(agent, 'one');
    expect(sessions.isBound(agent, 'one')).toBe(false);
  });

  it('forgets the session that was used least recently when there are more than 64', () => {
    const sessions = createMcpSessions();
    for (let index = 0; index < 64; index += 1) sessions.bind(agent, `${index}`);
    sessions.isBound(agent, '0');
    sessions.bind({ ...agent, consumer: 'helper' }, 'other');
    sessions.bind(agent, '64');
    expect(['0', '1', '2'].map((id) => sessions.isBound(agent, id))).toEqual([true, false, true]);
  });

  it.each(['', 'a b', 'a\nb', 'ä', 'a'.repeat(257)])('does not bind the ID %j', (id) => {
    expect(createMcpSessions().bind(agent, id)).toBe(false);
  });
});
