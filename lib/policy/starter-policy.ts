/**
 * A first policy that a person can read: namespaces that carry the label may read and write, for a
 * quarter of an hour; nothing may change permissions. The chart's starter is this text.
 */
export const STARTER_POLICY = `// Tasks in namespaces that carry the label valetkey.dev/tasks: allowed.
@id("labelled-namespaces")
permit (principal, action == Action::"run", resource)
when {
  principal.namespace.hasTag("valetkey.dev/tasks") &&
  principal.namespace.getTag("valetkey.dev/tasks") == "allowed" &&
  context.lifetimeSeconds <= 900
};

// Nobody changes permissions through a task, whatever other policies permit.
@id("no-permissions-management")
forbid (principal, action == Action::"run", resource)
when { context.accessLevels.contains("Permissions management") };
`;
