import type { Cel } from './cel.ts';

/** Whether a kubelet asks: a user of the form that the node authorizer and NodeRestriction know. */
export const IS_KUBELET: Cel =
  '(request.userInfo.username.startsWith("system:node:") && "system:nodes" in request.userInfo.?groups.orValue([]))';
