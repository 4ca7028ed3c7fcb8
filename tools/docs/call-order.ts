import ts from 'typescript';

type LocalFunctions = ReadonlyMap<string, ts.Node>;

const isFunctionExpression = (
  node: ts.Node | undefined,
): node is ts.ArrowFunction | ts.FunctionExpression =>
  node !== undefined && (ts.isArrowFunction(node) || ts.isFunctionExpression(node));

/** Bodies of the functions that a file declares, by name, at any depth. */
const listLocalFunctions = (file: ts.SourceFile): LocalFunctions => {
  const bodies = new Map<string, ts.Node>();
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionDeclaration(node) && node.name && node.body) {
      bodies.set(node.name.text, node.body);
    }
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name)) {
      if (isFunctionExpression(node.initializer)) {
        bodies.set(node.name.text, node.initializer.body);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return bodies;
};

const readCalleeName = ({ expression }: ts.CallExpression): string | undefined => {
  if (ts.isIdentifier(expression)) return expression.text;
  return ts.isPropertyAccessExpression(expression) ? expression.name.text : undefined;
};

const parseSource = (text: string): ts.SourceFile =>
  ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest, true);

/**
 * Names of the functions that `entry` calls, in the order in which they are evaluated: arguments before the
 * call, and the calls of a function of the same file after the call itself. A function that is passed by its
 * name counts as called there. Undefined if the file declares no such function.
 */
export const listCallsInOrder = (text: string, entry: string): readonly string[] | undefined => {
  const functions = listLocalFunctions(parseSource(text));
  const calls: string[] = [];
  const active = new Set<string>();

  const enter = (name: string): void => {
    const body = functions.get(name);
    if (body === undefined || active.has(name)) return;
    active.add(name);
    visit(body);
    active.delete(name);
  };
  const record = (name: string | undefined): void => {
    if (name === undefined) return;
    calls.push(name);
    enter(name);
  };
  const isNestedDeclaration = (node: ts.Node): boolean =>
    ts.isFunctionDeclaration(node) ||
    (ts.isVariableDeclaration(node) && isFunctionExpression(node.initializer));
  const visit = (node: ts.Node): void => {
    if (isNestedDeclaration(node)) return;
    if (!ts.isCallExpression(node)) {
      ts.forEachChild(node, visit);
      return;
    }
    if (!ts.isIdentifier(node.expression)) ts.forEachChild(node.expression, visit);
    for (const argument of node.arguments) {
      if (ts.isIdentifier(argument)) record(argument.text);
      else visit(argument);
    }
    record(readCalleeName(node));
  };

  if (!functions.has(entry)) return undefined;
  enter(entry);
  return calls;
};

/** Names of the steps that do not follow, in this order, in the list of calls. */
export const findMissingSteps = (
  calls: readonly string[],
  steps: readonly string[],
): readonly string[] => {
  let from = 0;
  return steps.filter((step) => {
    const at = calls.indexOf(step, from);
    if (at < 0) return true;
    from = at + 1;
    return false;
  });
};
