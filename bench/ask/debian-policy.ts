import type { AskQuestion } from "./question.js";

/** Questions about the Debian Policy Manual (package debian-policy, version 4.6.2), written by hand from its text, with the file
 *  and the words that hold the answer; six have no answer there. Files are names in usr/share/doc/debian-policy/policy.html. */

type Wording = AskQuestion["wording"];

const one = (
  wording: Wording,
  question: string,
  answers: readonly string[],
  file: string,
  phrase: string,
): Omit<AskQuestion, "id"> => ({ kind: "single", wording, question, answers, gold: [{ file, phrase }] });

const none = (wording: Wording, question: string, missing: "thing" | "fact"): Omit<AskQuestion, "id"> => ({
  kind: "none",
  wording,
  question,
  answers: [],
  gold: [],
  missing,
});

const questions: readonly Omit<AskQuestion, "id">[] = [
  one(
    "direct",
    "How long may the single line synopsis of a package be?",
    ["80 characters"],
    "ch-binary.html",
    "certainly under 80 characters",
  ),
  one(
    "direct",
    "Which encoding must control files use?",
    ["UTF-8"],
    "ch-controlfields.html",
    "All control files must be encoded in UTF-8",
  ),
  one(
    "direct",
    "How long must package names be at least?",
    ["two characters", "2 characters"],
    "ch-controlfields.html",
    "They must be at least two characters long and must start with an alphanumeric character",
  ),
  one(
    "direct",
    "Which range of UIDs is for dynamically allocated user accounts?",
    ["1000-59999", "1000–59999", "65536-4294967293"],
    "ch-opersys.html",
    "Dynamically allocated user accounts",
  ),
  one(
    "direct",
    "With which version of the Filesystem Hierarchy Standard must file locations comply?",
    ["3.0", "version 3.0"],
    "ch-opersys.html",
    "must comply with the Filesystem Hierarchy Standard (FHS), version 3.0",
  ),
  one(
    "paraphrase",
    "Which user id was once used as an error code and is therefore forbidden?",
    ["65535"],
    "ch-opersys.html",
    "because it was the error return sentinel value when",
  ),
  one(
    "paraphrase",
    "Who is entitled to use the directory for locally installed software?",
    ["local administrator"],
    "ch-opersys.html",
    "its contents are for exclusive use of the local administrator",
  ),
  one(
    "direct",
    "Which program should rotate log files?",
    ["logrotate"],
    "ch-files.html",
    "Log files must be rotated occasionally",
  ),
  one(
    "direct",
    "With which library must binary executables not be statically linked?",
    ["GNU C library"],
    "ch-files.html",
    "Binary executables must not be statically linked with the GNU C library",
  ),
  one(
    "paraphrase",
    "When should a symlink be absolute?",
    ["top-level directory"],
    "ch-files.html",
    "symbolic links pointing from one top-level directory to or into another should be absolute",
  ),
  one(
    "direct",
    "What priority does a window manager start with as an alternative?",
    ["40"],
    "ch-customized-programs.html",
    "Start with a priority of 40",
  ),
  one(
    "direct",
    "Where should the binaries of games be installed?",
    ["usr/games", "/usr/games"],
    "ch-customized-programs.html",
    "binaries of games should be installed in the directory",
  ),
  one(
    "direct",
    "What is the mode of the mail spool?",
    ["2775"],
    "ch-customized-programs.html",
    "The mail spool is 2775",
  ),
  one(
    "paraphrase",
    "Where is the host name kept that outgoing mail is stamped with?",
    ["etc/mailname", "/etc/mailname"],
    "ch-customized-programs.html",
    "If your package needs to know what hostname to use on",
  ),
  one(
    "direct",
    "Which virtual package should all web servers provide?",
    ["httpd"],
    "ch-customized-programs.html",
    "All web servers should provide the virtual package",
  ),
  one(
    "direct",
    "How should manual pages be compressed?",
    ["gzip -9"],
    "ch-docs.html",
    "Manual pages should be installed compressed using",
  ),
  one(
    "direct",
    "What must the exit status of a maintainer script be for success?",
    ["zero"],
    "ch-maintainerscripts.html",
    "Each script must return a zero exit status for success",
  ),
  one(
    "paraphrase",
    "Why do maintainer scripts have to survive being run twice?",
    ["error recovery"],
    "ch-maintainerscripts.html",
    "It is necessary for the error recovery procedures that the scripts be idempotent",
  ),
  one(
    "direct",
    "By which attribute is a shared library identified?",
    ["SONAME"],
    "ch-sharedlibs.html",
    "A shared library is identified by the",
  ),
  one(
    "direct",
    "Which field is similar to Suggests but works in the opposite direction?",
    ["Enhances"],
    "ch-relationships.html",
    "This field is similar to",
  ),
  one(
    "direct",
    "What is the default priority for the majority of the archive?",
    ["optional"],
    "ch-archive.html",
    "This is the default priority for the majority of the archive",
  ),
  one(
    "direct",
    "Which archive area forms the Debian distribution?",
    ["main"],
    "ch-archive.html",
    "archive area forms the Debian distribution",
  ),
  one(
    "paraphrase",
    "Which licences are named as examples that count as free?",
    ["GPL", "BSD", "Artistic"],
    "ch-archive.html",
    "licenses are examples of licenses that we consider free",
  ),
  one(
    "direct",
    "By how many spaces must the maintainer details and the date in the changelog be separated?",
    ["two spaces", "exactly two"],
    "ch-source.html",
    "The maintainer details and the date must be separated by exactly two spaces",
  ),
  one(
    "paraphrase",
    "What may the build target not need?",
    ["root privilege"],
    "ch-source.html",
    "target must not do anything that might require root privilege",
  ),
  none("direct", "Which port must a Debian package mirror listen on?", "fact"),
  none("direct", "How many maintainers does the Debian project have?", "fact"),
  none("direct", "What does the Snapcraft store charge for a package?", "thing"),
  none("paraphrase", "How much does it cost to put a program into the archive?", "fact"),
  none("direct", "In which year was the Debian Policy Committee dissolved?", "thing"),
  none("direct", "Which Kubernetes version does policy require?", "thing"),
];

export const debianPolicyQuestions: readonly AskQuestion[] = questions.map((question, i) => ({
  id: `policy-${String(i + 1).padStart(2, "0")}`,
  ...question,
}));
