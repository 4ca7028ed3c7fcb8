/** What policies know of a run. Policies about calls know it as well, so that open policies validate for both. */
const RUN_CONTEXT = `    action: String,
    accessLevels: Set<String>,
    resource: String,
    role: String,
    lifetimeSeconds: Long,
    params: Params,
    user?: User,
    parent?: Parent,
    delivery: String,
    sourceRestriction: String,
    approvals: Set<String>,
    hour: Long,
    minute: Long,
    weekday: String,
`;

/** The Cedar schema of policies. Part of `docs/policy.md`. */
export const CEDAR_SCHEMA = `entity Namespace { name: String } tags String;
entity Workload in [Namespace] { namespace: Namespace, serviceAccount: String };
entity Task { name: String };
entity Params tags String;
entity Arguments tags String;

type User = { issuer: String, subject: String };
type Parent = { namespace: String, serviceAccount: String, task: String, depth: Long };

action run appliesTo {
  principal: Workload,
  resource: Task,
  context: {
${RUN_CONTEXT}  }
};

action call appliesTo {
  principal: Workload,
  resource: Task,
  context: {
${RUN_CONTEXT}    operation: String,
    bytes?: Long,
    arguments: Arguments,
  }
};
`;
