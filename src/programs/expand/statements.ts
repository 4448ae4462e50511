import { type CallExpression, type Node, type Pattern, parse } from "acorn";

/** Code of a model as top-level statements, each with what it calls, reads and assigns. JavaScript, `await` allowed at the top. */

export interface Statement {
  readonly code: string;
  /** Bare names that it calls, in order; method calls are no names. */
  readonly calls: readonly string[];
  /** Variables that it assigns at any depth, without those it declares for itself inside a function or block. */
  readonly assigns: readonly string[];
  /** Bare names that it reads. */
  readonly reads: readonly string[];
  /** Of its first bare call: arguments that are names, and literals that are named in an object. */
  readonly shown: readonly ShownArgument[];
  /** The same statement, ready to run: declarations are assignments to the store, and primitives at the top are awaited. */
  runnable(primitives: ReadonlySet<string>): string;
}

export type ShownArgument =
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "literal"; readonly name: string; readonly value: string | number | boolean | null };

export type ParsedCode =
  | { readonly statements: readonly Statement[] }
  /** In words that help to write it better. */
  | { readonly problem: string };

const options = {
  ecmaVersion: 2022,
  sourceType: "script",
  allowAwaitOutsideFunction: true,
  allowReturnOutsideFunction: true,
} as const;

export function parseStatements(code: string): ParsedCode {
  let body: Node[];
  try {
    body = parse(code, options).body;
  } catch (error) {
    return { problem: `It cannot be parsed: ${(error as Error).message}.` };
  }
  const found: Statement[] = [];
  for (const node of body) {
    const problem = forbidden(node);
    if (problem !== undefined) return { problem };
    if (node.type === "EmptyStatement") continue;
    found.push(statementOf(node, code));
  }
  return { statements: found };
}

function forbidden(node: Node): string | undefined {
  switch (node.type) {
    case "FunctionDeclaration":
    case "ClassDeclaration":
      return "Functions and classes must not be defined; call a name that says what is to be done instead.";
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportDefaultDeclaration":
    case "ExportAllDeclaration":
      return "Nothing can be imported or exported.";
    case "ReturnStatement":
      return "There is nothing to return from; assign variables, or call answer(text).";
  }
  const assigned = namedValues(node).find(({ value }) => isFunction(value));
  return assigned === undefined
    ? undefined
    : `A function must not be stored in ${assigned.name}; call a name that says what is to be done instead.`;
}

function namedValues(node: Node): { name: string; value: Node }[] {
  const any = node as unknown as Record<string, unknown>;
  if (node.type === "VariableDeclaration") {
    const declared = any["declarations"] as { id: Node; init: Node | null }[];
    return declared.flatMap(({ id, init }) => (init === null ? [] : [{ name: nameOf(id), value: init }]));
  }
  if (node.type !== "ExpressionStatement") return [];
  const expression = any["expression"] as Node & { left?: Node; right?: Node };
  if (expression.type !== "AssignmentExpression") return [];
  return [{ name: nameOf(expression.left as Node), value: expression.right as Node }];
}

const nameOf = (node: Node): string =>
  node.type === "Identifier" ? (node as Node & { name: string }).name : "a variable";
const isFunction = ({ type }: Node): boolean => type === "FunctionExpression" || type === "ArrowFunctionExpression";

function statementOf(node: Node, source: string): Statement {
  const code = source.slice(node.start, node.end);
  const seen = new Seen();
  seen.visit(node, new Set(), 0);
  const { calls, assigns, reads } = seen;
  return {
    code,
    calls: calls.map(({ name }) => name),
    assigns: [...assigns],
    reads: [...reads],
    shown: calls[0] === undefined ? [] : shownArguments(calls[0].node),
    runnable: (primitives) => runnable(node, source, calls, primitives),
  };
}

interface Call {
  readonly name: string;
  readonly node: CallExpression;
  /** Functions around it. */
  readonly functions: number;
  readonly awaited: boolean;
}

/** Walks a statement once. Names that an inner function or block declares for itself are its own. */
class Seen {
  readonly calls: Call[] = [];
  readonly assigns = new Set<string>();
  readonly reads = new Set<string>();

