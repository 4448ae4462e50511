import type { Branch } from "./watched.js";

/** Answers that grow from common beginnings, as an outline. */
export function BranchTree({ branches }: { branches: readonly Branch[] }) {
  const known = new Set(branches.map(({ branch }) => branch));
  const roots = branches.filter(({ from }) => !known.has(from));
  return (
    <ul className="branch-tree" aria-label="Branches">
      {roots.map((root) => (
        <BranchItem key={root.branch} branch={root} all={branches} />
      ))}
    </ul>
  );
}

function BranchItem({ branch, all }: { branch: Branch; all: readonly Branch[] }) {
  const children = all.filter(({ from, branch: own }) => from === branch.branch && own !== branch.branch);
  return (
    <li>
      <span className="branch-text">{branch.text}</span>
      {branch.reason !== undefined && <span className="branch-reason small">{branch.reason}</span>}
      {children.length > 0 && (
        <ul>
          {children.map((child) => (
            <BranchItem key={child.branch} branch={child} all={all} />
          ))}
        </ul>
      )}
    </li>
  );
}
