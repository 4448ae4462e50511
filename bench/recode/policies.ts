import type { GenerationRequest } from "../../src/programs/language-model.js";
import type { House, Task } from "./house.js";

/** The same perfect policy twice: as expansions of a plan, and as one action a call with the whole history before it. Both look through
 *  the rooms in the order in which they are named, and know only what they have seen. */

/** What the ideal model writes for a statement. */
export function idealExpansion(request: GenerationRequest, { rooms, task }: House): string {
  const statement = /Statement:\n([\s\S]*?)\nVariables:/.exec(request.messages.at(-1)?.content ?? "")?.[1] ?? "";
  return statement.startsWith("solve") ? plan(rooms, task) : search;
}

function plan(rooms: readonly string[], { thing, place, clean }: Task): string {
  const [room] = place.split(" ");
  const code = [
    `const rooms = ${JSON.stringify(rooms)}`,
    `const place = find_thing("${thing}", rooms, {thing: "${thing}"})`,
    `take("${thing}", place)`,
    ...(clean ? [`clean("${thing}")`] : []),
    `go("${room}")`,
    `open("${place}")`,
    `put("${thing}", "${place}")`,
  ].join("\n");
  return `<think>Find the ${thing}, ${clean ? "clean it, " : ""}carry it to the ${place}.</think><execute>\n${code}\n</execute>`;
}

const search = `<think>Every room in turn, and every closed piece of furniture in it, until the thing is seen.</think><execute>
place = ""
for (const room of rooms) {
  const seen = await go(room)
  for (const part of seen.replace(/^[^.]*\\. /, "").replace(/\\.$/, "").split("; ")) {
    const [name, inside] = part.split(": ")
    const holds = inside === "closed" ? (await open(name)).split(": ")[1] : inside
    if (holds.split(/[,. ]+/).includes(thing)) { place = name; break }
  }
  if (place !== "") break
}
</execute>`;

export interface ReactCall {
  readonly prompt: string;
  readonly reply: string;
}

const reactRules = `You act in a house. Answer with a thought and one action, as:
Thought: why
Action: go("kitchen")`;

const reactExample = `Task: Put the cleaned fork into the yard crate.
Thought: I look for the fork in the yard first.
Action: go("yard")
Observation: You are in the yard. yard crate: closed; yard bench: fork.
Thought: There is the fork.
Action: take("fork", "yard bench")
Observation: You hold the fork.
Thought: It has to be clean.
Action: clean("fork")
Observation: The fork is clean.
Thought: The crate is closed.
Action: open("yard crate")
Observation: yard crate: nothing.
Thought: Now it can go in.
Action: put("fork", "yard crate")
Observation: The fork is in the yard crate.`;

/** One call an action, with everything before it in the prompt. */
export function react(house: House): ReactCall[] {
  const { environment, task, rooms } = house;
  const actions = environment.actions.map(({ usage, about }) => `- ${usage}: ${about}`).join("\n");
  let prompt = `${reactRules}\n\nActions:\n${actions}\n\n${reactExample}\n\nTask: ${task.words}\n${environment.observation}\n`;
  const calls: ReactCall[] = [];
  const act = (thought: string, name: string, ...args: string[]): string => {
    const reply = `Thought: ${thought}\nAction: ${name}(${args.map((one) => JSON.stringify(one)).join(", ")})\n`;
    calls.push({ prompt, reply });
    const seen = house.act(name, args);
    prompt += `${reply}Observation: ${seen}\n`;
    return seen;
  };
  let found = "";
  for (const room of rooms) {
    const seen = act(`I look for the ${task.thing} in the ${room}.`, "go", room);
    for (const part of seen
      .replace(/^[^.]*\. /, "")
      .replace(/\.$/, "")
      .split("; ")) {
      const [name = "", inside = ""] = part.split(": ");
      const holds = inside === "closed" ? (act(`The ${name} is closed.`, "open", name).split(": ")[1] ?? "") : inside;
      if (holds.split(/[,. ]+/).includes(task.thing)) {
        found = name;
        break;
      }
    }
    if (found !== "") break;
  }
  act(`There is the ${task.thing}.`, "take", task.thing, found);
  if (task.clean) act("It has to be clean.", "clean", task.thing);
  act(`Now to the ${task.place}.`, "go", task.place.split(" ")[0] ?? "");
  act("It may be closed.", "open", task.place);
  act("Now it can go in.", "put", task.thing, task.place);
  return calls;
}