  visit(node: Node, own: ReadonlySet<string>, functions: number, parent?: Node): void {
    const any = node as unknown as Record<string, unknown>;
    switch (node.type) {
      case "Identifier": {
        const { name } = node as Node & { name: string };
        if (!own.has(name)) this.reads.add(name);
        return;
      }
      case "CallExpression": {
        const { callee } = any as unknown as { callee: Node & { name?: string } };
        const awaited = parent?.type === "AwaitExpression";
        if (callee.type === "Identifier" && callee.name !== undefined && !own.has(callee.name))
          this.calls.push({ name: callee.name, node: node as CallExpression, functions, awaited });
        else this.visit(callee, own, functions, node);
        for (const argument of any["arguments"] as Node[]) this.visit(argument, own, functions, node);
        return;
      }
      case "VariableDeclaration":
        for (const one of any["declarations"] as { id: Node; init: Node | null }[]) {
          // At the top these are variables of the store; inside they were entered as own already.
          for (const name of boundNames(one.id)) if (!own.has(name)) this.assigns.add(name);
          this.#pattern(one.id, own, functions);
          if (one.init !== null) this.visit(one.init, own, functions, node);
        }
        return;
      case "AssignmentExpression": {
        const { left, right, operator } = any as unknown as { left: Node; right: Node; operator: string };
        for (const name of boundNames(left)) if (!own.has(name)) this.assigns.add(name);
        if (operator !== "=" || left.type === "MemberExpression") this.visit(left, own, functions, node);
        else this.#pattern(left, own, functions);
        this.visit(right, own, functions, node);
        return;
      }
      case "UpdateExpression": {
        const { argument } = any as unknown as { argument: Node };
        for (const name of boundNames(argument)) if (!own.has(name)) this.assigns.add(name);
        this.visit(argument, own, functions, node);
        return;
      }
      case "MemberExpression":
        this.visit(any["object"] as Node, own, functions, node);
        if (any["computed"] === true) this.visit(any["property"] as Node, own, functions, node);
        return;
      case "Property":
        if (any["computed"] === true) this.visit(any["key"] as Node, own, functions, node);
        this.visit(any["value"] as Node, own, functions, node);
        return;
      case "ArrowFunctionExpression":
      case "FunctionExpression": {
        const inner = new Set(own);
        for (const parameter of any["params"] as Node[]) for (const name of boundNames(parameter)) inner.add(name);
        for (const name of declaredIn(any["body"] as Node)) inner.add(name);
        this.visit(any["body"] as Node, inner, functions + 1, node);
        return;
      }
      case "BlockStatement":
      case "ForStatement":
      case "ForOfStatement":
      case "ForInStatement": {
        const inner = new Set([...own, ...declaredIn(node)]);
        this.#children(node, inner, functions);
        return;
      }
      case "CatchClause": {
        const inner = new Set([...own, ...(any["param"] ? boundNames(any["param"] as Node) : [])]);
        this.visit(any["body"] as Node, inner, functions, node);
        return;
      }
      case "LabeledStatement":
      case "BreakStatement":
      case "ContinueStatement":
        if (any["body"]) this.visit(any["body"] as Node, own, functions, node);
        return;
    }
    this.#children(node, own, functions);
  }

  #children(node: Node, own: ReadonlySet<string>, functions: number): void {
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value])
        if (isNode(child)) this.visit(child, own, functions, node);
    }
  }

  /** Defaults in a pattern are read; what it binds is not. */
  #pattern(pattern: Node, own: ReadonlySet<string>, functions: number): void {
    if (pattern.type === "Identifier") return;
    for (const value of Object.values(pattern)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (!isNode(child)) continue;
        if (child.type === "AssignmentPattern")
          this.visit((child as unknown as { right: Node }).right, own, functions, child);
        else this.#pattern(child, own, functions);
      }
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}

/** Names that a block, loop or function body declares directly. */
function declaredIn(node: Node): string[] {
  const any = node as unknown as { body?: Node | Node[]; init?: Node; left?: Node };
  const inside = [any.init, any.left, ...(Array.isArray(any.body) ? any.body : [])].filter(isNode);
  return inside.flatMap((one) =>
    one.type === "VariableDeclaration"
      ? (one as unknown as { declarations: { id: Node }[] }).declarations.flatMap(({ id }) => boundNames(id))
      : [],
  );
}

function boundNames(pattern: Node | Pattern): string[] {
  const any = pattern as unknown as Record<string, unknown>;
  switch (pattern.type) {
    case "Identifier":
      return [any["name"] as string];
    case "ArrayPattern":
      return (any["elements"] as (Node | null)[]).flatMap((one) => (one === null ? [] : boundNames(one)));
    case "ObjectPattern":
      return (any["properties"] as (Node & { value?: Node; argument?: Node })[]).flatMap((one) =>
        boundNames((one.value ?? one.argument) as Node),
      );
    case "AssignmentPattern":
      return boundNames(any["left"] as Node);
    case "RestElement":
      return boundNames(any["argument"] as Node);
  }
  return [];
}

function shownArguments(call: CallExpression): ShownArgument[] {
  return call.arguments.flatMap((argument): ShownArgument[] => {
    if (argument.type === "Identifier") return [{ kind: "variable", name: argument.name }];
    if (argument.type !== "ObjectExpression") return [];
    return argument.properties.flatMap((property): ShownArgument[] => {
      if (property.type !== "Property" || property.computed || property.key.type !== "Identifier") return [];
      const { name } = property.key;
      if (property.value.type === "Identifier") return [{ kind: "variable", name: property.value.name }];
      if (property.value.type !== "Literal") return [];
      const { value } = property.value;
      if (typeof value === "bigint" || value instanceof RegExp || value === undefined) return [];
      return [{ kind: "literal", name, value }];
    });
  });
}

function runnable(node: Node, source: string, calls: readonly Call[], primitives: ReadonlySet<string>): string {
  const changes: { at: number; until: number; text: string }[] = [];
  for (const { name, node: call, functions, awaited } of calls) {
    if (functions > 0 || awaited || !primitives.has(name)) continue;
    changes.push({ at: call.start, until: call.start, text: "(await " });
    changes.push({ at: call.end, until: call.end, text: ")" });
  }
  if (node.type === "VariableDeclaration") {
    const { declarations } = node as unknown as { declarations: (Node & { id: Node; init: Node | null })[] };
    const first = declarations[0] as (typeof declarations)[number];
    changes.push({ at: node.start, until: first.start, text: "" });
    for (const [index, one] of declarations.entries()) {
      changes.push({ at: one.start, until: one.start, text: "(" });
      changes.push({ at: one.end, until: one.end, text: one.init === null ? " = undefined)" : ")" });
      const next = declarations[index + 1];
      if (next !== undefined) changes.push({ at: one.end, until: next.start, text: "; " });
    }
  }
  let text = "";
  let at = node.start;
  const ordered = changes
    .map((change, order) => ({ ...change, order }))
    .sort((a, b) => a.at - b.at || a.order - b.order);
  for (const change of ordered) {
    text += source.slice(at, change.at) + change.text;
    at = Math.max(at, change.until);
  }
  return text + source.slice(at, node.end);
}
