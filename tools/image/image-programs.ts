import { AUTHORITY_GID, AUTHORITY_UID } from '../../lib/contract/authority-api.ts';
import { SIDECAR_GID, SIDECAR_UID, WEBHOOK_GID, WEBHOOK_UID } from '../../lib/contract/names.ts';
import {
  AUTHORITY_COMMAND,
  AUTHORITY_RUNTIME_ENV,
  SIDECAR_COMMAND,
  SIDECAR_RUNTIME_ENV,
  WEBHOOK_COMMAND,
  WEBHOOK_RUNTIME_ENV,
} from '../../lib/contract/runtime.ts';

/** A program of the image as its container starts it: the compile cache is keyed by all of this. */
export type ImageProgram = {
  readonly name: string;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

export const IMAGE_PROGRAMS: readonly ImageProgram[] = [
  {
    name: 'webhook',
    user: { uid: WEBHOOK_UID, gid: WEBHOOK_GID },
    command: WEBHOOK_COMMAND,
    env: WEBHOOK_RUNTIME_ENV,
  },
  {
    name: 'authority',
    user: { uid: AUTHORITY_UID, gid: AUTHORITY_GID },
    command: AUTHORITY_COMMAND,
    env: AUTHORITY_RUNTIME_ENV,
  },
  {
    name: 'sidecar',
    user: { uid: SIDECAR_UID, gid: SIDECAR_GID },
    command: SIDECAR_COMMAND,
    env: SIDECAR_RUNTIME_ENV,
  },
];
