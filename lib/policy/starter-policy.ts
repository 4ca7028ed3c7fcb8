/** The label that the starter policy requires of a task's namespace. */
export const STARTER_LABEL = { name: 'valetkey.dev/tasks', value: 'allowed' } as const;

/**
 * The starter policy, which the chart can install: tasks of labeled namespaces may read and write for at
 * most 15 minutes, and no task may change permissions.
 */
export const STARTER_POLICY = `// Tasks in namespaces that carry the label valetkey.dev/tasks: allowed.
@id("labelled-namespaces")
permit (principal, action == Action::"run", resource)
when {
  principal.namespace.hasTag("valetkey.dev/tasks") &&
  principal.namespace.getTag("valetkey.dev/tasks") == "allowed" &&
  context.lifetimeSeconds <= 900
};

// No task may change permissions, even if another policy permits it.
@id("no-escalation")
forbid (principal, action == Action::"run", resource)
when { context.accessLevels.contains("Escalation") };
`;
