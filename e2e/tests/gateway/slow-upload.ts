import type { Declaration } from '../test-context.ts';

/** A task that may write below `work/`. */
export const uploadTask: Declaration = {
  delivery: 'sign',
  allow: [{ actions: ['s3:PutObject'], resources: ['arn:aws:s3:::acme-data/work/*'] }],
};

/** The agent's command that uploads until something ends it. */
export const uploadCommand = ['upload', 'acme-data', 'work/slow.bin'];

/** The first line of {@link uploadCommand}: a part of the body is sent. */
export const hasBegun = (line: { hasBegun?: boolean }): boolean => line.hasBegun === true;

/** The last line of {@link uploadCommand}: the error of its SDK. */
export type CutLine = { cut?: string; message?: string };
