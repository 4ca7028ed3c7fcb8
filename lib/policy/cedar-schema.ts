/** The Cedar schema of policies. Part of `docs/policy.md`. */
export const CEDAR_SCHEMA = `entity Namespace { name: String } tags String;
entity Workload in [Namespace] { namespace: Namespace, serviceAccount: String };
entity Task { name: String };
entity Params tags String;

type User = { issuer: String, subject: String };

action run appliesTo {
  principal: Workload,
  resource: Task,
  context: {
    action: String,
    accessLevels: Set<String>,
    resource: String,
    role: String,
    lifetimeSeconds: Long,
    params: Params,
    user?: User,
    delivery: String,
    sourceRestriction: String,
    approvals: Set<String>,
    hour: Long,
    minute: Long,
    weekday: String,
  }
};
`;
