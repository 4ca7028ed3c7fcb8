import type { PeerConnection, FindPeerUid } from './peer.ts';
import type { PeerCheck } from './peer-self-test.ts';
import { createFixedKeyTest } from './http-identity.ts';

/**
 * Says who a request with the fixed key comes from: the pod's only consumer. Undefined: the request does not hold
 * the fixed key. `why`: it does, and is refused.
 */
export type IdentifyByFixedKey = (
  headers: ReadonlyMap<string, string>,
  connection: PeerConnection,
) => Promise<{ readonly consumer: string } | { readonly why: string } | undefined>;

export type FixedKey = {
  readonly identify: IdentifyByFixedKey;
  /** Whether the authority's latest answer to the consumer grants the fixed key. */
  readonly isGranted: () => boolean;
};

export type FixedKeyDeps = {
  readonly podUid: string;
  readonly consumer: string;
  /** The user of this process. */
  readonly ownUid: number;
  /** Whether the kernel shows who connects: the self-test at the start. */
  readonly peerCheck: Promise<PeerCheck>;
  readonly findPeerUid: FindPeerUid;
  /** The authority's latest answer to this consumer; undefined: it has not answered yet. */
  readonly getAnswer: () => boolean | undefined;
};

const ROOT_UID = 0;

/** Why a pod's UID is no key there, although the connection is its own. */
export const REFUSED_BY_AUTHORITY =
  'the authority found another container in this pod, or less than level restricted';

/**
 * Creates the identification by the fixed key. The UID of a pod is no secret: `kubectl port-forward` and a mesh's
 * proxy can send it from inside the pod's network, so that the user at the other end decides. It is looked up once
 * for each connection.
 */
export const createFixedKey = ({
  podUid,
  consumer,
  ownUid,
  peerCheck,
  findPeerUid,
  getAnswer,
}: FixedKeyDeps): FixedKey => {
  const holdsKey = createFixedKeyTest(podUid);
  const users = new WeakMap<PeerConnection, Promise<number | undefined>>();
  const findUser = (connection: PeerConnection): Promise<number | undefined> => {
    const known = users.get(connection);
    if (known !== undefined) return known;
    const found = findPeerUid(connection);
    users.set(connection, found);
    return found;
  };
  const identify: IdentifyByFixedKey = async (headers, connection) => {
    if (!holdsKey(headers)) return undefined;
    const check = await peerCheck;
    if (!check.works) return { why: 'this kernel does not show who connects' };
    const user = await findUser(connection);
    if (user === undefined) return { why: 'it is not certain who connects' };
    if ([ROOT_UID, check.overflowUid, ownUid].includes(user)) {
      return { why: `user ${user} connects, who may be outside this container` };
    }
    return getAnswer() === false ? { why: REFUSED_BY_AUTHORITY } : { consumer };
  };
  return { identify, isGranted: () => getAnswer() === true };
};
