import type { Environment } from "../../src/programs/expand/environment.js";
import { random } from "../ask/random.js";

/** A house of text: rooms with furniture, things in or on it, and a task: find a thing, perhaps clean it, and put it somewhere. */

export interface House {
  readonly rooms: readonly string[];
  readonly task: Task;
  readonly environment: Environment & { isDone(): boolean };
  /** Actions made so far. */
  readonly steps: number;
  act(name: string, args: readonly unknown[]): string;
}

export interface Task {
  readonly words: string;
  readonly thing: string;
  readonly place: string;
  readonly clean: boolean;
}

const roomNames = "kitchen hall bedroom bathroom study attic cellar garage pantry library nursery laundry".split(" ");
const furniture = "table shelf cabinet drawer chest basket desk wardrobe rack box".split(" ");
const things = "apple lamp book key mug plate towel candle clock scarf bottle coin".split(" ");
const closed = new Set(["cabinet", "drawer", "chest", "wardrobe", "box"]);

interface Furniture {
  readonly name: string;
  readonly room: string;
  isOpen: boolean;
  readonly holds: string[];
}

export function house(seed: number): House {
  const draw = random(seed);
  const rooms = draw.shuffle(roomNames).slice(0, 6 + draw.below(7));
  const pieces: Furniture[] = rooms.flatMap((room) =>
    draw
      .shuffle(furniture)
      .slice(0, 2 + draw.below(2))
      .map((kind) => ({ name: `${room} ${kind}`, room, isOpen: !closed.has(kind), holds: [] as string[] })),
  );
  for (const thing of things) draw.pick(pieces).holds.push(thing);
  const from = draw.pick(pieces.filter(({ holds }) => holds.length > 0));
  const to = draw.pick(pieces.filter((one) => one !== from));
  const thing = draw.pick(from.holds);
  const clean = draw.below(2) === 0;
  const words = `Put the ${clean ? "cleaned " : ""}${thing} into the ${to.name}.`;
  const task: Task = { words, thing, place: to.name, clean };

  let here = rooms[0] as string;
  let held: string | undefined;
  let steps = 0;
  const cleaned = new Set<string>();
  const seen = (): string => {
    const lines = pieces
      .filter(({ room }) => room === here)
      .map(({ name, isOpen, holds }) =>
        isOpen ? `${name}: ${holds.length === 0 ? "nothing" : holds.join(", ")}` : `${name}: closed`,
      );
    return `You are in the ${here}. ${lines.join("; ")}.`;
  };
  const find = (name: unknown): Furniture | undefined => pieces.find((one) => one.name === name && one.room === here);
  const deeds: Record<string, (target: unknown, second: unknown) => string> = {
    look: () => seen(),
    go: (room) => {
      if (!rooms.includes(String(room))) return `There is no ${String(room)}.`;
      here = String(room);
      return seen();
    },
    open: (name) => {
      const piece = find(name);
      if (piece === undefined) return `There is no ${String(name)} here.`;
      piece.isOpen = true;
      return `${piece.name}: ${piece.holds.length === 0 ? "nothing" : piece.holds.join(", ")}.`;
    },
    take: (name, from) => {
      const piece = find(from);
      const at = piece?.isOpen === true ? piece.holds.indexOf(String(name)) : -1;
      if (piece === undefined || at < 0) return `You cannot take the ${String(name)}.`;
      piece.holds.splice(at, 1);
      held = String(name);
      return `You hold the ${held}.`;
    },
    clean: (name) => {
      if (held !== name) return `You do not hold the ${String(name)}.`;
      cleaned.add(String(name));
      return `The ${held} is clean.`;
    },
    put: (name, into) => {
      const piece = find(into);
      if (held !== name || piece?.isOpen !== true) return `You cannot put the ${String(name)} there.`;
      piece.holds.push(String(name));
      held = undefined;
      return `The ${String(name)} is in the ${piece.name}.`;
    },
  };
  const act = (name: string, args: readonly unknown[]): string => {
    steps++;
    return deeds[name]?.(args[0], args[1]) ?? "Nothing happens.";
  };
  const usages: [name: string, usage: string, about: string][] = [
    ["look", "look()", "what is to be seen in the room"],
    ["go", "go(room)", "goes to a room and looks"],
    ["open", "open(furniture)", "opens a piece of furniture in the room"],
    ["take", "take(thing, furniture)", "takes a thing out of it"],
    ["clean", "clean(thing)", "cleans what is held"],
    ["put", "put(thing, furniture)", "puts what is held into it"],
  ];
  const done = (): boolean => to.holds.includes(thing) && (!clean || cleaned.has(thing));
  return {
    rooms,
    task,
    act,
    get steps() {
      return steps;
    },
    environment: {
      observation: `The rooms: ${rooms.join(", ")}. ${seen()}`,
      isDone: done,
      actions: usages.map(([name, usage, about]) => ({ name, usage, about, call: async (args) => act(name, args) })),
      examples: [
        {
          statement: "solve(instruction, observation)",
          variables: {
            instruction: "Put the cleaned fork into the yard crate.",
            observation: "The rooms: yard, porch. …",
          },
          thought: "Find it, clean it, carry it there.",
          code: 'const rooms = ["yard", "porch"]\nconst place = find_thing("fork", rooms)\ntake("fork", place)\nclean("fork")\ngo("yard")\nopen("yard crate")\nput("fork", "yard crate")',
        },
      ],
    },
  };
}
