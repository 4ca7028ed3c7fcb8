import { createDelegationSeals, type DelegationSeals } from '../../lib/grant/delegations.ts';
import { createRunIds, type RunIds } from '../../lib/grant/run-ids.ts';
import { createTickets, type Tickets } from '../../lib/grant/tickets.ts';

/** What replicas recognize of each other's runs, by the secret that they share. */
export type RunSeals = {
  readonly runIds: RunIds;
  readonly tickets: Tickets;
  readonly handles: DelegationSeals;
};

export const createRunSeals = (secret: Uint8Array): RunSeals => ({
  runIds: createRunIds(secret),
  tickets: createTickets(secret),
  handles: createDelegationSeals(secret),
});
